"""Which bytes each file of the run's folder gained since the last cut, and what else there is in the folder.

A resumed attempt finds none of the files that earlier attempts wrote: what a command may look at is brought before
(`Session.look`). A file that LAMMPS opens again in its set-up goes on where the record ends; the part that the record
has is *owed* to the folder until somebody looks. A file that comes into being later is a new one, whatever an earlier
attempt had recorded under its name.
"""

from __future__ import annotations

import glob
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lammps_jobs.formats import ave_yaml, dcd
from lammps_jobs.protocol.messages import Alias, Gained, OutputChange, Removed
from lammps_jobs.protocol.remains import Mark, Marks, ends_of
from lammps_jobs.record.documents import SOURCE, is_hidden

YAML = (".yaml", ".yml")
SAMPLE = 4096
EXECUTABLE = 0o111
COPIED_AT_ONCE = 4 * 1024 * 1024


@dataclass
class Recorded:
    """The part of a file that has been recorded: its length and samples of its head and its tail."""

    size: int
    head: bytes
    tail: bytes
    mtime_ns: int


@dataclass(frozen=True)
class Grown:
    """A file got its recorded part back, in front: whoever writes to it writes `by` bytes further behind."""

    device: int
    inode: int
    by: int


@dataclass(frozen=True)
class Surroundings:
    """What there is besides the contents of files. Paths are relative to the run's folder."""

    inputs: tuple[str, ...]
    folders: tuple[str, ...]
    links: dict[str, str]
    executables: tuple[str, ...]
    headed: tuple[str, ...]
    heads: dict[str, str]
    watched: tuple[str, ...]


