"""LAMMPS's set-up for a run that is stopped and goes on: our halt before it, and the set-up of a resume."""

from __future__ import annotations

from contextlib import nullcontext

from lammps_jobs.engine import atom_order
from lammps_jobs.engine.cut_points import Strides
from lammps_jobs.engine.root import HALT_VARIABLE
from lammps_jobs.engine.session import Session
from lammps_jobs.script import fidelity
from lammps_jobs.script.journal import Journal
from lammps_jobs.script.language import RunCommand

NEVER = 1e300
HALT_FIX, DUE_VARIABLE = "ljx_halt", "ljx_due"
_ANY_RUN = RunCommand(0, 0, 0, 0)


def strides_of(journal: Journal) -> Strides:
    return Strides(journal.thermo_every(), tuple(journal.windows()))


def define_halt(session: Session, command: RunCommand) -> None:
    """A fix that stops the run at the step that rank 0 writes into an internal variable."""
    strides = strides_of(session.journal)
    if strides.check == session.halt_stride or (not command.pre and session.has_set_up):
        return
    due = f"step>=v_{HALT_VARIABLE}"
    if strides.is_tallied_for_us:
        # the row that a continued run prints needs energy and virial of the step of the cut
        due = f"({due})||((c_thermo_pe+c_thermo_press>1e300)&&0)"
    lmp = session.lmp
    if not lmp.has_id("variable", HALT_VARIABLE):
        lmp.command(f"variable {HALT_VARIABLE} internal {NEVER}")
    lmp.command(f'variable {DUE_VARIABLE} equal "{due}"')
    lmp.command(f"fix {HALT_FIX} all halt {strides.check} v_{DUE_VARIABLE} > 0.5 error continue message no")
    session.halt_stride = strides.check


def disarm_halt(session: Session) -> None:
    """Whatever step was armed last, the next run is not to stop there."""
    session.lmp.set_internal_variable(HALT_VARIABLE, NEVER)


def bears_single_steps(session: Session) -> bool:
    """Whether a rebuild may be sought: single steps change nothing, a set-up there leaves no trace."""
    journal = session.journal
    changes = fidelity.thermo_reads_fixes(journal) or fidelity.thermo_moves_bias(journal)
    return keeps_order(session) and not changes


def keeps_order(session: Session) -> bool:
    """Whether a set-up can leave the atoms in their order. An accelerator sorts and bins in its own way."""
    accelerated = session.job.lammps_args or session.journal.of("package")
    return not accelerated and atom_order.can_be_kept(session.lmp)


def set_up_again(session: Session, command: RunCommand | None) -> None:
    """LAMMPS's set-up at the step of the cut. What it writes there was written before the cut, and is left out.

    `command` is the run that was cut, None before a stage begins. Dumps that name their units once, at their
    first frame, write that frame here, whatever the step.
    """
    lmp, journal = session.lmp, session.journal
    once = [entry.words[1] for entry in journal.of("dump_modify") if "units yes" in " ".join(entry.words)]
    once = [dump for dump in once if lmp.has_id("dump", dump)]
    for dump in once:
        lmp.command(f"dump_modify {dump} first yes")
    if command:
        define_halt(session, _ANY_RUN)
        in_order = session.is_sorted and keeps_order(session)
        with atom_order.kept(lmp, journal.sort) if in_order else nullcontext():
            lmp.command(f"run 0 start {command.start} stop {command.stop} post no")
        session.has_set_up = True
    elif journal.writes_at_setup():
        lmp.command("run 0 post no")
        session.has_set_up = True
    for dump in once:
        lmp.command(f"dump_modify {dump} first no")
    forget_new_bytes(session, journal.new_averages())


def forget_new_bytes(session: Session, new: frozenset[str] = frozenset()) -> None:
    """Leave out what LAMMPS has written since the cut, but for files that are `new`."""
    session.flush()
    session.communicator.wait()
    if session.root:
        session.root.outputs.forget_new_bytes(new)
