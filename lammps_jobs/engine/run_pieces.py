"""A `run` in pieces: where LAMMPS is at rest for a checkpoint, and how a new process comes to the same place."""

from __future__ import annotations

from lammps_jobs.engine.capture import take_checkpoint
from lammps_jobs.engine.memory.inner_loop import InnerLoop
from lammps_jobs.engine.restored_state import check_all_state_claimed
from lammps_jobs.engine.session import Session
from lammps_jobs.engine.set_up import set_up_again
from lammps_jobs.script.language import RunCommand


class RunPieces:
    """One `run` of the script, with a checkpoint between two pieces."""

    def __init__(self, session: Session, command: RunCommand, loop: InnerLoop | None = None) -> None:
        self.session, self.command = session, command
        self.loop = loop or InnerLoop(session.lmp)

    def execute(self, line: str) -> None:
        """Run it to its end. `line` is the script's command.

        Raises Stopped when a checkpoint was taken that ends the attempt.
        """
        session = self.session
        if session.root:
            session.root.monitor.begin_run(self.command.last, session.stage)
        if self.loop.open(lambda: session.lmp.command(line), lambda: session.drop_log(True)):
            session.drop_log(False)
            check_all_state_claimed(session)
            session.has_set_up = True
            self._go_on()
        if session.root:
            session.root.monitor.end_run()

    def resume(self) -> None:
        """Go on from where the run was cut: LAMMPS is inside of it. Raises Stopped like `execute`."""
        if self.session.root:
            self.session.root.monitor.begin_run(self.command.last, self.session.stage)
        self._go_on()
        if self.session.root:
            self.session.root.monitor.end_run()

    def _go_on(self) -> None:
        session, last = self.session, self.command.last
        session.loop = self.loop
        if session.root:
            session.root.handler.begin_run(session.stage, self.command.first, last)
        while session.step < last:
            step = session.step
            piece = session.from_root(lambda root: root.handler.next_piece(step))  # noqa: B023 - called at once
            if piece.steps and not self.loop.advance(piece.steps):
                session.is_halted = True  # a `fix halt` of the script, or its `timer timeout`
                break
            if piece.then != "go on":
                is_rebuilt, goes_on = self._seek(piece.seek, exactly=piece.exactly)
                if not goes_on:
                    session.is_halted = session.step < last
                    break
                if is_rebuilt or piece.exactly or session.step < last - 1:  # else the boundary, a better place, is near
                    self._take_checkpoint(stop=piece.then == "stop", is_rebuilt=is_rebuilt)
        if session.root:
            session.root.handler.end_run()
        self.loop.close(statistics=self.command.post)
        session.loop = None

    def _seek(self, most: int, *, exactly: bool) -> tuple[bool, bool]:
        """Go on, `most` single steps at most, to a step at which lists are rebuilt: whether they were in the last one,
        and whether LAMMPS goes on."""
        is_rebuilt = False
        for _ in range(most):
            before = self._builds()
            if self.session.step >= self.command.last or not self.loop.advance(1):
                return is_rebuilt, self.session.step >= self.command.last
            is_rebuilt = self._builds() != before
            if is_rebuilt and not exactly:
                break
        return is_rebuilt, True

    def _take_checkpoint(self, *, stop: bool, is_rebuilt: bool) -> None:
        session = self.session
        take_checkpoint(session, self.command, stop=stop, reneighboured=is_rebuilt)
        if session.job.cut_plan.then == "set up again":
            self.loop = session.loop = set_up_again(session, self.command)

    def _builds(self) -> int:
        """How often neighbour lists were built since the last set-up."""
        return int(self.session.lmp.get_thermo("nbuild"))
