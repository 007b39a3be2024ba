"""What runs where the simulation runs: the supervisor (no MPI) and the engine (under mpirun)."""