class OutputTracker:
    """Watches the run's `folder`, and what lies above it up to `top`; input files that did not change are no outputs.

    `also` names files that lie elsewhere, `before` those that an earlier attempt recorded, `executables` those of
    them that may be executed, `headed` those in which the keywords of a YAML file stand.
    """

    def __init__(
        self, folder: Path, inputs: Iterable[str], also: dict[str, Path] | None = None, before: Iterable[str] = (),
        executables: Iterable[str] = (), headed: Iterable[str] = (), top: Path | None = None,
    ) -> None:  # fmt: skip
        self.folder, self._also = folder, dict(also or {})
        self._top = top if top and folder.is_relative_to(top) else folder
        self._before, self._executables = frozenset(before), frozenset(executables)
        self._headed = frozenset(headed)
        self._heads: dict[str, str] = {}
        self._links = {self._name(path) for path in self._files() if path.is_symlink()} & self._before
        """Recorded links, which show the files that they point at."""
        self._absent = {name for name in self._before - self._also.keys() - self._links if not is_hidden(name)}
        """Files of which nothing is there yet."""
        self._owed: set[str] = set()
        """Files that were opened again, and of which what the record has is not there yet."""
        self._recorded: dict[str, Recorded] = {}
        self._watched: list[str] = []
        self._gone: set[str] = set()
        """Recorded outputs that are not there and need not be recorded any longer."""
        self._untouched = set(inputs)
        for name in inputs:
            self._recorded[name] = _sample(folder / name)

    def watch(self, pattern: str) -> None:
        """Files outside of all this that a command may be about to write: from now on they are outputs, too.

        `pattern` is an absolute path, as `glob` takes it; their names in the record are absolute.
        """
        if pattern in self._watched:
            return
        self._watched.append(pattern)
        for name in _files_like(pattern):
            if name not in self._before and name not in self._recorded:
                self._recorded[name] = _sample(Path(name))
                self._untouched.add(name)

    def is_as_given(self, name: str) -> bool:
        """Whether it is an input that lies there as it was given."""
        old = self._recorded.get(name) if name in self._untouched else None
        if old is None or not (self.folder / name).is_file():
            return False
        status = (self.folder / name).stat()
        return (status.st_size, status.st_mtime_ns) == (old.size, old.mtime_ns)

    def know_heads(self, heads: dict[str, str]) -> None:
        """`heads`: what recorded DCD files begin with, in hexadecimal digits."""
        self._heads = dict(heads)

    def begin_with_head(self, name: str) -> Grown | None:
        """Give an open, empty file the head of its recorded part, which LAMMPS knows to have written; None when it is
        no DCD file, or has a head already."""
        path, head = self._path(name), bytes.fromhex(self._heads.get(name, ""))
        if not head or name not in self._owed or path.stat().st_size:
            return None
        path.write_bytes(head)
        status = path.stat()
        return Grown(status.st_dev, status.st_ino, len(head))

    def keep(self, name: str, path: Path) -> None:
        """Record that file, which lies elsewhere and does not change, under that name."""
        if name not in self._before:
            self._also[name] = path

    def keep_only(self, names: set[str]) -> None:
        """Of what `keep` has named, record these only."""
        for name in [name for name in self._also if name.startswith(SOURCE) and name not in names]:
            del self._also[name]
        self._gone |= {name for name in self._before if name.startswith(SOURCE) and name not in names}

    # -- what a resumed attempt does not have yet ------------------------------------------------

    def open_again(self, name: str) -> None:
        """LAMMPS will open a recorded file later, and write on: what it writes then comes behind what is recorded."""
        if name in self._absent and not self._path(name).exists():
            self._path(name).parent.mkdir(parents=True, exist_ok=True)
            self._path(name).touch()

    def forget_new_bytes(self, new: frozenset[str] = frozenset(), only: frozenset[str] | None = None) -> None:
        """Take what lies there now as recorded: a resumed attempt's repeated headers and frames; not `new` files, and
        `only` those where they are named."""
        for name in set(self._walk()) - new - self._untouched:
            if only is not None and name not in only:
                continue
            path, old = self._path(name), self._recorded.get(name)
            if name in self._absent:
                self._absent.remove(name)
                self._owed.add(name)
            elif name in self._before and old is not None and name not in self._owed:  # it was brought as a whole
                if _extends(path, path.stat().st_size, old):
                    os.truncate(path, old.size)
                else:  # opened again from its beginning
                    self._owed.add(name)
            self._recorded[name] = _sample(path)

    @property
    def absent(self) -> frozenset[str]:
        """Recorded files that are not there. What LAMMPS has begun anew since is its own, and whole; what lies outside
        the folder may be of another attempt."""
        return frozenset(name for name in self._absent if os.path.isabs(name) or not self._path(name).exists())

    @property
    def owed(self) -> frozenset[str]:
        """Recorded files that are there, but not as a whole."""
        return frozenset(self._owed) - self._also.keys()

    def know(self, name: str) -> None:
        """Take a file that was brought from the record as recorded."""
        path = self.folder / name
        if name in self._executables:
            path.chmod(path.stat().st_mode | EXECUTABLE)
        self._absent.discard(name)
        self._recorded[name] = _sample(path)

    def give_back(self, name: str, recorded: Path) -> Grown | None:
        """Put what the record has in front of what LAMMPS has added to the open file since; None when it cannot be.

        `recorded` is that content. LAMMPS's buffers must have been written.
        """
        path, start = self._path(name), self._recorded[name].size
        if start == 0 and dcd.header_size(recorded):
            start = dcd.header_size(path)
            if start == 0:  # LAMMPS still has to write its own header
                return None
        start += self._repeated_keywords(name, start)
        self._owed.discard(name)
        added = path.read_bytes()[start:]
        with path.open("r+b") as file, recorded.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)
            size = file.tell()
            file.write(added)
            file.truncate()
        dcd.mend(path)
        self._recorded[name] = _sample(path, size)
        status = path.stat()
        return Grown(status.st_dev, status.st_ino, size - start)

    # -- at a cut --------------------------------------------------------------------------------

    def changes(self, copies: Path, rewritten: frozenset[str] = frozenset()) -> list[OutputChange]:
        """What to record now.

        `rewritten` names files whose content is always the latest only. Short pieces and rewritten files
        are copied to `copies` at once, since LAMMPS may rewrite them as soon as it goes on; long ones are
        appended trajectories, read in place later.
        """
        found: list[OutputChange] = []
        names = self._walk()
        for name in names:
            path = self._path(name)
            status = path.stat()
            old = self._recorded.get(name)
            if old and (status.st_size, status.st_mtime_ns) == (old.size, old.mtime_ns):
                continue
            whole = name in rewritten or name in self._untouched  # an input that is written to becomes an output
            self._untouched.discard(name)
            goes_on = old is not None and not whole and _extends(path, status.st_size, old)
            start = old.size if old and goes_on else 0
            if goes_on and start == 0 and name in self._before:
                start = dcd.header_size(path)  # LAMMPS writes it again with the first frame after a resume
            if goes_on:
                start += self._repeated_keywords(name, start)
            if not goes_on:
                self._absent.discard(name)
                self._owed.discard(name)
            found.append(
                self._piece(name, (start, status.st_size), replaces=not goes_on, copy=copies / str(len(found)))
            )
            self._recorded[name] = _sample(path, status.st_size)
        for name in self._recorded.keys() - names:
            del self._recorded[name]
            self._owed.discard(name)
            if name in self._untouched:
                self._untouched.discard(name)
            else:
                found.append(Removed(name=name))
        found += [Removed(name=name) for name in sorted(self._gone)]
        self._before -= self._gone
        self._gone.clear()
        return [*found, *self._aliases()]

    def marks(self, rewritten: Iterable[str] = ()) -> Marks:
        """What has been recorded by now, for whoever looks when this engine is gone."""
        files = {
            name: Mark(size=old.size, mtime_ns=old.mtime_ns, ends=ends_of(old.head, old.tail))
            for name, old in self._recorded.items()
            if name not in self._also
        }
        return Marks(
            folder=self.folder, top=self._top, files=files, given=tuple(self._untouched), before=tuple(self._before),
            headed=tuple(self._headed), rewritten=tuple(rewritten), watched=tuple(self._watched),
        )  # fmt: skip

    def surroundings(self) -> Surroundings:
        """What there is besides the contents of files."""
        folders, links, executables = [], {}, []
        for folder, inner, names in os.walk(self._top):
            for path in (Path(folder) / name for name in (*inner, *names)):
                name, mode = self._name(path), path.lstat().st_mode
                if stat.S_ISLNK(mode):
                    links[name] = os.readlink(path)
                elif stat.S_ISDIR(mode) and not self.folder.is_relative_to(path):
                    folders.append(name)
                elif stat.S_ISREG(mode) and mode & EXECUTABLE:
                    executables.append(name)
        executables += self._executables & self._absent
        inputs = tuple(sorted(name for name in self._untouched if not os.path.isabs(name)))
        return Surroundings(
            inputs,
            tuple(sorted(folders)),
            links,
            tuple(sorted(executables)),
            self._headed_now(),
            self._heads_now(),
            tuple(self._watched),
        )

    def _repeated_keywords(self, name: str, start: int) -> int:
        """Bytes of the keywords that a resumed LAMMPS has written again at `start`, before its first row."""
        return ave_yaml.keywords_at(self._path(name), start) if name in self._headed else 0

    def _headed_now(self) -> tuple[str, ...]:
        missing = self._absent | self._owed
        there = (name for name in self._recorded if name.endswith(YAML) and name not in missing)
        return tuple(
            sorted({*(self._headed & missing), *filter(lambda n: ave_yaml.has_keywords(self._path(n)), there)})
        )

    def _heads_now(self) -> dict[str, str]:
        there = {name: dcd.head_of(self._path(name)) for name in self._recorded.keys() - self._also.keys()}
        missing = self._absent | self._owed
        kept = {name: head for name, head in self._heads.items() if name in missing}
        return kept | {name: head.hex() for name, head in there.items() if head}

    def _piece(self, name: str, span: tuple[int, int], *, replaces: bool, copy: Path) -> Gained:
        start, stop = span
        path = self._path(name)
        if not replaces and stop - start > COPIED_AT_ONCE:
            return Gained(name=name, source=path, start=start, stop=stop, replaces=False)
        with path.open("rb") as source, copy.open("wb") as target:
            source.seek(start)
            if start == 0:
                shutil.copyfileobj(source, target, 1 << 20)
            else:
                target.write(source.read(stop - start))
        return Gained(name=name, source=copy, start=0, stop=stop - start, replaces=replaces)

    def _aliases(self) -> list[OutputChange]:
        """Links within the folder are recorded as the files that they point at."""
        top, folder = self._top.resolve(), self.folder.resolve()
        points = {self._name(path): path.resolve() for path in self._files() if path.is_symlink()}
        aliases = {name: os.path.relpath(to, folder) for name, to in points.items() if to.is_relative_to(top)}
        gone = [Removed(name=name) for name in self._links - aliases.keys() - self._recorded.keys()]
        self._links = set(aliases)
        return [*gone, *(Alias(name=name, of=to) for name, to in aliases.items())]

    # -- names -----------------------------------------------------------------------------------

    def _path(self, name: str) -> Path:
        return self._also.get(name) or self.folder / name

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.folder)

    def _files(self) -> Iterator[Path]:
        for folder, _, names in os.walk(self._top):
            yield from (Path(folder) / name for name in names)

    def _walk(self) -> list[str]:
        found = [name for name, path in self._also.items() if path.exists()]
        found += [self._name(path) for path in self._files() if path.is_file() and not path.is_symlink()]
        found += [name for pattern in self._watched for name in _files_like(pattern)]
        return sorted(set(found))


def _files_like(pattern: str) -> list[str]:
    return [name for name in glob.glob(pattern) if os.path.isfile(name)]


def _sample(path: Path, size: int | None = None) -> Recorded:
    status = path.stat()
    size = status.st_size if size is None else size
    with path.open("rb") as file:
        head = file.read(min(SAMPLE, size))
        file.seek(max(0, size - SAMPLE))
        tail = file.read(min(SAMPLE, size))
    return Recorded(size, dcd.without_counts(head), dcd.without_counts(tail), status.st_mtime_ns)


def _extends(path: Path, size: int, old: Recorded) -> bool:
    """Whether a file, written to since, holds what it held, and more; one as long as before was rewritten."""
    if size <= old.size:
        return False
    now = _sample(path, old.size)
    return now.head == old.head and now.tail == old.tail
