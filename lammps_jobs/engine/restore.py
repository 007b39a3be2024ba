"""A new process goes on from a checkpoint: the journal again, the restart file, the set-up."""

from __future__ import annotations

import math
import os
from dataclasses import replace

from lammps_jobs.engine import box_margins
from lammps_jobs.engine.memory import division, topology
from lammps_jobs.engine.memory.atoms import Atoms, all_inside, put_back
from lammps_jobs.engine.memory.inner_loop import InnerLoop
from lammps_jobs.engine.open_files import follow
from lammps_jobs.engine.restored_state import CannotContinue
from lammps_jobs.engine.root import Root
from lammps_jobs.engine.session import NO_COMMAND, Session
from lammps_jobs.engine.set_up import forget_new_bytes, give_memory_back, read_memory, set_up
from lammps_jobs.protocol.engine_state import EngineState
from lammps_jobs.protocol.messages import Restore, Resumed, Warned
from lammps_jobs.script import fidelity, looks, seeds, styles
from lammps_jobs.script.journal import Entry, Journal
from lammps_jobs.script.language import RunCommand, quoted
from lammps_jobs.script.position import Position

NEVER = "1e30"
"""A ratio of the ranks' loads that none has."""
OF_ROWS = ("thermo_style", "thermo_modify")
"""Commands that are issued after the set-up, which prints a row, where the memory then tells LAMMPS what a set-up
would; as those of a dump are whose first frame, which the set-up would write, is still to come."""


def restore(session: Session, checkpoint: Restore) -> tuple[InnerLoop, RunCommand] | None:
    """Bring LAMMPS and the session to the state of the checkpoint; the run that LAMMPS is inside of, None between two.

    Raises CannotContinue when LAMMPS did not take up again all of it.
    """
    state = EngineState.parse(checkpoint.state.read_bytes(), str(checkpoint.state))
    journal = Journal.from_json(state.journal.model_dump(mode="json"))
    session.stage = state.stage
    session.move_to(state.where)
    session.drop_log(True)
    session.come_back(state.folder)
    session.journal.folder = journal.folder = state.folder.current
    for entry in journal.before_box():
        _issue_again(session, entry)
    since = session.root.log.raw_size if session.root else 0
    _restore_box(session, state, checkpoint)
    session.lmp.flush_buffers()
    restored = session.from_root(lambda root: _restored_styles(root, since))
    memory = read_memory(session, checkpoint.state.parent, journal)
    if memory.missing:  # else they are needed where the restart file has them, up to the set-up
        _put_back(session, checkpoint)
    rows = [] if memory.missing else [entry for entry in journal.after_box() if entry.command in OF_ROWS]
    deferred = rows + journal.new_dumps()
    for entry in journal.after_box():
        if not _is_restored(entry, restored) and entry not in deferred:
            _issue_again(session, _with_new_seeds(session, entry) if memory.missing else _without_balancing(entry))
    session.journal = journal
    session.position = Position.from_json(session.read_script, state.position.model_dump(mode="json"))
    _warn_again(session, state)
    session.was_sorted = state.is_sorted
    session.is_sorted, session.has_set_up, session.unclaimed_since = state.is_sorted, state.has_set_up, since
    rest = RunCommand(**state.run.model_dump()) if state.run else None
    session.is_at_boundary = rest is None
    if session.root:
        session.root.log.echoes = state.echoes
    forget_new_bytes(session)  # of files that the commands issued again opened
    _switch_off_again(session, checkpoint)
    loop = InnerLoop(session.lmp)
    if session.has_set_up and not rest and memory.missing:
        _expect_frames(session, journal)
    session.has_set_up = bool(rest) or (session.has_set_up and not memory.missing)
    _divide(session, () if memory.missing else state.cuts)
    if session.has_set_up:
        set_up(session, loop, rest, memory.lists)
    for entry in journal.after_box():
        if entry in deferred:
            with session.between_runs():
                _issue_again(session, entry)
    forget_new_bytes(session)
    give_memory_back(session, memory)
    if session.root:
        if not session.proof.everything:  # LAMMPS knows again what it had written before
            _begin_with_heads(session.root, journal)
        session.drop_log(False)
        session.mark()
        seen = fidelity.of_proof(journal, session.proof.everything, session.proof.unproven, session.step)
        session.root.line.send(Resumed(step=session.step, stage=session.stage, seen=seen))
    return (loop, rest) if rest else None


def _warn_again(session: Session, state: EngineState) -> None:
    session.warned = state.warned
    if state.warned:
        session.lmp.command(NO_COMMAND)


def _expect_frames(session: Session, journal: Journal) -> None:
    """Nothing is set up before the script's next command does it: there dumps open their files, with a frame that was
    written before."""
    used = [entry for entry in journal.of("dump") if entry.used and "*" not in entry.words[5]]
    session.repeated = frozenset(entry.path(entry.words[5]) for entry in used)
    for name in session.repeated if session.root else ():
        assert session.root is not None
        session.root.outputs.open_again(name)


