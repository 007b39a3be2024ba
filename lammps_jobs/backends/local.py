"""The local backend: attempts are processes on this machine that outlive their submitter."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lammps_jobs.backends.after import Looks, call_off, standing
from lammps_jobs.backends.base import Address, JobStatus, Price, Site
from lammps_jobs.errors import InternalError, LammpsJobsError, UsageError, WrongState, error_of
from lammps_jobs.record.documents import Attempt, AttemptEnd, now, parse
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.sweep_record import SweepRecord
from lammps_jobs.script.inputs import run_folder
from lammps_jobs.supervisor import own, process, remains
from lammps_jobs.supervisor.__main__ import LAST_WORD, NOT_STARTED

SUPERVISOR, CORES = "lammps_jobs.supervisor", "cores"
START_S = 30.0
"""Longest time until a started supervisor has claimed its attempt."""
DIES_WITHIN_S = 5.0
"""Seconds that a killed process may take to be gone."""
SILENT_S = 180.0
"""Seconds without a sign of life (one comes every 5 s) after which an attempt on another machine is taken for lost."""
LISTEN_S = 12.0
"""Seconds that such an attempt is listened to before another one takes over, whatever the clocks say."""
OWNER = ".lammps-jobs"
"""The file that says whose a scratch folder is: the store and the run."""
_SCRATCH = re.compile(r"lammps-jobs-[A-Za-z0-9_]+")


def site(address: Address) -> Site:
    """This machine, with the store at `address.store`. Raises UsageError for a pool, a region or a place."""
    if address.pool or address.region or address.place:
        raise UsageError(
            "pool and region are for stacks; this machine has none.",
            remedy="Name the stack, too: --stack NAME (connect(NAME, pool=...)).",
        )
    url = address.store or default_store()
    return Site(LocalBackend(url if "://" in url else str(Path(url).expanduser().resolve())), url)


def default_store() -> str:
    """Where local runs are recorded: $LAMMPS_JOBS_STORE, or a folder in the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return os.environ.get("LAMMPS_JOBS_STORE") or str(Path(data) / "lammps-jobs" / "runs")


