"""The process that holds the record of an attempt: claims it, starts the engine, commits its cuts. No LAMMPS in it."""
