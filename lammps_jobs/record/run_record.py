"""The record of one run in an object store: layout, create-only commits, verified reading.

`layout` names every object of a run, and says of each whether anything correct depends on it.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError

from lammps_jobs.errors import Damaged, NoSuchRun, OtherFormat
from lammps_jobs.formats import dcd
from lammps_jobs.record import layout
from lammps_jobs.record.documents import (
    OLDER,
    RUN_NAME,
    Amendment,
    Attempt,
    AttemptEnd,
    Blob,
    Cancelled,
    Checkpoint,
    Checkpoints,
    D,
    Decision,
    Document,
    Event,
    JobAnswer,
    JobRequest,
    OutputFile,
    Progress,
    Remains,
    Resources,
    Result,
    RunSpec,
    Submission,
    parse,
)
from lammps_jobs.record.object_store import (
    AT_ONCE,
    CHUNK,
    MOST_PARTS,
    chunks_of,
    create_only,
    explained,
    explaining,
    make_durable,
    sha256_of,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def run_names(root: ObjectStore) -> list[str]:
    """Names of all runs under `root`, sorted."""
    try:
        prefixes = obstore.list_with_delimiter(root)["common_prefixes"]
    except NotFoundError:
        return []
    except (BaseError, OSError) as error:
        raise explained(error, "the store's list of runs") from error
    return sorted(name for prefix in prefixes if RUN_NAME.fullmatch(name := prefix.rstrip("/").rpartition("/")[2]))


READS = 2
"""How often something is read before it is called damaged: a transfer, too, can go wrong."""
MOST_MANIFESTS, MOST_LOADED = 8, 512
"""Documents that are kept in memory: manifests of checkpoints, and all."""
BY_LIST = 50
"""Objects from which on their sizes are listed, a thousand a call, instead of asked for one by one."""


class RunRecord:
    """The record of the run `name` under `root`. Safe to use from several threads."""

    def __init__(self, root: ObjectStore, name: str) -> None:
        self.root, self.name = root, name
        self._known: set[str] = set()
        self._suspect: set[str] = set()
        """Blobs that were read and found damaged: when their content comes again, it is written over them."""
        self._loaded: OrderedDict[str, Document] = OrderedDict()

    # -- objects ---------------------------------------------------------------------------------

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
        try:
            return bytes(obstore.get(self.root, self._key(tail)).bytes())
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise explained(error, self._key(tail)) from error

    def _names(self, folder: str) -> list[str]:
        """Names of the objects directly in `folder`, sorted."""
        prefix = self._key(folder)
        try:
            found = obstore.list_with_delimiter(self.root, prefix=prefix)["objects"]
        except NotFoundError:
            return []
        except (BaseError, OSError) as error:
            raise explained(error, prefix) from error
        return sorted(meta["path"].rsplit("/", 1)[1] for meta in found)

    def _numbers(self, folder: str) -> list[int]:
        return layout.numbers(self._names(folder))

    def _commit(self, tail: str, document: Document) -> bool:
        return self._create(tail, document.model_dump_json(indent=1).encode())

    def _load(self, tail: str, kind: type[D]) -> D | None:
        """The document at `tail`, which is read once: documents are never overwritten (but an attempt's progress)."""
        found = self._loaded.get(tail)
        if isinstance(found, kind):
            return found
        content = self._read(tail)
        if content is None:
            return None
        document = parse(content, kind, self._key(tail))
        if kind is not Progress:
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

    # -- blobs -----------------------------------------------------------------------------------

    def put_bytes(self, content: bytes, *, of: int = 0) -> Blob:
        """Store content, for the attempt `of` alone or for all."""
        blob = Blob(sha256=hashlib.sha256(content).hexdigest(), size=len(content), of=of)
        self._put_blob(blob, content)
        return blob

    def put_file(self, path: Path, start: int = 0, stop: int | None = None, *, of: int = 0) -> Blob:
        """Store the bytes [start, stop) of a file; raises Damaged when the file is shorter.

        Never more than these bytes: a simulation may be appending to the file meanwhile.
        """
        stop = path.stat().st_size if stop is None else stop
        if stop - start <= CHUNK:
            return self.put_bytes(b"".join(chunks_of(path, start, stop)), of=of)
        blob = Blob(sha256=sha256_of(path, start, stop), size=stop - start, of=of)
        is_stored = blob.name not in self._suspect and self.size_of(blob) == blob.size
        if blob.name not in self._known and not is_stored:
            part = max(CHUNK, math.ceil(blob.size / MOST_PARTS))
            with explaining(self._blob_key(blob)):
                obstore.put(self.root, self._blob_key(blob), chunks_of(path, start, stop), chunk_size=part,
                            max_concurrency=AT_ONCE)  # fmt: skip
                make_durable(self.root, self._blob_key(blob))
        self._note_stored(blob)
        return blob

    def take_over(self, other: RunRecord, blob: Blob) -> None:
        """Have the content of another run of the same store, too; the store copies it."""
        if self.size_of(blob) != blob.size:
            with explaining(other._blob_key(blob)):
                obstore.copy(self.root, other._blob_key(blob), self._blob_key(blob))
        self._known.add(blob.name)

    def _put_blob(self, blob: Blob, content: bytes) -> None:
        if blob.name in self._known:
            return
        key = self._blob_key(blob)
        with explaining(key):
            try:
                create_only(self.root, key, content)
                make_durable(self.root, key)
            except AlreadyExistsError:
                if blob.name in self._suspect or self.size_of(blob) != blob.size:  # or a crashed writer's torn upload
                    obstore.put(self.root, key, content)
                    make_durable(self.root, key)
        self._note_stored(blob)

    def _note_stored(self, blob: Blob) -> None:
        self._known.add(blob.name)
        self._suspect.discard(blob.name)

    def suspect(self, blob: Blob) -> None:
        """Take a stored object for damaged, so that its content, when it comes again, is stored anew."""
        self._known.discard(blob.name)
        self._suspect.add(blob.name)

    def is_intact(self, blob: Blob) -> bool:
        """Whether the object is what its name says. Reads it, twice before it says no."""
        for _ in range(READS):
            with contextlib.suppress(Damaged):
                for _ in self.read_blob(blob):
                    pass
                return True
        return False

    def _blob_key(self, blob: Blob) -> str:
        return self._key(layout.blob(blob.name))

    def size_of(self, blob: Blob) -> int | None:
        """Size of the stored object in bytes, None when it is missing."""
        try:
            return obstore.head(self.root, self._blob_key(blob))["size"]
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise explained(error, blob.sha256) from error

    def read_blob(self, blob: Blob) -> Iterator[bytes]:
        """The content in chunks; raises Damaged at the end when it is not what its name says."""
        key = self._blob_key(blob)
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in obstore.get(self.root, key).stream(min_chunk_size=CHUNK):
                content = bytes(chunk)
                digest.update(content)
                size += len(content)
                yield content
        except (NotFoundError, FileNotFoundError):
            raise Damaged("A stored object is missing.", where=key, remedy=OLDER) from None
        except (BaseError, OSError) as error:
            raise explained(error, key) from error
        if digest.hexdigest() != blob.sha256:
            raise Damaged(
                f"A stored object is damaged: {size} bytes, expected {blob.size}, or changed bytes.",
                where=key,
                remedy=OLDER,
            )

    def write_file(self, segments: Iterable[Blob], path: Path) -> None:
        """Join `segments` into the file `path`, which appears complete or not at all."""
        partial = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                for segment in segments:
                    self._append_blob(segment, file)
            dcd.mend(partial)
            partial.replace(path)
        except OSError as error:
            raise explained(error, str(path)) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)

    def _append_blob(self, blob: Blob, file: BinaryIO) -> None:
        start = file.tell()
        for left in reversed(range(READS)):
            try:
                for chunk in self.read_blob(blob):
                    file.write(chunk)
                return
            except Damaged:
                if not left:
                    raise
                file.seek(start)
                file.truncate()

    # -- the run ---------------------------------------------------------------------------------

    def submit(self, submission: Submission) -> bool:
        """False when a run of that name exists."""
        return self._commit_anew(layout.SPEC, submission)

    def is_submitted(self) -> bool:
        """False also where the specification cannot be read: submitting it again heals the record."""
        try:
            return self._load(layout.SPEC, Submission) is not None
        except Damaged:
            return False

    def submission(self) -> Submission:
        found = self._load(layout.SPEC, Submission)
        if found is None:
            raise NoSuchRun(f"No run named {self.name!r}.", remedy="`lammps-jobs list` shows the runs there are.")
        return found

    def wanted(self) -> RunSpec:
        """What was asked for, with what was asked for anew since."""
        spec, numbers = self.submission().spec, self._numbers(layout.AMENDMENTS)
        newest = self._load(layout.amendment(numbers[-1]), Amendment) if numbers else None
        if newest is None:
            return spec
        return spec.model_copy(update={"resources": newest.resources, "checkpoints": newest.checkpoints})

    def amend(self, resources: Resources, checkpoints: Checkpoints) -> None:
        """Ask for these from the next attempt on."""
        number = max(self._numbers(layout.AMENDMENTS), default=0) + 1
        while not self._commit(
            layout.amendment(number), Amendment(number=number, resources=resources, checkpoints=checkpoints)
        ):
            number += 1

    def claim(self, attempt: Attempt) -> bool:
        return self._commit(layout.claim(attempt.number), attempt)

    def attempts(self) -> list[Attempt]:
        """All claims, oldest first."""
        found = (self._load_readable(layout.claim(number), Attempt) for number in self._numbers(layout.ATTEMPTS))
        return [attempt for attempt in found if attempt]

    def attempt(self, number: int) -> Attempt | None:
        """The claim of attempt `number`; None when nobody has claimed it."""
        return self._load_readable(layout.claim(number), Attempt)

    def newest_attempt(self) -> int:
        """The number of the newest claim; 0 when there is none."""
        return max(self._numbers(layout.ATTEMPTS), default=0)

    def newest(self) -> tuple[int, bool]:
        """The number of the newest claim (0: none), and whether the user has ended the run since, and not resumed it;
        in one request where it was not ended."""
        names = self._names(layout.ATTEMPTS)
        number = max(layout.numbers(names), default=0)
        is_cancelled = layout.cancelled(number).rsplit("/", 1)[1] in names
        return number, is_cancelled and not self._is_asked_for_anew(number)

    def _is_asked_for_anew(self, number: int) -> bool:
        """Whether the user has asked for a job since the run was ended, of which no attempt has begun yet."""
        cancelled = self._load_readable(layout.cancelled(number), Cancelled)
        asked = [request.asked for request in self.job_requests() if request.by == "user"]
        return bool(cancelled and asked and max(asked) > cancelled.at)

    def end(self, end: AttemptEnd) -> bool:
        return self._commit(layout.end(end.number), end)

    def ended(self, number: int) -> AttemptEnd | None:
        return self._load_readable(layout.end(number), AttemptEnd)

    def keep_remains(self, remains: Remains) -> bool:
        return self._commit(layout.remains(remains.attempt), remains)

    def remains(self, attempt: int) -> Remains | None:
        """What the attempt left behind that ended without finishing; None when nothing was kept."""
        return self._load_readable(layout.remains(attempt), Remains)

    def cancel(self, cancelled: Cancelled) -> bool:
        """False when somebody else has cancelled that attempt."""
        return self._commit(layout.cancelled(cancelled.attempt), cancelled)

    def cancelled(self, attempt: int) -> Cancelled | None:
        return self._load(layout.cancelled(attempt), Cancelled)

    def ask_job(self, request: JobRequest) -> bool:
        """False when a request with that number exists."""
        return self._commit(layout.job(request.number), request)

    def job_requests(self) -> list[JobRequest]:
        """All requests for AWS Batch jobs, oldest first."""
        found = (self._load(layout.job(number), JobRequest) for number in self._numbers(layout.JOBS))
        return [request for request in found if request]

    def answer_job(self, number: int, job_id: str) -> None:
        self._commit(layout.job_id(number), JobAnswer(job_id=job_id))

    def job_id(self, number: int) -> str:
        """ID of the job that request `number` led to; empty while there is none."""
        answer = self._load(layout.job_id(number), JobAnswer)
        return answer.job_id if answer else ""

    def decide(self, decision: Decision) -> bool:
        """Write down a decision; False when another one has its number."""
        return self._commit(layout.decision(decision.number), decision)

    def decisions(self) -> list[Decision]:
        """All decisions, in the order in which they were made."""
        found = (self._load_readable(layout.decision(number), Decision) for number in self._numbers(layout.DECISIONS))
        return [decision for decision in found if decision]

    def commit(self, checkpoint: Checkpoint) -> bool:
        """False when its number is taken. It is remembered as it is: its segments are those of its neighbours."""
        tail = layout.checkpoint(checkpoint.seq)
        if not self._commit(tail, checkpoint):
            return False
        self._remember(tail, checkpoint)
        return True

    def checkpoint_seqs(self) -> list[int]:
        return self._numbers(layout.CHECKPOINTS)

    def checkpoint(self, seq: int) -> Checkpoint | None:
        return self._load(layout.checkpoint(seq), Checkpoint)

    def verify(self, checkpoint: Checkpoint) -> None:
        """Raise Damaged unless everything needed to continue from `checkpoint` is there and intact.

        What resuming loads is read and hashed, twice before it is called damaged; of output segments, which it does
        not load, the presence and the size are checked. Nothing is removed.
        """
        for blob in checkpoint.to_load:
            if not self.is_intact(blob):
                self.suspect(blob)  # or an equal checkpoint, cut again, would be taken for stored
                raise Damaged("A stored object is missing or damaged.", where=self._blob_key(blob), remedy=OLDER)
        segments = {s.sha256: s for output in checkpoint.outputs.values() for s in output.segments}
        for segment in self.not_whole(segments.values()):
            path = next(name for name, output in checkpoint.outputs.items() if segment in output.segments)
            raise Damaged(f"A segment of {path} is missing or cut short.", where=segment.sha256, remedy=OLDER)

    def not_whole(self, blobs: Collection[Blob]) -> Iterator[Blob]:
        """Those that are missing or have another size."""
        if len(blobs) < BY_LIST:
            return (blob for blob in blobs if self.size_of(blob) != blob.size)
        sizes = self.sizes("blobs/")
        return (blob for blob in blobs if sizes.get(layout.blob(blob.name)) != blob.size)

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Bytes of all the run's objects whose names begin with `prefix`, in one call for a thousand of them."""
        start = self._key("")
        with explaining(start):
            batches = obstore.list(self.root, prefix=self._key(prefix))
            return {meta["path"].removeprefix(start): meta["size"] for batch in batches for meta in batch}

    def drop_checkpoint(self, checkpoint: Checkpoint, still_needed: set[str]) -> None:
        """Remove a checkpoint that retention no longer keeps; blobs in `still_needed` stay."""
        self.remove(layout.checkpoint(checkpoint.seq))
        for blob in checkpoint.to_load:
            if blob.name not in still_needed:
                self._known.discard(blob.name)
                self.remove(layout.blob(blob.name))

    def remove(self, tail: str) -> None:
        """Remove the object `tail`; nothing happens when it is gone already."""
        self._loaded.pop(tail, None)
        with explaining(self._key(tail)), contextlib.suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self.root, self._key(tail))

    def finish(self, result: Result) -> bool:
        return self._commit_anew(layout.RESULT, result)

    def result(self) -> Result | None:
        return self._load(layout.RESULT, Result)

    # -- advice ----------------------------------------------------------------------------------

    def publish_progress(self, progress: Progress) -> None:
        key = self._key(layout.progress(progress.attempt))
        try:
            obstore.put(self.root, key, progress.model_dump_json().encode())
        except (BaseError, OSError) as error:
            raise explained(error, key) from error

    def progress(self, attempt: int) -> Progress | None:
        try:
            return self._load(layout.progress(attempt), Progress)
        except (Damaged, OtherFormat):  # being overwritten just now
            return None

    def append_event(self, event: Event, number: int) -> None:
        key = self._key(layout.event(event.attempt, number))
        with explaining(key):
            obstore.put(self.root, key, event.model_dump_json(indent=1).encode())

    def events(self) -> list[Event]:
        """All events, in order of attempts and time."""
        events: list[Event] = []
        for attempt in range(1, self.newest_attempt() + 1):
            folder = layout.events(attempt)
            found = (self._load_readable(f"{folder}/{name}", Event) for name in self._names(folder))
            events += [event for event in found if event]
        return events

    def put_log(self, attempt: int, name: str, content: bytes) -> None:
        self._create(layout.log(attempt, name), content)

    def log(self, attempt: int, name: str) -> str:
        content = self._read(layout.log(attempt, name))
        return "" if content is None else content.decode(errors="replace")

    def outputs(self) -> dict[str, OutputFile]:
        """The outputs of the finished run, else of its newest readable checkpoint."""
        result = self.result()
        if result:
            return result.outputs
        for seq in reversed(self.checkpoint_seqs()):
            try:
                checkpoint = self.checkpoint(seq)
            except Damaged:
                continue
            if checkpoint:
                return checkpoint.outputs
        return {}
