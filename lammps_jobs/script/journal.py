"""The journal: the commands that still define the present state of LAMMPS, in the order they were given.

A restart file holds atoms, box and part of the force field. Everything else a new process gets by issuing commands
again, some before `read_restart` and the rest after it. The engine records here every command that LAMMPS has
accepted, with its variables as they were substituted then; a command that replaces or removes an earlier one
(`unfix`, a second `timestep`, `clear`) takes it out, so that what is left is what has to be issued again. Which
command does what is in `commands`; what the journal says of a resume is in `fidelity`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, assert_never

from lammps_jobs.script import commands, fixes, styles
from lammps_jobs.script.commands import COMMANDS, Effect


@dataclass
class Entry:
    """One command to issue again. `key` says what it defines; a newer one of that key replaces it."""

    command: str
    key: str
    text: str
    words: list[str]
    nexts: int = 0
    used: bool = False
    """Whether a stage ran with it: a fix that has just been made has no past that could be lost."""
    sources: dict[str, str] = field(default_factory=dict)
    """Of every file that it may have read, where its content of then is kept."""
    folder: str = "."
    """Where its relative paths lead from: the folder that was the current one when it opened its files."""

    def path(self, word: str) -> str:
        """A file that it names, by its path from the folder in which the run started."""
        return os.path.normpath(os.path.join(self.folder, word))


@dataclass(frozen=True)
class Sort:
    """How atoms are sorted (page `atom_modify`): timesteps between two sorts, 0 for never, and the size of a bin."""

    every: int = 1000
    bin: str = "0.0"


@dataclass
class Journal:
    """What has to be issued again. `record` and the methods beside it take note, the others ask."""

    entries: list[Entry] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    balanced: bool = False
    """Whether a `balance` command divided the box unevenly among the ranks."""
    sort: Sort = Sort()
    folder: str = "."
    """The current folder, relative to the one in which the run started."""
    reading: dict[str, str] = field(default_factory=dict)
    """The sources of the command that is recorded next."""

    # -- recording -------------------------------------------------------------------------------

    def record(self, words: list[str], text: str) -> None:
        """Take note of a command that LAMMPS has just accepted: its words, and its text for issuing it again."""
        command = words[0]
        row = COMMANDS.get(command)
        if row is None:
            self.unknown.append(command)
            self._append(Entry(command, text, text, words))
            return
        match row.effect:
            case Effect.TRACKED:
                _RULES[command](self, words, text)
            case Effect.STYLE:
                self._style(words, text)
            case Effect.KEPT:
                self._setting(row, words, text)
            case Effect.DONE | Effect.FLOW | Effect.RUN | Effect.WHOLE | Effect.REFUSED:
                pass
            case _ as unreachable:
                assert_never(unreachable)

    def _setting(self, row: commands.Command, words: list[str], text: str) -> None:
        past = self._temperatures_of_pressure() if row.name == "thermo_style" else []
        self._remove(lambda entry: entry.command in row.clears)
        self.entries += past
        key = text if commands.Trait.CUMULATIVE in row.traits else row.name
        self._remove(lambda entry: entry.command == row.name and entry.key == key)
        self._append(Entry(row.name, key, text, words))

    def _temperatures_of_pressure(self) -> list[Entry]:
        """A new thermo style forgets `thermo_modify temp`, the compute thermo_press does not (source of Thermo)."""
        pairs = [entry.words[1:] for entry in self.of("thermo_modify") if "temp" in entry.words[1:-1]]
        lines = [["thermo_modify", "temp", words[words.index("temp") + 1]] for words in pairs]
        return [Entry("thermo_modify", " ".join(line), " ".join(line), line) for line in lines[-1:]]

    def _append(self, entry: Entry) -> None:
        entry.folder, entry.sources = self.folder, self.reading
        self.entries.append(entry)

    def _remove(self, gone: Callable[[Entry], bool]) -> None:
        self.entries = [entry for entry in self.entries if not gone(entry)]

    def _replace(self, entry: Entry) -> None:
        """In place of the entry with the same command and key, or at the end."""
        entry.folder, entry.sources = self.folder, self.reading
        for at, old in enumerate(self.entries):
            if (old.command, old.key) == (entry.command, entry.key):
                self.entries[at] = entry
                return
        self._append(entry)

    def _atom_style(self, words: list[str], text: str) -> None:
        self._remove(lambda entry: entry.command == "atom_style")
        if "template" in words[:-1]:
            self._append(Entry("atom_style", "atom_style", text, words))

    def _balance(self, words: list[str], text: str) -> None:
        self.balanced = True

    def _atom_modify(self, words: list[str], text: str) -> None:
        if "sort" in words[:-2]:
            at = words.index("sort")
            self.sort = Sort(int(words[at + 1]), words[at + 2])
        if "first" in words[:-1]:
            line = ["atom_modify", "first", words[words.index("first") + 1]]
            self._replace(Entry("atom_modify", "first", " ".join(line), line))

    def _clear(self, words: list[str], text: str) -> None:
        self.balanced, self.sort = False, Sort()
        self._remove(lambda e: commands.Trait.SURVIVES_CLEAR not in commands.traits_of(e.command))

    def _style(self, words: list[str], text: str) -> None:
        kind = words[0].removesuffix("_style")
        old = next((e for e in self.entries if e.command == words[0]), None)
        again = old is not None and old.words[1:2] == words[1:2] and not words[1].startswith("hybrid")
        entry = Entry(words[0], words[0], text, words)
        if again:  # the page says: the same style again keeps its coefficients
            self._replace(entry)
            return
        self._remove(lambda e: e.command in (words[0], f"{kind}_coeff", f"{kind}_modify"))
        self._append(entry)

    def _fix(self, words: list[str], text: str) -> None:
        old = next((e for e in self.entries if e.command == "fix" and e.key == words[1]), None)
        entry = Entry("fix", words[1], text, words)
        self._remove(lambda e: e.command == "fix_modify" and e.words[1] == words[1])
        if old is not None and old.words[3:4] == words[3:4]:
            self._replace(entry)
        else:
            self._remove(lambda e: e is old)
            self._append(entry)

    def _modification(self, words: list[str], text: str) -> None:
        self._append(Entry(words[0], text, text, words))

    def _gone(self, kind: str, name: str) -> None:
        self._remove(lambda e: e.command in (kind, f"{kind}_modify") and e.words[1] == name)

    def _unfix(self, words: list[str], text: str) -> None:
        for name in words[1:]:
            self._gone("fix", name)

    def _uncompute(self, words: list[str], text: str) -> None:
        for name in words[1:]:
            self._gone("compute", name)

    def _undump(self, words: list[str], text: str) -> None:
        for name in words[1:]:
            self._gone("dump", name)

    def _compute(self, words: list[str], text: str) -> None:
        self._append(Entry("compute", words[1], text, words))

    def _dump(self, words: list[str], text: str) -> None:
        self._append(Entry("dump", words[1], text, words))

    def _molecule(self, words: list[str], text: str) -> None:
        self._replace(Entry("molecule", words[1], text, words))

    def _region(self, words: list[str], text: str) -> None:
        """A region may be deleted and made again under a fix that names it: it keeps its place before that fix."""
        old = [e for e in self.entries if e.command == "region" and e.key == words[1]]
        self._remove(lambda e: any(e is gone for gone in old[1:]))
        if words[2:3] != ["delete"]:
            named = [e for e in self.entries if e.command == "variable" and f"v_{e.key}" in words]
            self._remove(lambda e: any(e is variable for variable in named))
            self._replace(Entry("region", words[1], text, words))
            at = next(i for i, e in enumerate(self.entries) if e.command == "region" and e.key == words[1])
            self.entries[at:at] = named
        elif any(words[1] in e.words[2:] for e in self.entries):
            self._append(Entry("region", words[1], text, words))
        else:
            self._remove(lambda e: any(e is gone for gone in old))

    def _group(self, words: list[str], text: str) -> None:
        self._remove(lambda e: e.command == "group" and e.words[1] == words[1] and words[2] in ("delete", "static"))
        if words[2:3] == ["dynamic"]:
            self._replace(Entry("group", words[1], text, words))

    def _variable(self, words: list[str], text: str) -> None:
        name, style = words[1], words[2]
        exists = any(e.command == "variable" and e.key == name for e in self.entries)
        if style == "delete":
            self._remove(lambda e: e.command == "variable" and e.key == name)
        elif not (exists and styles.Trait.LIST in styles.traits_of("variable", style)):
            self._replace(Entry("variable", name, text, words))

    def next(self, names: list[str], exhausted: set[str]) -> None:
        """A `next` command went through: lists moved on, and the `exhausted` ones were deleted."""
        self._remove(lambda entry: entry.command == "variable" and entry.key in exhausted)
        for entry in self.entries:
            if entry.command == "variable" and entry.key in names:
                entry.nexts += 1

    def sources(self) -> set[str]:
        """What is kept of files that commands have read."""
        return {kept for entry in self.entries for kept in entry.sources.values()}

    def use(self) -> None:
        """A stage begins with all that is defined. A dump opens its file only now (source of Dump: init)."""
        for entry in self.entries:
            if entry.command == "dump" and not entry.used:
                entry.folder = self.folder
            entry.used = True

    # -- asking ----------------------------------------------------------------------------------

    def of(self, command: str) -> list[Entry]:
        """The entries of one command."""
        return [entry for entry in self.entries if entry.command == command]

    def fixes_with(self, trait: fixes.Trait) -> list[Entry]:
        """The fixes whose style has that trait."""
        return [entry for entry in self.of("fix") if trait in fixes.traits_of(entry.words[3])]

    def before_box(self) -> list[Entry]:
        """What must be known before the restart file is read. Styles of force fields come after, wherever
        the script had them: what a style allows depends on the atom style, which the file brings."""
        return [entry for entry in self.entries if self._is_before_box(entry)]

    def after_box(self) -> list[Entry]:
        """What is issued again after the restart file is read."""
        return [entry for entry in self.entries if not self._is_before_box(entry)]

    def _is_before_box(self, entry: Entry) -> bool:
        if entry.command == "molecule":  # that of an atom style
            return any(entry.key in style.words for style in self.of("atom_style"))
        return commands.Trait.BEFORE_BOX in commands.traits_of(entry.command)

    def new_dumps(self) -> list[Entry]:
        """Dumps, and what modifies them, whose first frame is still to come, at the stage ahead."""
        names = {entry.words[1] for entry in self.of("dump") if not entry.used}
        return [entry for entry in self.entries if entry.command in ("dump", "dump_modify") and entry.words[1] in names]

    def rewritten(self) -> frozenset[str]:
        """Files of averaging fixes that hold the latest output only (keyword `overwrite`)."""
        latest = [e for e in self.of("fix") if "overwrite" in e.words and "file" in e.words[:-1]]
        return frozenset(e.path(e.words[e.words.index("file") + 1]) for e in latest)

    def to_json(self) -> dict[str, Any]:
        """The journal as `protocol.engine_state.JournalState` has it."""
        state = asdict(self)
        del state["folder"], state["reading"]  # the one is kept with the rest of the folder's state
        return state

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Journal:
        """The journal that `to_json` gave."""
        return cls(
            [Entry(**e) for e in state["entries"]], list(state["unknown"]), state["balanced"], Sort(**state["sort"])
        )


_RULES: dict[str, Callable[[Journal, list[str], str], None]] = {
    "atom_modify": Journal._atom_modify,
    "atom_style": Journal._atom_style,
    "balance": Journal._balance,
    "clear": Journal._clear,
    "compute": Journal._compute,
    "compute_modify": Journal._modification,
    "dump": Journal._dump,
    "dump_modify": Journal._modification,
    "fix": Journal._fix,
    "fix_modify": Journal._modification,
    "group": Journal._group,
    "molecule": Journal._molecule,
    "region": Journal._region,
    "uncompute": Journal._uncompute,
    "undump": Journal._undump,
    "unfix": Journal._unfix,
    "variable": Journal._variable,
}
"""The rule of each command whose effect is TRACKED."""
