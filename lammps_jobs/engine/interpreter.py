"""Drives LAMMPS through one script, command by command, on every MPI rank alike.

It is started by the supervisor under mpirun with the path of a JSON job file. Only rank 0 talks
to the supervisor and writes the log; all ranks follow the script in step, and what only rank 0
knows (that a checkpoint was asked for) is broadcast before anybody acts on it.
"""

from __future__ import annotations

from pathlib import Path

from lammps_jobs.engine import atom_order, box_margins
from lammps_jobs.engine.capture import take_checkpoint
from lammps_jobs.engine.lists import knows_last_build
from lammps_jobs.engine.restore import restore
from lammps_jobs.engine.restored_state import check_all_state_claimed
from lammps_jobs.engine.run_pieces import RunPieces
from lammps_jobs.engine.session import NO_COMMAND, Session
from lammps_jobs.protocol.messages import StageBegan
from lammps_jobs.record.documents import ScriptLine
from lammps_jobs.script import commands, fidelity, fixes, looks
from lammps_jobs.script.commands import COMMANDS, Effect
from lammps_jobs.script.language import (
    UNSEEN,
    RunCommand,
    ScriptFault,
    branches_of,
    goes_on_without_set_up,
    in_ascii,
    quoted,
    substitute,
    without_comment,
    words,
)

BRANCH_VARIABLE = "ljx_branch"
SHOWN = 80
"""Characters of a stage's command that are shown."""


class Quit(Exception):
    """The script's `quit`, with status 0."""


