"""The object store beneath the records: opening it, its timeouts and retries, its errors as StoreError."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
)

from lammps_jobs.errors import CloudError, Damaged, StoreAway, StoreError

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

CHUNK = 8 * 1024 * 1024
MOST_PARTS = 9000
"""Parts of an upload, of which S3 takes 10,000 at most."""
AT_ONCE = 4
"""Parts of an upload under way at one time: each must arrive within SILENCE, on a slow line too."""
PATIENCE_S = 120.0
"""Seconds for which a store that does not answer is asked again."""
RETRIES: RetryConfig = {
    "max_retries": 1000, "retry_timeout": timedelta(seconds=PATIENCE_S),
    "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5), "base": 2},
}  # fmt: skip
"""Answers 5xx, SlowDown, silence and broken connections are tried again, with growing pauses: by time, not by count."""
LEAST_TRIES, LONGEST_PAUSE_S = 3, 5.0
_AWAY = re.compile(r"error sending request|connection|timed? ?out|timeout|status code: 5\d\d|SlowDown|InternalError|"
                   r"body error|error reading a body|decoding response body", re.IGNORECASE)  # fmt: skip
SILENCE = timedelta(seconds=60)
"""How long the store may say nothing. A whole answer may take long: a download of many GB is one."""


def open_root(url: str, region: str | None = None) -> ObjectStore:
    """The store at `url`: `s3://bucket/prefix`, or a local folder (made when missing).

    With a `region` the credentials are those that boto3 finds (profiles, SSO, a container's role), which are
    more than the object store library knows by itself. Raises StoreError for an address that is none, and when a local
    folder cannot be made.
    """
    from obstore.store import LocalStore, from_url

    try:
        if "://" in url and not region:
            return from_url(url, retry_config=RETRIES, client_options=_client_options())
        if region:
            from obstore.auth.boto3 import Boto3CredentialProvider

            return from_url(url, region=region, retry_config=RETRIES, client_options=_client_options(),
                            credential_provider=Boto3CredentialProvider())  # fmt: skip
        folder = Path(url).expanduser().resolve()
        if not folder.exists():  # scripts and results are nobody else's business
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(folder, automatic_cleanup=False, mkdir=True)
    except (OSError, BaseError) as error:
        raise explained(error, url) from error


def _client_options() -> ClientConfig:
    return {
        "connect_timeout": timedelta(seconds=5),
        "read_timeout": SILENCE,
        "timeout": timedelta(hours=12),
        "allow_http": os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"),  # a server on loopback
    }


def chunks_of(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = stop - start
        while left:
            content = file.read(min(CHUNK, left))
            if not content:
                raise Damaged(
                    f"An output file became shorter while it was being recorded: {path}",
                    remedy="This checkpoint is skipped and the next one records the whole file.",
                )
            left -= len(content)
            yield content


def sha256_of(path: Path, start: int, stop: int) -> str:
    digest = hashlib.sha256()
    for content in chunks_of(path, start, stop):
        digest.update(content)
    return digest.hexdigest()


def create_only(root: ObjectStore, key: str, content: bytes) -> None:
    """Put what is not there yet. Raises AlreadyExistsError, also when an earlier try arrived and its answer did not.

    The object store library does not repeat such a put after silence or a broken connection, for just that reason; our
    callers compare. S3's answer 409, which it takes for "exists", says that another request was under way: tried again.
    """
    end, tries, pause = time.monotonic() + PATIENCE_S, 0, 0.1
    while True:
        tries += 1
        try:
            obstore.put(root, key, content, mode="create")
            return
        except AlreadyExistsError:
            if _is_there(root, key) or time.monotonic() > end:
                raise
        except GenericError as error:
            has_tried = tries >= LEAST_TRIES and time.monotonic() > end
            if has_tried or not isinstance(explained(error, key), StoreAway):
                raise
        time.sleep(pause)
        pause = min(LONGEST_PAUSE_S, 2 * pause)


def is_folder(root: ObjectStore) -> bool:
    return isinstance(getattr(root, "prefix", None), Path)


def version_of(root: ObjectStore, key: str) -> UpdateVersion | None:
    """What tells whether the object has changed since; None when there is none. Raises StoreError."""
    with explaining(key):
        try:
            meta = obstore.head(root, key)
        except (NotFoundError, FileNotFoundError):
            return None
        return _version(meta["e_tag"], meta["version"])


def overwrite(root: ObjectStore, key: str, content: bytes, seen: UpdateVersion | None) -> UpdateVersion | None:
    """Write over the object that was seen (None: none was there); returns its version, None where it has changed since.

    A folder cannot do that in one step, so there two that write at the same time may both think that they did. Raises
    StoreError.
    """
    if is_folder(root) and (version_of(root, key) or {}).get("e_tag") != (seen or {}).get("e_tag"):
        return None
    with explaining(key):
        try:
            done = obstore.put(root, key, content, mode="overwrite" if is_folder(root) else seen or "create")
        except (AlreadyExistsError, PreconditionError, NotFoundError):
            return None
        return _version(done["e_tag"], done["version"])


def _version(e_tag: str | None, version: str | None) -> UpdateVersion:
    """What is not known must be left out."""
    found: UpdateVersion = {"e_tag": e_tag}
    if version:
        found["version"] = version
    return found


def _is_there(root: ObjectStore, key: str) -> bool:
    try:
        obstore.head(root, key)
    except (NotFoundError, FileNotFoundError):
        return False
    return True


def make_durable(root: ObjectStore, key: str) -> None:
    """See to it that an object in a local folder outlives a power cut. Raises OSError; S3 needs nothing."""
    top = getattr(root, "prefix", None)
    if not isinstance(top, Path):
        return
    path = top / key
    for place in (path, *path.parents):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if place == top:
            return


@contextlib.contextmanager
def explaining(where: str) -> Iterator[None]:
    """Translate the object store's exceptions into StoreError, naming the place `where`."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise explained(error, where) from error


def explained(error: BaseException, where: str) -> StoreError | CloudError:
    """Of the object store's exception one of ours: CloudError without credentials, else StoreError."""
    text = str(error)
    if "No space left" in text or "os error 28" in text or getattr(error, "errno", None) == 28:
        return StoreError(
            "The disk of the store is full.",
            where=where,
            remedy="Nothing that was committed is lost. Free some space, then resume the run (lammps-jobs resume).",
        )
    if isinstance(error, PermissionError | PermissionDeniedError) or "ermission denied" in text or "Read-only" in text:
        return StoreError(
            "The store may not be written (or read) by this user.",
            where=where,
            remedy="Choose another one with --store or LAMMPS_JOBS_STORE, or change the permissions of this one.",
        )
    if "169.254.169.254" in text or "credential" in text.lower():
        return CloudError(
            "There are no AWS credentials.", where=where, remedy="Log in (aws sso login), or set AWS_PROFILE."
        )
    if "ExpiredToken" in text or "Token has expired" in text:
        return StoreError("The AWS credentials have expired.", where=where, remedy="Log in again: aws sso login")
    is_missing = isinstance(error, FileNotFoundError) or "NoSuchBucket" in text
    kind = StoreAway if _AWAY.search(text) and not is_missing else StoreError
    return kind(
        f"The store failed: {text.splitlines()[0] if text else error!r}",
        where=where,
        remedy="Check the address of the store, the network and the disk, then try again.",
    )
