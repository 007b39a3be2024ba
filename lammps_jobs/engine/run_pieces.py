"""A `run` in pieces: where LAMMPS is at rest for a checkpoint, and how a new process comes to the same place."""

from __future__ import annotations

from lammps_jobs.engine.capture import take_checkpoint
from lammps_jobs.engine.cut_points import Due
from lammps_jobs.engine.lists import knows_last_build
from lammps_jobs.engine.memory.inner_loop import InnerLoop
from lammps_jobs.engine.memory.outputs import OutputSteps
from lammps_jobs.engine.memory.state import is_on_a_device
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
            self._forget_frames()
            self._go_on()
        if session.root:
            session.root.monitor.end_run()

    def _forget_frames(self) -> None:
        """Leave out frames that a set-up after a resume between two stages has written again."""
        session = self.session
        if session.repeated:
            session.flush()
            session.communicator.wait()
            if session.root:
                session.root.outputs.forget_new_bytes(only=session.repeated)
            session.repeated = frozenset()

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
        outputs = OutputSteps(session.lmp) if is_on_a_device(session.lmp) else None
        while session.step < last:
            step = session.step
            due, atoms = (Due(*outputs.due), session.lmp.get_natoms()) if outputs else (None, 0)
            piece = session.from_root(lambda root: root.handler.next_piece(step, due, atoms))  # noqa: B023 - at once
            if piece.steps and not self.loop.advance(piece.steps):
                session.is_halted = True  # a `fix halt` of the script, or its `timer timeout`
                break
            if piece.then != "go on":
                if not self._seek(piece.seek, exactly=piece.exactly):
                    session.is_halted = session.step < last
                    break
                if piece.exactly or session.step < last - 1:  # else the boundary is near
                    self._take_checkpoint(stop=piece.then == "stop")
        if session.root:
            session.root.handler.end_run()
        self.loop.close(statistics=self.command.post)
        session.loop = None

    def _seek(self, most: int, *, exactly: bool) -> bool:
        """Go on, `most` single steps at most, to a step whose neighbour lists a new process can make again; whether
        LAMMPS goes on."""
        for _ in range(most):
            if self.session.step >= self.command.last or not self.loop.advance(1):
                return self.session.step >= self.command.last
            if not exactly and knows_last_build(self.session):
                break
        return True

    def _take_checkpoint(self, *, stop: bool) -> None:
        session = self.session
        take_checkpoint(session, self.command, stop=stop)
        if session.job.cut_plan.then == "set up again":
            self.loop = session.loop = set_up_again(session, self.command)
