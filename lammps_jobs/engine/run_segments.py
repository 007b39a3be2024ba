"""A `run` in pieces: where it is stopped for a checkpoint, and how it goes on so that nothing shows."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from lammps_jobs.engine import atom_order
from lammps_jobs.engine.checkpoint_handler import NEVER
from lammps_jobs.engine.cut_points import HUNTED, Choice, Strides, choose
from lammps_jobs.engine.restored_state import check
from lammps_jobs.script.language import RunCommand

if TYPE_CHECKING:
    from lammps_jobs.engine.interpreter import Engine

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
        hunting = self.bears_single_steps()
        while True:
            before = self.engine.step()
            planned = self._plan(command, before, hunting)
            small = bool(planned and planned.step % strides.pause)
            if planned and small:
                line = command.rest(steps=planned.step - before, set_up=set_up)
            if self.engine.watch:
                self.engine.watch.begin(
                    before, command.last, self.engine.stage, cuttable=strides, style=style,
                    skip_first_row=continues, planned=planned, hold=small, hunting=hunting,
                )  # fmt: skip
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
            rebuilt = self._hunt(command, style, hunt)
            if rebuilt or hunt <= 1 or self.engine.step() < command.last - 1:  # else its end is a better place
                self.engine.cut(command, boundary=False, stop=decision == "stop", rebuilt=rebuilt)
                if planned and self.engine.job.cut_plan.then == "set up again":
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

    def _ask_decision(self, step: int) -> tuple[str, int]:
        what, hunt = self.engine.ask("decide", step)
        return what, hunt

    def _hunt(self, command: RunCommand, style: str, most: int) -> bool:
        """Go on, `most` single steps at most, to a step at which neighbour lists are rebuilt; False when none came."""
        strides = self.strides()
        for _ in range(most):
            built = self._builds()
            if self.engine.watch:
                self.engine.watch.begin(self.engine.step(), command.last, self.engine.stage, cuttable=None, style=style,
                                 skip_first_row=True, hold=True)  # fmt: skip
            self.engine.lmp.command(command.rest(steps=1, set_up=False, quiet=True))
            step = self.engine.step()
            if self.engine.watch:
                self.engine.watch.end(cut=True, drop_last_row=not strides.has_thermo(step))
            if self._builds() != built and not strides.open_at(step):
                return True
        return False

    def _builds(self) -> int:
        """How often neighbour lists were built since the last set-up."""
        return int(self.engine.lmp.get_thermo("nbuild"))

    def _plan(self, command: RunCommand, step: int, hunting: bool) -> Choice | None:
        """The next cut that a rehearsal asks for inside this run."""
        steps = [cut for stage, cut in self.engine.planned if stage == self.engine.stage and step < cut < command.last]
        if steps:  # the last step alone, to see whether it rebuilds
            exact = steps[0] - 1 > step and hunting
            choice: Choice | None = Choice(steps[0] - 1, hunt=1) if exact else Choice(steps[0])
        else:
            choice = self._plan_near(command, step, hunting)
        if choice and not choice.step % self.strides().pause:
            self.engine.lmp.set_internal_variable(OWN_STEP, float(choice.step))
        return choice

    def _plan_near(self, command: RunCommand, step: int, hunting: bool) -> Choice | None:
        span = command.last - command.first
        wished = [command.first + int(share * span) for share in self.engine.job.cut_plan.at if share < 1]
        for wish in wished:
            if wish >= step and self.engine.cuts < MOST_REHEARSED:
                return choose(
                    self.strides(), wish, command.last, max(HUNTED, int(0.3 * span)), hunt=HUNTED if hunting else 0
                )
        return None

    def bears_single_steps(self) -> bool:
        """Whether it may be hunted for a rebuild: single steps change nothing, a set-up there leaves no trace."""
        journal = self.engine.journal
        return self.keeps_order() and not journal.thermo_reads_fixes() and not journal.thermo_moves_bias()

    def keeps_order(self) -> bool:
        """Whether a set-up can leave the atoms in their order. An accelerator sorts and bins in its own way."""
        accelerated = self.engine.job.lammps_args or self.engine.journal.of("package")
        return not accelerated and atom_order.can_be_kept(self.engine.lmp)


def set_up_again(engine: Engine, command: RunCommand | None) -> None:
    """LAMMPS's set-up at the step of the cut. What it writes there was written before the cut, and is left out.

    `command` is the run that was cut, None before a stage begins. Dumps that name their units once, at their
    first frame, write that frame here, whatever the step.
    """
    once = [entry.words[1] for entry in engine.journal.of("dump_modify") if "units yes" in " ".join(entry.words)]
    once = [dump for dump in once if engine.lmp.has_id("dump", dump)]
    for dump in once:
        engine.lmp.command(f"dump_modify {dump} first yes")
    if command:
        engine.runs.define_halt(RunCommand(0, 0, 0, 0))
        in_order = engine.is_sorted and engine.runs.keeps_order()
        with atom_order.kept(engine.lmp, engine.journal.sort) if in_order else nullcontext():
            engine.lmp.command(f"run 0 start {command.start} stop {command.stop} post no")
        engine.ran = True
    elif engine.journal.writes_at_setup():
        engine.lmp.command("run 0 post no")
        engine.ran = True
    for dump in once:
        engine.lmp.command(f"dump_modify {dump} first no")
    forget_new_bytes(engine, engine.journal.new_averages())


def forget_new_bytes(engine: Engine, new: frozenset[str] = frozenset()) -> None:
    """Leave out what LAMMPS wrote in going on, but for files that are `new`."""
    engine.flush()
    engine.ranks.wait()
    if engine.watch:
        engine.watch.outputs.forget_new_bytes(new)