class LocalBackend:
    """Starts and signals supervisors on this machine, for the store at `url`.

    `environment` is what attempts started from now on get, this process's by default: rehearsals play other machines.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.environment: Mapping[str, str] | None = None
        self._looks: Looks | None = None

    def is_elsewhere(self) -> bool:
        return False

    # -- starting ----------------------------------------------------------------------------------

    def start(self, record: RunRecord) -> None:
        """Start an attempt in the background and wait until it has claimed its number.

        Raises WrongState when one runs already: of two that resume a run at the same time, one does.
        """
        with _one_at_a_time(record.name):
            number, is_cancelled = record.newest()
            newest = record.attempt(number) if number and not is_cancelled else None
            if newest and _is_alive(newest) and not record.ended(number):
                raise WrongState(f"{record.name} is running.", remedy=f"lammps-jobs watch {record.name}")
            self._start(record)

    def _start(self, record: RunRecord) -> None:
        before = record.newest_attempt()
        self._require_silence(record)
        self._clean(record, record.attempts())
        cores = _cores_of(record)
        if crowded := too_many(cores, os.cpu_count() or 1):
            warnings.warn(crowded, stacklevel=5)
        started, out = self._launch(record.name, cores)
        end = time.monotonic() + START_S
        while record.newest_attempt() == before:
            if started.poll() not in (None, 0) or time.monotonic() > end:
                told = out.with_name(NOT_STARTED)
                if told.exists():
                    words = json.loads(told.read_text())
                    shutil.rmtree(out.parent, ignore_errors=True)
                    raise error_of(words.pop("name"), **words)
                text = out.read_text(errors="replace").strip()[-2000:] if out.exists() else ""
                raise LammpsJobsError("The attempt did not start.", where=text, remedy="Try again with --debug.")
            time.sleep(0.02)

    def _launch(self, name: str, cores: int) -> tuple[subprocess.Popen[bytes], Path]:
        given = self.environment
        scratch = Path(tempfile.mkdtemp(prefix="lammps-jobs-", dir=given.get("TMPDIR") if given else None))
        (scratch / OWNER).write_text(self._mark(name))
        job = {"store": self.url, "run": name, "scratch": str(scratch), CORES: cores}
        with (scratch / "supervisor.out").open("wb") as out:
            started = subprocess.Popen(
                [sys.executable, "-m", SUPERVISOR, json.dumps(job)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                env=given,
            )  # fmt: skip
        return started, scratch / "supervisor.out"

    def _mark(self, name: str) -> str:
        return json.dumps({"store": self.url, "run": name})

    def _require_silence(self, record: RunRecord) -> None:
        """Raises WrongState when the newest attempt, on another machine, gives a sign of life."""
        attempt = _newest(record)
        if not attempt or _is_here(attempt) or record.ended(attempt.number) or not attempt.host:
            return
        before, end = record.progress(attempt.number), time.monotonic() + LISTEN_S
        while time.monotonic() < end:
            time.sleep(0.5)
            if record.progress(attempt.number) != before:
                raise WrongState(
                    f"{record.name} is running on {attempt.host}.", remedy=f"There: lammps-jobs interrupt {record.name}"
                )

    def start_if_room(self, record: RunRecord, *, again: bool = False) -> bool:
        """Start an attempt when its ranks and threads find cores among those that this store's other attempts leave.

        One that needs more than there are starts when nothing else runs; one that the user has ended, when it is
        started `again`.
        """
        before = record.newest_attempt()
        with _one_at_a_time("room"):
            number, is_cancelled = record.newest()
            if number != before or (is_cancelled and not number and not again):
                return True
            used = _cores_in_use(self.url)
            if used and used + _cores_of(record) > (os.cpu_count() or 1):
                return False
            self.start(record)
            return True

    def start_after(self, record: RunRecord) -> None:
        """A process of its own starts it, as all that wait in this store, as cores come free."""
        self._spawn("lammps_jobs.backends.after", self.url)

    def look_after(self, record: RunRecord) -> None:
        if not own.is_own(record):  # whoever submitted it starts it
            return
        found = standing(record, self._looks)
        if found.never and not record.newest_attempt():
            call_off(record, found.never)
        elif found.is_due:
            self.start_if_room(record)

    def in_background(self, sweep: str) -> None:
        """A process of its own starts them; it ends when none is left."""
        self._spawn("lammps_jobs.api.sweep_driver", self.url, sweep)

    def _spawn(self, module: str, *words: str) -> None:
        subprocess.Popen(
            [sys.executable, "-m", module, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, env=self.environment,
        )  # fmt: skip

    def starts_together(self) -> bool:
        """No: runs wait here for cores."""
        return False

    def prices(self) -> Mapping[str, Price | None]:
        """Nobody pays for this machine."""
        return {}

    def start_together(self, sweep: SweepRecord, runs: Sequence[str]) -> None:
        raise InternalError(f"The sweep {sweep.name} was to be started in one call; runs here are started one by one.")

    def of_those_together(self, sweep: SweepRecord) -> Mapping[str, JobStatus]:
        return {}

    def cancel_together(self, sweep: SweepRecord) -> None:
        """Nothing: each is cancelled by itself."""

    # -- looking -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def prefetch(self, records: Sequence[RunRecord]) -> Iterator[None]:
        """Meanwhile what many runs follow is looked at once. A process is looked up in no time."""
        self._looks = Looks()
        try:
            yield
        finally:
            self._looks = None

    def status(self, record: RunRecord) -> JobStatus:
        """`running` while the newest attempt's process lives and has not said its last word.

        Of an attempt on another machine its signs of life tell. A run that was just submitted is about to start.
        """
        attempt = _newest(record)
        if attempt is None:
            waits = record.is_submitted() and not record.newest_attempt()
            return self._why_not_yet(record) if waits else JobStatus("gone")
        runs = _is_alive(attempt) if _is_here(attempt) else _was_heard(record, attempt)
        if runs and not record.ended(attempt.number):
            return JobStatus("running")
        return JobStatus("gone", self._last_words(record, attempt))

    def _last_words(self, record: RunRecord, attempt: Attempt) -> str:
        """What the attempt left in its folder because the store did not take it; mostly nothing."""
        left = Path(attempt.scratch) / LAST_WORD
        with contextlib.suppress(OSError, LammpsJobsError):
            if self._is_ours(record, attempt):
                end = parse(left.read_bytes(), AttemptEnd, str(left))
                return f"Its last words, which the store did not take: {end.reason} {end.where}".strip()
        return ""

    def _why_not_yet(self, record: RunRecord) -> JobStatus:
        found = standing(record, self._looks)
        return JobStatus("pending", "It waits for free cores." if found.is_due else str(found))

    def tail(self, record: RunRecord, name: str, start: int = 0) -> bytes:
        """What the newest attempt has written to its file `name` from `start` on; empty when it runs elsewhere."""
        attempt = _newest(record)
        if attempt and _is_here(attempt):
            path = Path(attempt.scratch) / f"attempt-{attempt.number}" / name
            with contextlib.suppress(OSError), path.open("rb") as file:
                file.seek(start)
                return file.read()
        return b""

    def shell(self, record: RunRecord) -> list[str]:
        """A shell in the working folder of the attempt that runs."""
        attempt = _newest(record)
        scratch = Path(attempt.scratch) / f"attempt-{attempt.number}" if attempt else Path()
        folder = run_folder(scratch / "work", record.submission().spec.inputs)
        if not attempt or not _is_here(attempt) or not folder.is_dir():
            raise WrongState(f"{record.name} does not run on this machine.", remedy=f"lammps-jobs status {record.name}")
        return ["sh", "-c", f'cd {shlex.quote(str(folder))} && exec "${{SHELL:-sh}}"']

    # -- ending ------------------------------------------------------------------------------------

    def interrupt(self, record: RunRecord) -> None:
        """SIGTERM to the supervisor. Raises WrongState when it runs on another machine."""
        attempt = _newest(record)
        if attempt and not _is_here(attempt) and attempt.host:
            raise WrongState(f"{record.name} runs on {attempt.host}.", remedy="Interrupt it there.")
        if attempt and _is_alive(attempt):
            with contextlib.suppress(ProcessLookupError):
                os.kill(attempt.supervisor_pid, signal.SIGTERM)

    def kill(self, record: RunRecord) -> None:
        """SIGKILL to the supervisor and to the engine's process group, and a short wait until they are gone."""
        attempt = _newest(record)
        if not attempt or not _is_here(attempt):
            return
        engine = _engine_of(record, attempt)
        if _is_alive(attempt):
            with contextlib.suppress(ProcessLookupError):
                os.kill(attempt.supervisor_pid, signal.SIGKILL)
        if engine and _engine_lives(attempt, engine):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(engine, signal.SIGKILL)
        end = time.monotonic() + DIES_WITHIN_S
        while time.monotonic() < end and (_is_alive(attempt) or (engine and _engine_lives(attempt, engine))):
            time.sleep(0.02)

    def salvage(self, record: RunRecord) -> None:
        """Record the outputs that lie in the scratch folder of the newest attempt, when that is gone."""
        attempt = _newest(record)
        if not attempt or not self._is_ours(record, attempt) or _is_alive(attempt):
            return
        if _engine_lives(attempt, _engine_of(record, attempt)):
            return
        progress = record.progress(attempt.number)
        remains.keep(record, attempt.number, Path(attempt.scratch) / f"attempt-{attempt.number}",
                     progress.step if progress else None)  # fmt: skip

    def settle(self, record: RunRecord, timeout_s: float) -> bool:
        """Wait until the supervisors and engines of all attempts have ended, then remove their scratch folders."""
        attempts = [attempt for attempt in record.attempts() if _is_here(attempt)]
        end = time.monotonic() + timeout_s
        while any(_is_alive(one) or _engine_lives(one, _engine_of(record, one)) for one in attempts):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        if (newest := _newest(record)) and not record.ended(newest.number):
            with contextlib.suppress(OSError, LammpsJobsError):
                self.salvage(record)
        self._clean(record, attempts)
        return True

    def _clean(self, record: RunRecord, attempts: list[Attempt]) -> None:
        """Remove what attempts that are gone left on this machine; their record is in the store."""
        for attempt in attempts:
            if self._is_ours(record, attempt) and not _is_alive(attempt):
                shutil.rmtree(attempt.scratch, ignore_errors=True)

    def _is_ours(self, record: RunRecord, attempt: Attempt) -> bool:
        """Whether the attempt's folder is one that we made for this run: a record may name any."""
        folder = Path(attempt.scratch)
        if not attempt.scratch or not _is_here(attempt) or not _SCRATCH.fullmatch(folder.name) or folder.is_symlink():
            return False
        try:
            return folder.stat().st_uid == os.getuid() and (folder / OWNER).read_text() == self._mark(record.name)
        except OSError:
            return False


