"""A `run` in pieces: where it is stopped for a checkpoint, and how it goes on so that nothing shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lammps_jobs.runner.checks import check
from lammps_jobs.runner.cuts import HUNTED, Choice, Strides, choose
from lammps_jobs.runner.script import RunCommand
from lammps_jobs.runner.watch import NEVER

if TYPE_CHECKING:
    from lammps_jobs.runner.engine import Engine

MOST_REHEARSED = 60
OWN_HALT, OWN_STEP, OWN_DUE = "ljx_halt", "ljx_at", "ljx_due"


class Runs:
    """Works off the `run` commands of an engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.halt_stride = 0

    def define_halt(self, command: RunCommand) -> None:
        """A fix that stops the run at the step that rank 0 writes into an internal variable."""
        stride = self.strides().check
        if stride == self.halt_stride or (not command.pre and self.engine.ran):
            return
        due = f"step>=v_{OWN_STEP}"
        if self.strides().is_tallied_for_us:
            # the row that a continued run prints needs energy and virial of the step of the cut
            due = f"({due})||((c_thermo_pe+c_thermo_press>1e300)&&0)"
        if not self.engine.lmp.has_id("variable", OWN_STEP):
            self.engine.lmp.command(f"variable {OWN_STEP} internal {NEVER}")
        self.engine.lmp.command(f'variable {OWN_DUE} equal "{due}"')
        self.engine.lmp.command(f"fix {OWN_HALT} all halt {stride} v_{OWN_DUE} > 0.5 error continue message no")
        self.halt_stride = stride

    def strides(self) -> Strides:
        return Strides(self.engine.journal.thermo_every(), tuple(self.engine.journal.windows()))

    def _thermo_style(self) -> str:
        styles = self.engine.journal.of("thermo_style")
        style = styles[-1].words[1] if styles else "one"
        modified = " ".join(" ".join(entry.words) for entry in self.engine.journal.of("thermo_modify"))
        if "line multi" in modified or style == "multi":
            return "multi"
        return "yaml" if style == "yaml" or "line yaml" in modified else "row"

    def work_off(self, command: RunCommand, line: str, *, continues: bool) -> None:
        """Run `command` in as many pieces as cuts are asked for; `line` is what LAMMPS is told for all that is left."""
        if not continues:
            self.define_halt(command)
        set_up = command.pre and not continues
        style, strides = self._thermo_style(), self.strides()
        sort_every = 0 if self.engine.journal.thermo_reads_fixes() else self.engine.journal.sort_every
        while True:
            before = self.engine.step()
            planned = self._plan(command, before, sort_every, set_up=set_up or not self.engine.ran)
            small = bool(planned and planned.step % strides.pause)
            if planned and small:
                line = command.rest(steps=planned.step - before, set_up=set_up)
            if self.engine.watch:
                self.engine.watch.begin(
                    before, command.last, self.engine.stage, cuttable=strides, style=style,
                    skip_first_row=continues, planned=planned, hold=small, sort_every=sort_every,
                )  # fmt: skip
            sort_due = self._sort_due()
            self.engine.lmp.command(line)
            self.engine.ran = True
            check(self.engine)
            step = self.engine.step()
            decision, hunt = self._ask_decision(step)
            if self.engine.watch:
                self.engine.watch.end(cut=decision != "go on", drop_last_row=small and not strides.has_thermo(step))
            if decision == "go on":
                break
            self.engine.lmp.set_internal_variable(OWN_STEP, NEVER)
            sorted_now = self._hunt(command, style) if hunt else small and self._sort_due() != sort_due
            self.engine.cut(command, boundary=False, stop=decision == "stop", sorted_now=sorted_now)
            if planned and self.engine.job["after_cut"] == "set up again":
                self._set_up_again(command)
            set_up = False
            line = command.rest(steps=command.last - self.engine.step(), set_up=False)
            continues = True

    def _set_up_again(self, command: RunCommand) -> None:
        if self.engine.watch:
            self.engine.watch.log.drop(True)
        set_up_again(self.engine, command)
        if self.engine.watch:
            self.engine.watch.log.drop(False)

    def _ask_decision(self, step: int) -> tuple[str, bool]:
        what, hunt = self.engine.ask("decide", step)
        return what, hunt

    def _sort_due(self) -> int:
        """The timestep from which on the next rebuild of neighbour lists sorts the atoms, too."""
        return int(self.engine.lmp.extract_global("nextsort"))

    def _hunt(self, command: RunCommand, style: str) -> bool:
        """Go on to the very step at which atoms are sorted; False when it did not come."""
        due, strides = self._sort_due(), self.strides()
        while self._sort_due() == due and self.engine.step() < due + HUNTED:
            steps = max(1, due - 1 - self.engine.step())
            if self.engine.watch:
                self.engine.watch.begin(self.engine.step(), command.last, self.engine.stage, cuttable=None, style=style,
                                 skip_first_row=True, hold=True)  # fmt: skip
            self.engine.lmp.command(command.rest(steps=steps, set_up=False, quiet=True))
            if self.engine.watch:
                self.engine.watch.end(cut=True, drop_last_row=not strides.has_thermo(self.engine.step()))
        return self._sort_due() != due

    def _plan(self, command: RunCommand, step: int, sort_every: int, *, set_up: bool) -> Choice | None:
        """The next cut that a rehearsal asks for inside this run."""
        steps = [cut for stage, cut in self.engine.planned if stage == self.engine.stage and step < cut < command.last]
        choice = Choice(steps[0]) if steps else self._plan_near(command, step, sort_every, set_up)
        if choice and not choice.step % self.strides().pause:
            self.engine.lmp.set_internal_variable(OWN_STEP, float(choice.step))
        return choice

    def _plan_near(self, command: RunCommand, step: int, sort_every: int, set_up: bool) -> Choice | None:
        span = command.last - command.first
        wished = [command.first + int(share * span) for share in self.engine.job["at"] if share < 1]
        due = (step // sort_every + 1) * sort_every if set_up and sort_every else self._sort_due()
        sort = (due, sort_every) if sort_every else None
        for wish in wished:
            if wish >= step and self.engine.cuts < MOST_REHEARSED:
                return choose(self.strides(), wish, command.last, int(0.3 * span), sort)
        return None


def set_up_again(engine: Engine, command: RunCommand | None) -> None:
    """LAMMPS's set-up at the step of the cut. What it writes there was written before the cut, and is left out.

    `command` is the run that was cut, None before a stage begins. Dumps that name their units once, at their
    first frame, write that frame here, whatever the step.
    """
    once = [entry.words[1] for entry in engine.journal.of("dump_modify") if "units yes" in " ".join(entry.words)]
    for dump in once:
        engine.lmp.command(f"dump_modify {dump} first yes")
    if command:
        engine.runs.define_halt(RunCommand(0, 0, 0, 0))
        engine.lmp.command(f"run 0 start {command.start} stop {command.stop} post no")
        engine.ran = True
    elif engine.journal.writes_at_setup():
        engine.lmp.command("run 0 post no")
        engine.ran = True
    for dump in once:
        engine.lmp.command(f"dump_modify {dump} first no")
    engine.flush()
    engine.ranks.wait()
    if engine.watch:
        engine.watch.outputs.forget_new_bytes()
