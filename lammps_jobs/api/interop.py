"""A run's outputs in the libraries in which people analyse them: MDAnalysis and ASE, loaded when they are asked for."""

from __future__ import annotations

import re
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lammps_jobs.errors import NotInstalled, UsageError, WrongState
from lammps_jobs.record.documents import Blob, OutputFile
from lammps_jobs.record.names import place_of

if TYPE_CHECKING:
    from lammps_jobs.api.run import Run

DUMPS = (".lammpstrj", ".lammpsdump", ".dump")
TRAJECTORIES = (".dcd", ".xtc", *DUMPS)
ASE_KNOWS = ("real", "metal", "si", "cgs", "electron")
"""Unit styles that ASE converts to its own; of others (lj) it takes the numbers for metal units."""
DATA = b"LAMMPS data file"
"""How data files begin that LAMMPS itself has written (write_data)."""
COLUMNS = {
    "atomic": "id type x y z", "charge": "id type charge x y z", "full": "id resid type charge x y z",
    **dict.fromkeys(("molecular", "bond", "angle"), "id resid type x y z"),
}  # fmt: skip
"""The columns of atoms of an atom style (manual page `read_data`), in MDAnalysis's words."""
_SNIFFED = 4096


def universe(run: Run, trajectory: str | None, topology: str | None, options: Mapping[str, Any]) -> Any:
    """An MDAnalysis Universe of copies of the files, which go when it goes.

    Raises NotInstalled, UsageError, WrongState.
    """
    library = _library("MDAnalysis", "MDAnalysis")
    outputs = run.outputs()
    chosen = _one_of(run, "trajectory", trajectory, outputs, [n for n in outputs if n.endswith(TRAJECTORIES)])
    data = topology or next((name for name in outputs if _is_data(run, outputs[name])), None)
    data = data or next((name for name, blob in run.spec.inputs.items() if _is_data(run, blob)), None)
    is_dump = chosen.endswith(DUMPS)
    if data is None and not is_dump:
        raise UsageError(f"{chosen} tells positions only, and the run has no data file to tell its atoms.",
                         where=run.name, remedy="Let the script end with `write_data`, or give topology=.")  # fmt: skip
    folder = tempfile.mkdtemp(prefix="lammps-jobs-universe-")
    path = _written(run, chosen, folder)
    of_file = {"format": "LAMMPSDUMP"} if is_dump else {"format": "LAMMPS"} if chosen.endswith(".dcd") else {}
    if data:
        atoms_file = _written(run, data, folder)
        of_file |= {"topology_format": "DATA", **_columns_of(Path(atoms_file))}
        made = library.Universe(atoms_file, path, **{**of_file, **options})
    else:
        made = library.Universe(path, **{"topology_format": "LAMMPSDUMP", **of_file, **options})
    weakref.finalize(made, _remove, folder)
    return made


def atoms(run: Run, name: str | None, index: int | str, species: Sequence[str], options: Mapping[str, Any]) -> Any:
    """ASE's Atoms, or a list of them. Raises NotInstalled, UsageError, WrongState."""
    read = _library("ase.io", "ase").read
    outputs = run.outputs()
    found = [n for n in outputs if n.endswith(DUMPS)] + [n for n in outputs if _is_data(run, outputs[n])]
    chosen = _one_of(run, "file of atoms", name, outputs, found, last_counts=True)
    units = run.units
    with tempfile.TemporaryDirectory(prefix="lammps-jobs-atoms-") as folder:
        path = _written(run, chosen, folder)
        given: dict[str, Any] = {"units": units} if units in ASE_KNOWS else {}
        if chosen.endswith(DUMPS):
            given |= {"format": "lammps-dump-text", "index": index}
            given |= {"specorder": list(species)} if species else {}
        else:
            numbers = _library("ase.data", "ase").atomic_numbers
            given |= {"format": "lammps-data"}
            given |= {"Z_of_type": {at: numbers[one] for at, one in enumerate(species, 1)}} if species else {}
        return read(path, **{**given, **options})


def _columns_of(data: Path) -> dict[str, str]:
    """What MDAnalysis must be told of the columns of atoms, from the hint that LAMMPS writes behind `Atoms`."""
    with data.open(errors="replace") as file:
        style = next((found[1] for line in file if (found := re.match(r"Atoms\s*#\s*(\w+)", line))), "")
    return {"atom_style": COLUMNS[style]} if style in COLUMNS else {}


def _library(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise NotInstalled(
            f"{package} is not installed ({error}).", remedy='Install it with: pip install "lammps-jobs[interop]"'
        ) from None


def _one_of(
    run: Run, what: str, asked: str | None, outputs: Mapping[str, OutputFile], found: list[str], *,
    last_counts: bool = False,
) -> str:  # fmt: skip
    """The output that is meant; of several the last one, where that is as good. Raises UsageError, WrongState."""
    if asked:
        if asked in outputs or asked in run.spec.inputs:
            return asked
        raise UsageError(f"{run.name} has no output {asked!r}.", remedy=f"It has: {', '.join(outputs) or 'none yet'}.")
    if not found:
        raise WrongState(f"{run.name} has no {what}: its outputs are {', '.join(outputs) or 'none yet'}.",
                         remedy="Name one, whatever its ending is.")  # fmt: skip
    if len(found) > 1 and not last_counts:
        raise UsageError(f"{run.name} has several: {', '.join(found)}.", remedy=f"Name one: {what}={found[0]!r}")
    return found[-1]


def _is_data(run: Run, output: OutputFile | Blob) -> bool:
    """Whether a file begins as LAMMPS's own data files do."""
    first = output if isinstance(output, Blob) else next(iter(output.segments), None)
    return first is not None and next(iter(run.record.read_blob(first)), b"")[:_SNIFFED].startswith(DATA)


def _written(run: Run, name: str, folder: str) -> str:
    outputs = run.outputs()
    segments = outputs[name].segments if name in outputs else (run.spec.inputs[name],)
    path = Path(folder) / place_of(name)
    run.record.write_file(segments, path)
    return str(path)


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
