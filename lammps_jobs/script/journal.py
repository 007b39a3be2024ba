"""The commands that still define the present state of LAMMPS, in the order they were given.

A restart file holds atoms, box and part of the force field. Everything else is brought back by
issuing these commands again around `read_restart`, with variables as they were substituted then.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from lammps_jobs.record.documents import GRADES, Grade
from lammps_jobs.script.commands import BEFORE_BOX, COMMANDS, JOINABLE_DUMPS, RANDOM_PAIRS
from lammps_jobs.script.fixes import DERIVING_FIXES, REFERRING_FIXES, UNTESTED, of_fix

LISTS = ("index", "loop", "world", "universe", "uloop", "file", "atomfile")
"""Variable styles that LAMMPS leaves as they are when the variable exists already (page `variable`)."""

AVERAGES = ("ave/time", "ave/chunk", "ave/histo", "ave/histo/weight", "ave/grid", "ave/atom")


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


@dataclass(frozen=True)
class Sort:
    """How atoms are sorted (page `atom_modify`): timesteps between two sorts, 0 for never, and the size of a bin."""

    every: int = 1000
    bin: str = "0.0"


@dataclass
class Journal:
    entries: list[Entry] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    balanced: bool = False
    """Whether a `balance` command divided the box unevenly among the ranks."""
    sort: Sort = Sort()

    # -- recording -------------------------------------------------------------------------------

    def record(self, words: list[str], text: str) -> None:
        """Take note of a command that LAMMPS has just accepted."""
        command = words[0]
        row = COMMANDS.get(command)
        if row is None:
            self.unknown.append(command)
            self._append(Entry(command, text, text, words))
        elif command == "balance":
            self.balanced = True
        elif command == "atom_modify":
            self._atom_modify(words)
        elif row.effect == "OBJECT":
            getattr(self, f"_{command}")(words, text)
        elif row.effect == "STYLE":
            self._style(words, text)
        elif row.effect in ("KEEP", "COEFF"):
            past = self._temperatures_of_pressure() if command == "thermo_style" else []
            self._remove(lambda entry: entry.command in row.clears)
            self.entries += past
            key = text if row.cumulative else command
            self._remove(lambda entry: entry.command == command and entry.key == key)
            self._append(Entry(command, key, text, words))

    def _temperatures_of_pressure(self) -> list[Entry]:
        """A new thermo style forgets `thermo_modify temp`, the compute thermo_press does not (source of Thermo)."""
        pairs = [entry.words[1:] for entry in self.of("thermo_modify") if "temp" in entry.words[1:-1]]
        lines = [["thermo_modify", "temp", words[words.index("temp") + 1]] for words in pairs]
        return [Entry("thermo_modify", " ".join(line), " ".join(line), line) for line in lines[-1:]]

    def _append(self, entry: Entry) -> None:
        self.entries.append(entry)

    def _remove(self, gone: Callable[[Entry], bool]) -> None:
        self.entries = [entry for entry in self.entries if not gone(entry)]

    def _replace(self, entry: Entry) -> None:
        """In place of the entry with the same command and key, or at the end."""
        for at, old in enumerate(self.entries):
            if (old.command, old.key) == (entry.command, entry.key):
                self.entries[at] = entry
                return
        self._append(entry)

    def _atom_modify(self, words: list[str]) -> None:
        if "sort" in words[:-2]:
            at = words.index("sort")
            self.sort = Sort(int(words[at + 1]), words[at + 2])
        if "first" in words[:-1]:
            line = ["atom_modify", "first", words[words.index("first") + 1]]
            self._replace(Entry("atom_modify", "first", " ".join(line), line))

    def _clear(self, words: list[str], text: str) -> None:
        self.balanced, self.sort = False, Sort()
        self.entries = [e for e in self.entries if e.command in ("variable", "log", "echo")]

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
        if old is not None and old.words[3:4] == words[3:4]:
            self._replace(entry)
        else:
            self._remove(lambda e: e.command in ("fix", "fix_modify") and e.words[1] == words[1])
            self._append(entry)

    def _object(self, words: list[str], text: str) -> None:
        self._append(Entry(words[0], text, text, words))

    _fix_modify = _compute_modify = _dump_modify = _object

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
        """A region may be deleted and made anew under a fix that names it: it keeps its place before that fix."""
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
        elif not (exists and style in LISTS):
            self._replace(Entry("variable", name, text, words))

    def next(self, names: list[str], exhausted: set[str]) -> None:
        """A `next` command went through: lists moved on, and the `exhausted` ones were deleted."""
        self._remove(lambda entry: entry.command == "variable" and entry.key in exhausted)
        for entry in self.entries:
            if entry.command == "variable" and entry.key in names:
                entry.nexts += 1

    def use(self) -> None:
        """A stage begins with all that is defined."""
        for entry in self.entries:
            entry.used = True

    # -- asking ----------------------------------------------------------------------------------

    def of(self, command: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.command == command]

    def before_box(self) -> list[Entry]:
        """What must be known before the restart file is read. Styles of force fields come after, wherever
        the script had them: what a style allows depends on the atom style, which the file brings."""
        return [entry for entry in self.entries if entry.command in BEFORE_BOX]

    def after_box(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.command not in BEFORE_BOX]

    def new_dumps(self) -> list[Entry]:
        """Dumps, and what modifies them, whose first frame is still to come, at the stage ahead."""
        names = {entry.words[1] for entry in self.of("dump") if not entry.used}
        return [entry for entry in self.entries if entry.command in ("dump", "dump_modify") and entry.words[1] in names]

    def new_averages(self) -> frozenset[str]:
        """Files of averaging fixes that have not run yet: what they write at a first set-up, they write once only."""
        fixes = [e.words for e in self.of("fix") if not e.used and e.words[3] in AVERAGES and "file" in e.words[:-1]]
        return frozenset(os.path.normpath(words[words.index("file") + 1]) for words in fixes)

    def thermo_every(self) -> int | None:
        """Stride of the thermo output in timesteps; 0 when there is none, None when a variable rules it."""
        entries = self.of("thermo")
        if not entries:
            return 0
        return int(entries[-1].words[1]) if entries[-1].words[1].isdigit() else None

    def thermo_reads_fixes(self) -> bool:
        """Whether a thermo row can be had at some steps only, because it holds what a fix computes."""
        texts = [entry.text for entry in self.entries if entry.command in ("thermo_style", "variable")]
        return self.thermo_every() is None or any("f_" in text for text in texts)

    def sets_up_alike(self) -> bool:
        """Whether a new set-up at a rebuild leaves the run as it was, to the last bit."""
        return not any(_plain(entry.words[3]).startswith(DERIVING_FIXES) for entry in self.of("fix"))

    def is_half_made(self) -> bool:
        """Whether a fix would write to a restart file what it finds at the set-up of the stage to come only: its
        reference, or a region that was made anew under it (until then it holds on to the one that is gone)."""
        fixes = self.of("fix")
        regions = {entry.words[1] for entry in self.of("region") if not entry.used}
        remade = any(entry.used and regions & set(entry.words[4:]) for entry in fixes)
        return remade or any(_plain(entry.words[3]) in REFERRING_FIXES and not entry.used for entry in fixes)

    def thermo_moves_bias(self) -> bool:
        """Whether a fix thermostats by the bias that a compute found when it was last asked, be it by the thermo
        output: a row more or less then changes the run, in bare LAMMPS too (fix_modify temp; compute temp/cs)."""
        plain = {"thermo_temp", *(e.words[1] for e in self.of("compute") if _plain(e.words[3]) == "temp")}
        modified = [entry.words for entry in self.of("fix_modify") if "temp" in entry.words[2:-1]]
        return any(words[words.index("temp", 2) + 1] not in plain for words in modified)

    def pours(self) -> list[str]:
        """IDs of fixes that pour so many particles in all, and keep their count to themselves."""
        return [entry.words[1] for entry in self.of("fix") if _plain(entry.words[3]) == "pour"]

    def has_poured(self, counts: dict[str, int]) -> None:
        """What each fix pour has put in (molecules or atoms) need not be poured again: page `fix_pour`, argument N."""
        for entry in self.of("fix"):
            if entry.words[1] in counts:
                entry.words[4] = str(max(0, int(entry.words[4]) - counts[entry.words[1]]))
                entry.text = " ".join(entry.words)

    def windows(self) -> list[tuple[str, int, int, int]]:
        """Averaging fixes as (ID, Nevery, Nrepeat, Nfreq), all in timesteps but Nrepeat."""
        found = []
        for entry in self.of("fix"):
            if entry.words[3] in AVERAGES:
                numbers = [int(float(word)) for word in entry.words[4:7]]
                found.append((entry.words[1], numbers[0], numbers[1], numbers[2]))
        return found

    @property
    def is_balanced(self) -> bool:
        """Whether the box may be divided among the ranks in another way than a new process would."""
        return self.balanced or any(entry.words[3] == "balance" for entry in self.of("fix"))

    def writes_at_setup(self) -> bool:
        """Whether a set-up may write again what a stage has written: then it must be done once before it counts."""
        writers = ("ave/", "print", "reaxff/", "reax/c/")
        used = [entry for entry in self.entries if entry.used]
        return any(e.command == "dump" or (e.command == "fix" and _plain(e.words[3]).startswith(writers)) for e in used)

    def rewritten(self) -> frozenset[str]:
        """Files of averaging fixes that hold the latest output only (keyword `overwrite`)."""
        fixes = [entry.words for entry in self.of("fix") if "overwrite" in entry.words and "file" in entry.words[:-1]]
        return frozenset(words[words.index("file") + 1] for words in fixes)

    def fidelity(self) -> tuple[Grade, list[str]]:
        """How true a resume can be, and why it is not better, in words that name the command."""
        grades: list[Grade] = ["exact"]
        reasons = []
        for entry in self.of("fix"):
            known = of_fix(_plain(entry.words[3]), entry.words)
            if known.grade != "exact" and (entry.used or known is UNTESTED):
                grades.append(known.grade)
                reasons.append(f"fix {entry.words[1]} ({entry.words[3]}): {known.why}")
        for entry in self.of("compute"):
            if entry.words[3] == "chunk/atom" and "units reduced" in " ".join(entry.words):
                grades.append("faithful")
                reasons.append(f"compute {entry.words[1]} (chunk/atom): units reduced rounds positions at every use")
        for entry in self.of("pair_style"):
            if any(_plain(word).startswith(RANDOM_PAIRS) for word in entry.words[1:]):
                grades.append("statistical")
                reasons.append(f"pair_style {entry.words[1]}: its forces are not exactly restartable")
        for name in sorted(set(self.unknown)):
            grades.append("statistical")
            reasons.append(f"command {name}: unknown to lammps-jobs")
        return max(grades, key=GRADES.index), reasons

    def uncuttable_because(self) -> list[str]:
        """Outputs or styles that forbid a cut in the middle of a run, in words."""
        reasons = []
        for entry in self.of("dump"):
            style = _plain(entry.words[3]).removesuffix("/gz").removesuffix("/zstd")
            if style not in JOINABLE_DUMPS and "*" not in entry.words[5]:
                reasons.append(f"dump {entry.words[1]} ({entry.words[3]}) cannot be joined from pieces")
            if entry.words[5].endswith((".gz", ".zst", ".bz2", ".xz")) and "*" not in entry.words[5]:
                reasons.append(f"dump {entry.words[1]} writes one compressed file; write one a frame (*) instead")
        for entry in self.of("fix"):
            if _plain(entry.words[3]) in ("nvt/uef", "npt/uef"):
                reasons.append(f"fix {entry.words[1]} ({entry.words[3]}) reduces its box anew whenever a run begins")
        for entry in self.of("dump_modify"):
            if "maxfiles" in entry.words:
                reasons.append(
                    f"dump_modify {entry.words[1]} maxfiles removes old files, which a new process cannot know"
                )
        return reasons

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Journal:
        return cls(
            [Entry(**e) for e in state["entries"]], list(state["unknown"]), state["balanced"], Sort(**state["sort"])
        )


def _plain(style: str) -> str:
    """A style without its accelerator suffix."""
    for suffix in ("/kk/host", "/kk/device", "/kk", "/gpu", "/omp", "/opt", "/intel"):
        if style.endswith(suffix):
            return style.removesuffix(suffix)
    return style
