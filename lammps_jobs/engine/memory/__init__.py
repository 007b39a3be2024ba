"""LAMMPS's own objects in this process's memory: found by identity, read, compared and written."""
