"""`python -m lammps_jobs.cli`."""

from lammps_jobs.cli import main

main()
