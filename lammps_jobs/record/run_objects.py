"""The objects of one run: created once, read, listed, removed; and its documents, which are read once."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError

from lammps_jobs.errors import Damaged, OtherFormat
from lammps_jobs.record import layout
from lammps_jobs.record.documents import OLDER, D, Document, Progress, parse
from lammps_jobs.record.object_store import create_only, explained, explaining, make_durable
from lammps_jobs.record.summary import Summary

if TYPE_CHECKING:
    from obstore.store import ObjectStore

OVERWRITTEN = (Progress, Summary)
"""Documents that change, and are read each time."""
MOST_BYTES = 64 * 1024 * 1024
"""Of a document. The longest that are known had 12 MB; whoever writes to a store must not fill a reader's memory."""
MOST_MANIFESTS, MOST_LOADED = 8, 512
"""Documents that are kept in memory: manifests of checkpoints, and all."""


class RunObjects:
    """All that is stored below the name of a run. Safe to use from several threads."""

    def __init__(self, root: ObjectStore, name: str) -> None:
        self.root, self.name = root, name
        self._loaded: OrderedDict[str, Document] = OrderedDict()
        self._listed: dict[str, list[str]] | None = None
        """Of a glance: what its folders held when they were listed."""

    def glance(self, known: Mapping[str, Document], listed: Mapping[str, list[str]]) -> Self:
        """The record at one moment: no folder is listed twice, nor one that is `listed`; no object is read that is not
        in its list, nor what is `known` (documents by their keys)."""
        seen = type(self)(self.root, self.name)
        seen._listed = {**(self._listed or {}), **listed}
        seen._loaded.update(self._loaded)
        seen._loaded.update(known)
        return seen

    def _key(self, tail: str) -> str:
        return f"{self.name}/{tail}"

    def _create(self, tail: str, content: bytes) -> bool:
        """Create-only put that outlives a power cut; False when the key exists already."""
        try:
            create_only(self.root, self._key(tail), content)
            make_durable(self.root, self._key(tail))
        except AlreadyExistsError:
            return self._read(tail) == content  # our own write: its response was lost, the retry found it
        except (BaseError, OSError) as error:
            raise explained(error, self._key(tail)) from error
        return True

    def _read(self, tail: str) -> bytes | None:
        """Raises Damaged where a document is longer than any is, and does not read it."""
        folder, _, name = tail.rpartition("/")
        if self._listed and name not in self._listed.get(folder, (name,)):
            return None
        try:
            found = obstore.get(self.root, self._key(tail))
            if tail.endswith(".json") and found.meta["size"] > MOST_BYTES:
                raise Damaged("A stored document is far too long.", where=self._key(tail), remedy=OLDER)
            return bytes(found.bytes())
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise explained(error, self._key(tail)) from error

    def content(self, tail: str) -> bytes | None:
        """The object `tail` as it is stored; None where there is none."""
        return self._read(tail)

    def _names(self, folder: str) -> list[str]:
        """Names of the objects directly in `folder`, sorted."""
        if self._listed is None:
            return self._names_now(folder)
        if folder not in self._listed:
            self._listed[folder] = self._names_now(folder)
        return self._listed[folder]

    def _names_now(self, folder: str) -> list[str]:
        return self._names_and_folders(self._key(folder))[0]

    @staticmethod
    def _last(path: str) -> str:
        return path.rstrip("/").rpartition("/")[2]

    def _names_and_folders(self, prefix: str) -> tuple[list[str], list[str]]:
        try:
            found = obstore.list_with_delimiter(self.root, prefix=prefix)
        except NotFoundError:
            return [], []
        except (BaseError, OSError) as error:
            raise explained(error, prefix) from error
        return sorted(self._last(meta["path"]) for meta in found["objects"]), [
            self._last(path) for path in found["common_prefixes"]
        ]

    def top(self) -> tuple[list[str], list[str]]:
        """What lies directly below the run's name: objects, and folders."""
        return self._names_and_folders(self.name)

    def _numbers(self, folder: str) -> list[int]:
        return layout.numbers(self._names(folder))

    def _commit(self, tail: str, document: Document) -> bool:
        return self._create(tail, document.model_dump_json(indent=1).encode())

    def _load(self, tail: str, kind: type[D]) -> D | None:
        """The document at `tail`, which is read once where it never changes."""
        found = self._loaded.get(tail)
        if isinstance(found, kind):
            return found
        content = self._read(tail)
        if content is None:
            return None
        document = parse(content, kind, self._key(tail))
        if kind not in OVERWRITTEN:
            self._remember(tail, document)
        return document

    def _remember(self, tail: str, document: Document) -> None:
        """Manifests are long: few of them are kept."""
        self._loaded[tail] = document
        manifests = [key for key in self._loaded if key.startswith(f"{layout.CHECKPOINTS}/")]
        for key in manifests[:-MOST_MANIFESTS]:
            del self._loaded[key]
        while len(self._loaded) > MOST_LOADED:
            self._loaded.popitem(last=False)

    def _load_readable(self, tail: str, kind: type[D]) -> D | None:
        """The document at `tail`; None also where it is damaged, for what a run can do without."""
        try:
            return self._load(tail, kind)
        except (Damaged, OtherFormat):
            return None

    def _commit_anew(self, tail: str, document: Document) -> bool:
        """Commit a document, also over one that nobody can read: a power cut, or a disk, has taken it."""
        if self._commit(tail, document):
            return True
        try:
            self._load(tail, type(document))
        except Damaged:
            with explaining(self._key(tail)):
                obstore.put(self.root, self._key(tail), document.model_dump_json(indent=1).encode())
                make_durable(self.root, self._key(tail))
            return True
        return False

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Bytes of all the run's objects whose names begin with `prefix`, in one call for a thousand of them."""
        return dict(self.each_size(prefix))

    def each_size(self, prefix: str = "", behind: str = "") -> Iterator[tuple[str, int]]:
        """The same, one after the other; those `behind` that key, which a bucket gives in order of their keys."""
        start = self._key("")
        with explaining(start):
            offset = self._key(behind) if behind else None
            for batch in obstore.list(self.root, prefix=self._key(prefix), offset=offset):
                yield from ((meta["path"].removeprefix(start), meta["size"]) for meta in batch)

    def remove(self, tail: str) -> None:
        """Remove the object `tail`; nothing happens when it is gone already."""
        self._loaded.pop(tail, None)
        with explaining(self._key(tail)), contextlib.suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self.root, self._key(tail))