@contextlib.contextmanager
def _one_at_a_time(what: str) -> Iterator[None]:
    """Meanwhile no other process of this user on this machine is in here for the same thing."""
    with _lock_of(what).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def alone(what: str) -> Iterator[bool]:
    """Whether no other process of this user on this machine is in here for the same thing; none comes in meanwhile."""
    with _lock_of(hashlib.sha256(what.encode()).hexdigest()[:16]).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _lock_of(what: str) -> Path:
    place = Path(tempfile.gettempdir()) / f"lammps-jobs-locks-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    return place / what


def _cores_of(record: RunRecord) -> int:
    asked = record.wanted().resources
    return (asked.ranks or 1) * asked.threads


def too_many(wanted: int, there: int) -> str:
    """That a run asks for more cores than there are, in words; empty where it does not."""
    if wanted <= there:
        return ""
    return f"The run asks for {wanted} cores (ranks x threads); this machine has {there}, so it will be slow."


def _cores_in_use(store: str) -> int:
    """Cores that the attempts of this store have on this machine: each says so in its command."""
    import psutil

    used = 0
    for one in psutil.process_iter(["cmdline", "uids"]):
        words = one.info["cmdline"] or []
        if SUPERVISOR in words[:-1] and one.info["uids"].real == os.getuid():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                job = json.loads(words[-1])
                used += job[CORES] if job["store"] == store else 0
    return used


