"""What lammps_jobs costs, measured: against bare `lmp` on this machine, and on the stack emulated on loopback."""
