"""A `run` in segments: where it is stopped for a checkpoint, and how it goes on so that nothing shows."""

from __future__ import annotations

from lammps_jobs.engine.capture import take_checkpoint
from lammps_jobs.engine.cut_points import Armed, RunView, next_planned
from lammps_jobs.engine.restored_state import check_all_state_claimed
from lammps_jobs.engine.root import HALT_VARIABLE
from lammps_jobs.engine.session import Session
from lammps_jobs.engine.set_up import bears_single_steps, define_halt, disarm_halt, set_up_again, strides_of
from lammps_jobs.script.journal import Journal
from lammps_jobs.script.language import RunCommand


class RunSegments:
    """One `run` of the script, with a checkpoint between two segments."""

    def __init__(self, session: Session, command: RunCommand) -> None:
        self.session, self.command = session, command
        self.strides = strides_of(session.journal)
        self.style = _thermo_style(session.journal)
        self.may_seek = bears_single_steps(session)

    def execute(self, line: str | None = None) -> None:
        """Run it to its end. `line` is the script's command; without it, it goes on from a checkpoint.

        Raises Stopped when a checkpoint was taken that ends the attempt.
        """
        is_continued = line is None
        if not is_continued:
            define_halt(self.session, self.command)
        if self._segment(line or self._rest(), set_up=self.command.pre and not is_continued, is_continued=is_continued):
            return
        while not self._segment(self._rest(), set_up=False, is_continued=True):
            pass

    def _rest(self) -> str:
        return self.command.rest(steps=self.command.last - self.session.step, set_up=False)

    def _view(self) -> RunView:
        return RunView(self.strides, self.session.step, self.command.last, may_seek=self.may_seek)

    def _segment(self, line: str, *, set_up: bool, is_continued: bool) -> bool:
        """Run to the end, or to the next checkpoint and take it; whether it was the end. `line` runs all that is left,
        with a `set_up` or without."""
        session, command = self.session, self.command
        view = self._view()
        planned = next_planned(session.job.cut_plan, session.stage, view, first=command.first, taken=session.cuts)
        is_off_stride = planned is not None and planned.step % self.strides.pause != 0
        if planned and is_off_stride:
            line = command.rest(steps=planned.step - view.step, set_up=set_up)
        elif planned:
            session.lmp.set_internal_variable(HALT_VARIABLE, float(planned.step))
        if session.root:
            session.root.begin_run(
                command.last, session.stage, view, style=self.style, skip_first_row=is_continued, planned=planned,
                hold=is_off_stride,
            )  # fmt: skip
        session.lmp.command(line)
        session.has_set_up = True
        check_all_state_claimed(session)
        step = session.step
        decision, seek = session.from_root(lambda root: root.handler.on_return(step))
        if session.root:
            drop = is_off_stride and not self.strides.has_thermo(step)
            session.root.end_run(cut=decision != "go on", drop_last_row=drop)
        disarm_halt(session)
        if decision == "go on":
            return True
        self._take_checkpoint(planned, seek, stop=decision == "stop")
        return False

    def _take_checkpoint(self, planned: Armed | None, seek: int, *, stop: bool) -> None:
        """Seek a rebuild, and take the checkpoint there; none when the end of the run, a better place, is near."""
        session, command = self.session, self.command
        reneighboured = self._seek(seek)
        if reneighboured or seek <= 1 or session.step < command.last - 1:
            take_checkpoint(session, command, stop=stop, reneighboured=reneighboured)
            if planned and session.job.cut_plan.then == "set up again":
                session.drop_log(True)
                set_up_again(session, command)
                session.drop_log(False)

    def _seek(self, most: int) -> bool:
        """Go on, `most` single steps at most, to a step at which neighbour lists are rebuilt; False if none came."""
        session = self.session
        for _ in range(most):
            built = self._builds()
            if session.root:
                session.root.begin_run(
                    self.command.last, session.stage, style=self.style, skip_first_row=True, hold=True
                )  # fmt: skip
            session.lmp.command(self.command.rest(steps=1, set_up=False, quiet=True))
            step = session.step
            if session.root:
                session.root.end_run(cut=True, drop_last_row=not self.strides.has_thermo(step))
            if self._builds() != built and not self.strides.open_at(step):
                return True
        return False

    def _builds(self) -> int:
        """How often neighbour lists were built since the last set-up."""
        return int(self.session.lmp.get_thermo("nbuild"))


def _thermo_style(journal: Journal) -> str:
    """How the log shows a row: in a line (row), as several (multi), or as yaml."""
    styles = journal.of("thermo_style")
    style = styles[-1].words[1] if styles else "one"
    modified = " ".join(" ".join(entry.words) for entry in journal.of("thermo_modify"))
    if "line multi" in modified or style == "multi":
        return "multi"
    return "yaml" if style == "yaml" or "line yaml" in modified else "row"