def _begin_with_heads(root: Root, journal: Journal) -> None:
    for entry in journal.of("dump"):
        grown = root.outputs.begin_with_head(entry.path(entry.words[5]))
        if grown:
            follow(grown)


def _restore_box(session: Session, state: EngineState, checkpoint: Restore) -> None:
    """Read the restart file, and give the box back what the file does not hold of it."""
    lmp = session.lmp
    if math.prod(state.grid) == session.communicator.size > 1:  # or LAMMPS chooses by the shape that the box has by now
        lmp.command(f"processors {' '.join(map(str, state.grid))}")
    lmp.command(f"read_restart {checkpoint.restart}")
    session.margins, session.boundary = state.box.margins, box_margins.Boundary(state.box.faces)
    margins = box_margins.command(session.margins, session.boundary)
    if margins:
        lmp.command(margins)


def _put_back(session: Session, checkpoint: Restore) -> None:
    try:
        put_back(session.lmp, sorted(checkpoint.state.parent.glob("atoms.*")))
    except (ValueError, EOFError) as error:
        raise CannotContinue("The checkpoint's atoms are torn.") from error


def _switch_off_again(session: Session, checkpoint: Restore) -> None:
    """Bonds and the like that were off when the run was cut; `fix shake`, given again, has its own off by now."""
    try:
        topology.put_back(session.lmp, sorted(checkpoint.state.parent.glob("atoms.*")), Atoms.load)
    except (ValueError, EOFError) as error:
        raise CannotContinue("The checkpoint's atoms are torn.") from error


def _restored_styles(root: Root, since: int) -> list[str]:
    """Kinds of force field (pair, bond, ...) that read_restart said it restored."""
    return [line.split("restoring ")[1].split()[0] for line in root.log.said(r"restoring \S+ style", since)]


def _is_restored(entry: Entry, kinds: list[str]) -> bool:
    """Whether read_restart brought the style back, with all its settings."""
    kind = entry.command.removesuffix("_style")
    if kind == "pair" and any(styles.Trait.UNRESTORED in styles.traits_of("pair", word) for word in entry.words[1:]):
        return False  # a hybrid one is made of several
    return entry.command.endswith("_style") and kind in kinds


def _issue_again(session: Session, entry: Entry) -> None:
    if entry.command in ("echo", "log"):  # they are the log's
        return
    if entry.command.endswith("_modify") and entry.command.split("_")[0] in ("fix", "compute", "dump"):
        kind, name = entry.command.split("_")[0], entry.words[1]
        if not session.lmp.has_id(kind, name):
            return
    session.look(looks.before_substitution(entry.text), entry.folder)
    session.look(looks.of_command(entry.words, session.journal, again=entry.used), entry.folder)
    with session.with_sources(entry.sources), session.standing_in(entry.folder):
        session.lmp.command(_as_seen_from(session, entry))
    for _ in range(entry.nexts):
        session.lmp.command(f"next {entry.key}")


def _divide(session: Session, cuts: division.Cuts) -> None:
    """Divide the box as unevenly as it was. Its atoms are with the ranks that had them, and stay there."""
    lmp = session.lmp
    if not cuts:
        return
    with all_inside(lmp, division.part_between(lmp, cuts)):
        lmp.command(division.command(cuts))


def _without_balancing(entry: Entry) -> Entry:
    """A `fix balance` whose threshold the set-up does not reach: its own comes back with its memory."""
    if entry.command != "fix" or entry.words[3:4] != ["balance"]:
        return entry
    words = [*entry.words[:5], NEVER, *entry.words[6:]]
    return replace(entry, words=words, text=" ".join(map(quoted, words)))


def _with_new_seeds(session: Session, entry: Entry) -> Entry:
    """What a stage has drawn from its seeds is not drawn again: where its stream is not carried on, it gets others."""
    words = seeds.reseeded(entry.words, session.step) if entry.used else entry.words
    if words == entry.words:
        return entry
    if session.root:
        new = ", ".join(words[at] for at in seeds.places(words))
        text = f"fix {words[1]} ({words[3]}) goes on with another seed from step {session.step} on: {new}"
        session.root.line.send(Warned(text=text))
    return replace(entry, words=words, text=" ".join(map(quoted, words)))


def _as_seen_from(session: Session, entry: Entry) -> str:
    """The command. A dump's file is opened only later, from the current folder, whatever it was at first."""
    current = session.journal.folder
    if entry.command != "dump" or "*" in entry.words[5] or entry.folder == current or os.path.isabs(entry.words[5]):
        return entry.text
    words = [*entry.words[:5], os.path.relpath(entry.path(entry.words[5]), current), *entry.words[6:]]
    return " ".join(map(quoted, words))
