"""`python -m lammps_jobs`: the command line."""

from lammps_jobs.cli import main

main()
