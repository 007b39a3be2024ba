"""The one way to AWS: clients with bounded, adaptive retries, and errors as CloudError."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from lammps_jobs.errors import CloudError, NotInstalled

_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
_UNKNOWN = ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId",
            "AuthFailure", "InvalidSignatureException")  # fmt: skip


def client(service: str, region: str | None = None) -> Any:
    """A boto3 client that gives up after 5 tries and about 20 s of silence. Raises CloudError, NotInstalled."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise NotInstalled("boto3 is not installed.", remedy='pip install "lammps-jobs[aws]"') from None
    config = Config(retries={"mode": "adaptive", "total_max_attempts": 5}, connect_timeout=5, read_timeout=20)
    with explained(service):
        return boto3.Session().client(service, region_name=region, config=config)


@contextlib.contextmanager
def explained(where: str) -> Iterator[None]:
    """Translate the exceptions of botocore into CloudError, naming the place `where`."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _of_answer(error, where) from error
    except BotoCoreError as error:
        raise _of_the_way(error, where) from error


def _of_answer(error: Any, where: str) -> CloudError:
    code = error.response.get("Error", {}).get("Code", "")
    text = error.response.get("Error", {}).get("Message", "") or str(error)
    if code in _EXPIRED:
        return CloudError("The AWS credentials have expired.", where=where, remedy="Log in again: aws sso login")
    if code in _UNKNOWN:
        return CloudError(
            "AWS does not know these credentials.", where=where, remedy="Check AWS_PROFILE, or log in again."
        )
    if code in _DENIED:
        return CloudError(
            f"AWS does not allow this: {text}", where=where,
            remedy="Ask for the stack's policy (output `researcher_policy`); check: lammps-jobs doctor STACK",
        )  # fmt: skip
    return CloudError(f"AWS says: {code}: {text}", where=where, remedy="lammps-jobs doctor STACK looks into it.")


def _of_the_way(error: Any, where: str) -> CloudError:
    kind = type(error).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"):
        return CloudError(f"There are no AWS credentials: {error}", where=where,
                          remedy="Log in (aws sso login), or set AWS_PROFILE.")  # fmt: skip
    if kind in ("SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError"):
        return CloudError("The AWS login has expired.", where=where, remedy="Log in again: aws sso login")
    if kind == "NoRegionError":
        return CloudError("No AWS region is set.", where=where, remedy="Give the stack's: --region, or AWS_REGION.")
    return CloudError(f"AWS cannot be reached: {error}", where=where, remedy="Check the network, then try again.")