class Interpreter:
    """One script line, one command of LAMMPS; flow control is followed here."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def follow(self) -> None:
        """Follow the script to its end, from its beginning or from a checkpoint.

        Raises Quit, Stopped after a checkpoint that ends the attempt, and whatever LAMMPS says is wrong.
        """
        session = self.session
        if session.job.restore:
            inside = restore(session, session.job.restore)
            if inside:
                loop, rest = inside
                RunPieces(session, rest, loop).resume()
        else:
            for name, values in session.job.variables.items():
                line = ["variable", name, "index", *values]
                session.journal.record(line, " ".join(quoted(word) for word in line))
            session.position.open(session.job.script)
        while (found := session.position.advance()) is not None:
            file, number, text = found
            if session.position.seeking:
                self._seek_label(text)
                continue
            is_ours, text = text.startswith(UNSEEN), text.removeprefix(UNSEEN)
            where = ScriptLine(file=file, line=number, command=text.encode(errors="replace").decode())
            self._before_stage(where, text)
            session.move_to(where)
            if not is_ours:
                self._echo(text)
            self._command(text)

    def _seek_label(self, text: str) -> None:
        found = words(without_comment(text)) if text.lstrip().startswith("label") else []
        if found[:1] == ["label"] and found[1:2] == [self.session.position.seeking]:
            self.session.position.seeking = ""

    def _before_stage(self, where: ScriptLine, text: str) -> None:
        """Just before a stage is the truest place for a checkpoint: LAMMPS sets everything up there anyway.

        Not at the end of the one before: what the script does in between, it may do with values of the moment.
        """
        session = self.session
        row = COMMANDS.get((words(without_comment(text)) or [""])[0]) if session.stage else None
        if row is None or row.effect not in (Effect.RUN, Effect.WHOLE, Effect.REFUSED):
            return
        if session.is_at_boundary:  # resumed right here
            session.is_at_boundary = False
            return
        journal, keeps_lists = session.journal, session.has_set_up and goes_on_without_set_up(text)
        if fidelity.is_half_made(journal) or (session.is_halted and fidelity.halts_softly(journal)):
            return
        if fidelity.writes_what_cannot_be_continued(journal) or (keeps_lists and not knows_last_build(session)):
            return
        stage, step = session.stage + 1, session.step
        decision = session.from_root(lambda root: root.handler.at_boundary(stage, step))
        if decision != "go on":
            session.where = where
            take_checkpoint(session, None, stop=decision == "stop", keeps_lists=keeps_lists)

    # -- one line --------------------------------------------------------------------------------

    def _echo(self, line: str) -> None:
        if self.session.root:
            self.session.root.log.echo(line)

    def _expand(self, piece: str) -> str:
        return str(self.session.lmp.expand(piece) or "")

    def _plain_text(self, text: str) -> str:
        """The text in ASCII; LAMMPS itself says once that it takes it so."""
        if text.isascii():
            return text
        if not self.session.warned:
            self.session.warned = True
            self.session.lmp.command(NO_COMMAND)
        return in_ascii(text)

    def _command(self, text: str) -> None:
        bare = self._plain_text(without_comment(text))
        if not bare.strip():
            return
        self.session.look(looks.before_substitution(bare))
        line = substitute(bare, self._expand, self._echo)
        args = words(line)
        if not args:
            return
        row, traits = COMMANDS.get(args[0]), commands.traits_of(args[0])
        self.session.look(looks.of_command(args, self.session.journal))
        self.session.watch(args)
        if commands.Trait.REOPENS in traits:
            self.session.flush()
            self.session.wait_for_upload()
        match row.effect if row else None:
            case Effect.FLOW:
                self._flow(args, line)
            case Effect.RUN:
                self._run(args, line)
            case Effect.WHOLE:
                self._whole(line)
            case Effect.REFUSED:
                self._whole(line, refused=(f"{args[0]} is one indivisible piece",))
            case _ if args[0] in ("log", "echo"):
                self._log(args)
                self.session.journal.record(args, line)
            case _:
                self._plain(args, line)

    def _log(self, args: list[str]) -> None:
        """`log` and `echo`: the log is ours, LAMMPS writes another one."""
        _require(args, 2)
        root = self.session.root
        if root and args[0] == "echo":
            root.log.echoes = args[1] in ("log", "both")
        elif root:
            root.log.switch(None if args[1] == "none" else args[1], append=args[2:] == ["append"])

    def _plain(self, args: list[str], line: str) -> None:
        session = self.session
        if args[0] == "replicate":
            session.was_sorted = session.was_sorted or atom_order.is_sorted(session.lmp)
        session.lmp.command(line)
        session.record(args, self._pinned(args, line))
        traits = commands.traits_of(args[0])
        if commands.Trait.SETS_FACES in traits:
            session.boundary.take(args)
        if commands.Trait.SETS_BOX in traits:
            session.margins = box_margins.margins(
                session.lmp, args, session.boundary, Path.cwd(), session.margins
            )  # fmt: skip
        if args[0] == "shell":
            session.follow_shell(args[1:])
        if args[0] == "clear":
            session.has_set_up, session.boundary = False, box_margins.Boundary()

    def _pinned(self, args: list[str], line: str) -> str:
        """The command with what it took from the present box said outright, for issuing it again."""
        is_pinned = args[0] == "fix" and fixes.Trait.PINS_FIXEDPOINT in fixes.traits_of(args[3])
        if is_pinned and "fixedpoint" not in args:
            low, high = self.session.lmp.extract_box()[:2]
            centre = " ".join(f"{0.5 * (a + b):.17g}" for a, b in zip(low, high, strict=True))
            return f"{without_comment(line).rstrip()} fixedpoint {centre}"
        return line

    # -- flow control ----------------------------------------------------------------------------

    def _flow(self, args: list[str], line: str) -> None:
        position = self.session.position
        match args[0]:
            case "include":
                _require(args, 2)
                file = substitute(args[1], self._expand)
                self.session.look(looks.Named((file,)))
                position.open(file)
            case "jump":
                _require(args, 2)
                position.jump(*args[1:3])
            case "label":
                pass  # nobody looks for it
            case "next":
                self._next(args, line)
            case "if":
                self._if(args)
            case "quit":
                self._quit(args)
            case _:
                raise AssertionError(f"{args[0]} is flow control that nobody follows")

    def _next(self, args: list[str], line: str) -> None:
        session = self.session
        session.lmp.command(line)
        exhausted = {name for name in args[1:] if not session.lmp.has_id("variable", name)}
        session.position.skip_next_jump = session.position.skip_next_jump or bool(exhausted)
        session.journal.next(args[1:], exhausted)

    def _if(self, args: list[str]) -> None:
        branches = branches_of(args[1:])
        for condition, chosen in zip(branches.conditions, branches.commands, strict=True):
            if condition is None or self._holds(condition):
                where = self.session.where
                self.session.position.branch(where.file, where.line, list(chosen))
                return

    def _holds(self, condition: str) -> bool:
        yes, no = (f'"variable {BRANCH_VARIABLE} string {value}"' for value in (1, 0))
        self.session.lmp.command(f"if {quoted(condition, always=True)} then {yes} else {no}")
        return self._expand("${" + BRANCH_VARIABLE + "}") == "1"

    def _quit(self, args: list[str]) -> None:
        try:
            status = int(args[1]) if len(args) > 1 else 0
        except ValueError:
            raise ScriptFault(f"Expected integer parameter instead of '{args[1]}' in quit command") from None
        if status:
            raise ScriptFault(f"The script ended itself with: quit {status}")
        raise Quit

    # -- stages ----------------------------------------------------------------------------------

    def _begin_stage(self, refused: tuple[str, ...] = ()) -> None:
        session = self.session
        session.stage += 1
        session.journal.use()
        if session.root and session.job.cut_plan.at:
            text = f"{session.where.file}:{session.where.line}: {session.where.command.strip()[:SHOWN]}"
            step = session.root.monitor.step
            session.root.line.send(StageBegan(stage=session.stage, step=step, text=text, refused=refused))

    def _whole(self, line: str, steps: int = 0, refused: tuple[str, ...] = ()) -> None:
        """A command that is not cut: it is repeated from the checkpoint before it if it is lost."""
        self._begin_stage(refused)
        session = self.session
        if session.root:
            session.root.monitor.begin_run(session.step + steps, session.stage)
        session.lmp.command(line)
        check_all_state_claimed(session)
        session.has_set_up = True
        if session.root:
            session.root.monitor.end_run()

    def _run(self, args: list[str], line: str) -> None:
        session = self.session
        try:
            command = RunCommand.parse(args[1:], session.step)
        except (ValueError, IndexError, OverflowError):
            session.lmp.command(line)  # let LAMMPS say what is wrong with it
            session.has_set_up = True
            return
        if command.every:
            where = session.where
            session.position.branch(where.file, where.line, command.parts())
            return
        refused = self._refused(command)
        if refused:
            if session.root:
                session.root.line.warn_once(f"Not cut in the middle of a run: {'; '.join(refused)}.")
            self._whole(line, command.last - command.first, refused)
            return
        self._begin_stage()
        RunPieces(session, command).execute(line)

    def _refused(self, command: RunCommand) -> tuple[str, ...]:
        """Why the run cannot be cut in its middle, in words."""
        session = self.session
        reasons = fidelity.uncuttable_because(session.journal)
        if session.stage + 1 in session.job.no_checkpoint_stages:
            reasons.append("a cut inside this stage made LAMMPS fail before")
        return tuple(reasons)


def _require(args: list[str], count: int) -> None:
    if len(args) < count:
        raise ScriptFault(f"Illegal {args[0]} command: missing argument(s)")
