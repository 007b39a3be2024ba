"""What a LAMMPS script means: text in, values out. Pure; needs no LAMMPS."""
