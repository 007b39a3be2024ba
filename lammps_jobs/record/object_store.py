"""The object store beneath the records: opening it, its timeouts and retries, its errors as StoreError."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, GenericError, PermissionDeniedError

from lammps_jobs.errors import CloudError, Damaged, StoreError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

CHUNK = 8 * 1024 * 1024
MOST_PARTS = 9000
"""Parts of an upload, of which S3 takes 10,000 at most."""
AT_ONCE = 4
"""Parts of an upload under way at one time: each must arrive within SILENCE, on a slow line too."""
RETRIES: RetryConfig = {"max_retries": 8, "retry_timeout": timedelta(minutes=5)}
"""Answers 5xx, SlowDown, silence and broken connections are tried again, with growing pauses."""
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
        return LocalStore(Path(url).expanduser().resolve(), automatic_cleanup=False, mkdir=True)
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
    """Put what is not there yet. Raises AlreadyExistsError, also when the first try arrived and its answer did not.

    The object store library does not repeat such a put after silence, for just that reason; our callers compare.
    """
    for last in (False, False, True):
        try:
            obstore.put(root, key, content, mode="create")
            return
        except GenericError as error:
            if last or "Timeout" not in str(error):
                raise


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
    return StoreError(
        f"The store failed: {text.splitlines()[0] if text else error!r}",
        where=where,
        remedy="Check the address of the store, the network and the disk, then try again.",
    )
