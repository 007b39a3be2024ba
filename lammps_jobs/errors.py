"""The errors a user can meet, named after what can be done about them, and all exit codes.

Every text has three parts: what happened, where, what to do next. `exit_code` is what the command
line exits with; `python -m lammps_jobs.errors > docs/exit-codes.md` writes the page about them.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Text without control characters but line breaks and tabs: what a terminal takes for orders."""
    return _CONTROL.sub("", text)


class LammpsJobsError(Exception):
    """Base of all errors that this library raises on purpose."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = (printable(text) for text in (what, where, remedy))
        super().__init__("\n".join(part for part in (self.what, self.where, self.remedy) if part))


class UsageError(LammpsJobsError, ValueError):
    """An argument makes no sense: a bad name, a bad number of ranks, an unknown cluster."""

    exit_code = 2


class ScriptError(LammpsJobsError):
    """LAMMPS rejected the script, or the script's own `quit` said that it failed."""

    exit_code = 3


class InputMissing(LammpsJobsError):
    """The script, or a file that it reads, is not there."""

    exit_code = 4


class NameTaken(LammpsJobsError):
    """A run of that name exists and was asked for with another specification."""

    exit_code = 5


class NoSuchRun(LammpsJobsError):
    """No run of that name in this store."""

    exit_code = 6


class StoreError(LammpsJobsError):
    """The store cannot be read or written: full disk, read-only folder, wrong credentials."""

    exit_code = 7


class StoreAway(StoreError):
    """The store did not answer in time: a broken network, an outage. What was committed is safe; try again."""

    exit_code = 24


class Damaged(StoreError):
    """A stored object is missing, cut short or not what its sha256 says."""

    exit_code = 8


class OtherFormat(StoreError):
    """A stored document was written by another version of this library, in a format that this one does not read."""

    exit_code = 9


class NotInstalled(LammpsJobsError):
    """LAMMPS, MPI or an optional library is missing on this machine."""

    exit_code = 10


class EngineDied(LammpsJobsError):
    """LAMMPS ended without an error message: a signal, out of memory, an MPI abort."""

    exit_code = 11


class Fenced(LammpsJobsError):
    """A newer attempt of the same run has taken over; this one must not write any more."""

    exit_code = 12


class CannotResume(LammpsJobsError):
    """LAMMPS could not take the checkpoint up again, so the run was stopped, not continued wrongly."""

    exit_code = 13


class WrongState(LammpsJobsError):
    """The run is not in a state in which this can be done (resume a running run, for example)."""

    exit_code = 14


class StackError(LammpsJobsError):
    """No such stack, or its outputs are missing, stale or of another version."""

    exit_code = 15


class CloudError(LammpsJobsError):
    """AWS refused or was not reached: no or expired credentials, no permission, wrong region, throttled."""

    exit_code = 16


class CannotStart(LammpsJobsError):
    """A job cannot start on the stack: queue disabled, image missing, definition gone, no capacity."""

    exit_code = 17


class InternalError(LammpsJobsError):
    """Our own program failed. Checkpoints are as good as before; please report it."""

    exit_code = 18


class WouldOverwrite(LammpsJobsError):
    """Other files lie where outputs are to be written."""

    exit_code = 19


INTERRUPTED = 75
"""Exit code of an attempt that was interrupted with its checkpoint committed (EX_TEMPFAIL): retry it."""


class Interrupted(LammpsJobsError):
    """The run stopped before its end, with its checkpoints: interrupted, cancelled, or its machine lost; resume it."""

    exit_code = INTERRUPTED


CANCELLED_BY_KEY = 130
"""Exit code after Ctrl-C; a run that was followed goes on."""

BUDGET_SPENT = 77
"""Exit code of an attempt that ended with a checkpoint because the run's budget is spent: not tried again by itself."""


class BudgetSpent(LammpsJobsError):
    """The run has used the machine time that its budget allows, and stopped with a checkpoint; resume it with more."""

    exit_code = BUDGET_SPENT


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Translate what hinders writing to a place of the user's, which is no store, into StoreError."""
    try:
        yield
    except OSError as error:
        remedy = "Free some space, or choose another place." if error.errno == errno.ENOSPC else "Choose another place."
        raise StoreError(f"This cannot be written: {error.strerror or error}.", where=str(error.filename or place),
                         remedy=remedy) from error  # fmt: skip


def machine_time(seconds: float) -> str:
    """Machine time in words that `--budget` takes: 15s, 12m, 2.5h."""
    for size, unit in ((3600.0, "h"), (60.0, "m")):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s"


MACHINE_UNUSABLE = 76
"""Exit code of an attempt whose machine does not work (a GPU without driver, ECC errors): retry it elsewhere."""


class GpuFailed(LammpsJobsError):
    """The machine's GPU does not work; the attempt is repeated on another machine."""

    exit_code = MACHINE_UNUSABLE


UNWELL = 22
"""Exit code of `doctor` when something is not as it should be."""

REFUSED, DIFFERENT, UNTESTED = 20, 21, 23
"""Exit codes of `rehearse`: the script cannot be cut somewhere; a resumed run came out different; nothing was cut."""


def error_of(name: str, what: str, *, where: str = "", remedy: str = "") -> LammpsJobsError:
    """The error of the class `name`, as it was recorded; of the base class where this version does not know it."""
    kinds = {kind.__name__: kind for kind in _kinds()}
    return kinds.get(name, LammpsJobsError)(what, where=where, remedy=remedy)


def _kinds() -> list[type[LammpsJobsError]]:
    return [LammpsJobsError, *LammpsJobsError.__subclasses__(), *StoreError.__subclasses__()]


def exit_codes() -> list[tuple[int, str, str]]:
    """Every exit code with the error's name ('' for success and interruption) and what it means."""
    rows = [(kind.exit_code, kind.__name__, (kind.__doc__ or "").strip()) for kind in _kinds()]
    rows[0] = (1, "LammpsJobsError", "Something unexpected; --debug shows where.")
    rows += [
        (0, "", "Done."),
        (CANCELLED_BY_KEY, "", "Ctrl-C; a run that was followed goes on in the background."),
        (UNWELL, "", "`doctor` found something that is not as it should be; its lines say what to do."),
        (REFUSED, "", "Rehearsed: some stage cannot be cut, so an interruption there repeats the whole stage."),
        (DIFFERENT, "", "Rehearsed: the outputs differ from what they should be; please report it."),
        (
            UNTESTED,
            "",
            "Rehearsed: not cut, or with --steps not everywhere, so a resume is not known; give it more steps.",
        ),
    ]
    return sorted(rows)


def _page() -> str:
    lines = ["# Exit codes", "", "Of the command line, of an attempt, and as `exit_code` of the errors in Python.", ""]
    lines += ["| Code | Error | Meaning |", "|---|---|---|"]
    lines += [f"| {code} | {f'`{name}`' if name else ''} | {text} |" for code, name, text in exit_codes()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(_page())