def _newest(record: RunRecord) -> Attempt | None:
    number = record.newest_attempt()
    return record.attempt(number) if number else None


def _is_here(attempt: Attempt) -> bool:
    return attempt.host == socket.gethostname()


def _is_alive(attempt: Attempt) -> bool:
    """Whether the attempt's supervisor still runs on this machine (a recycled process number is not it)."""
    return _is_here(attempt) and process.is_same(attempt.supervisor_pid, attempt.supervisor_started, attempt.boot)


def _was_heard(record: RunRecord, attempt: Attempt) -> bool:
    """Whether an attempt on another machine gave a sign of life lately, as far as clocks can tell."""
    heard = record.progress(attempt.number)
    at = heard.updated if heard else attempt.claimed
    return bool(attempt.host) and (now() - at).total_seconds() < SILENT_S


def _engine_of(record: RunRecord, attempt: Attempt) -> int | None:
    """The process group of the attempt's engine, as it was last published; None before that."""
    progress = record.progress(attempt.number)
    return progress.engine_pid if progress else None


def _engine_lives(attempt: Attempt, group: int | None) -> bool:
    """Whether a process of the attempt's engine is left."""
    return bool(group) and process.group_works_in(group or 0, Path(attempt.scratch) / f"attempt-{attempt.number}")
