"""The bucket that holds every run's record."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.base import Component, Context
from infra.config import bucket_name


class Storage(Component):
    """`name_of_bucket`, `arn_of_bucket`, and `arn_of_key` where it is encrypted with a key in KMS."""

    name_of_bucket: pulumi.Output[str]
    arn_of_bucket: pulumi.Output[str]
    arn_of_key: pulumi.Input[str | None]

    def __init__(self, context: Context) -> None:
        super().__init__("Storage", context)
        existing = context.config.storage.existing
        if existing:
            self.name_of_bucket = pulumi.Output.from_input(existing.bucket)
            self.arn_of_bucket = pulumi.Output.from_input(f"arn:{context.partition}:s3:::{existing.bucket}")
            self.arn_of_key = existing.key_arn
        else:
            self._make()
        self.register_outputs({"bucket": self.name_of_bucket})

    def _make(self) -> None:
        context, config = self.context, self.context.config.storage
        keep = config.on_destroy == "keep"
        key = self._key(keep) if config.encryption == "kms" and not config.key_arn else None
        arn_of_key = key.arn if key else config.key_arn
        self.bucket = aws.s3.Bucket(
            "runs",
            bucket=bucket_name(context.stack, context.account, context.region),
            force_destroy=not keep,
            tags=self.tags("runs"),
            opts=self.child(protect=context.config.protect, retain=keep),
        )
        self._closed()
        aws.s3.BucketServerSideEncryptionConfiguration(
            "runs",
            bucket=self.bucket.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms" if arn_of_key else "AES256",
                        "kms_master_key_id": arn_of_key,
                    },
                    "bucket_key_enabled": arn_of_key is not None,
                }
            ],
            opts=self.child(retain=keep),
        )
        versioning = aws.s3.BucketVersioning(
            "runs",
            bucket=self.bucket.id,
            versioning_configuration={"status": "Enabled" if config.versioning else "Suspended"},
            opts=self.child(retain=keep),
        )
        self._lifecycle(versioning, keep)
        self.name_of_bucket, self.arn_of_bucket = self.bucket.id, self.bucket.arn
        self.arn_of_key = arn_of_key

    def _key(self, keep: bool) -> aws.kms.Key:
        key = aws.kms.Key(
            "runs",
            description=f"Records of the runs of {self.context.prefix}",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            tags=self.tags("runs"),
            opts=self.child(protect=self.context.config.protect, retain=keep),
        )
        aws.kms.Alias("runs", name=f"alias/{self.name('runs')}", target_key_id=key.id, opts=self.child(retain=keep))
        return key

    def _closed(self) -> None:
        """Nothing public, nothing over an open line, nothing that belongs to somebody else."""
        keep = self.context.config.storage.on_destroy == "keep"
        block = aws.s3.BucketPublicAccessBlock(
            "runs",
            bucket=self.bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child(retain=keep),
        )
        aws.s3.BucketOwnershipControls(
            "runs",
            bucket=self.bucket.id,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self.child(retain=keep),
        )
        aws.s3.BucketPolicy(
            "runs",
            bucket=self.bucket.id,
            policy=self.bucket.arn.apply(bucket_policy),
            opts=self.child(after=[block], retain=keep),
        )

    def _lifecycle(self, versioning: pulumi.Resource, keep: bool) -> None:
        config = self.context.config.storage
        rules: list[Any] = [
            {
                "id": "torn-uploads",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "abort_incomplete_multipart_upload": {"days_after_initiation": 3},
            },
            {
                "id": "superseded",
                "status": "Enabled",
                "filter": {"prefix": "runs/"},
                "noncurrent_version_expiration": {"noncurrent_days": config.noncurrent_days},
                "expiration": {"expired_object_delete_marker": True},
            },
        ]
        if config.archive_after_days:
            rules.append(
                {
                    "id": "archive",
                    "status": "Enabled",
                    "filter": {"prefix": "runs/"},
                    "transitions": [{"days": config.archive_after_days, "storage_class": "STANDARD_IA"}],
                }
            )
        aws.s3.BucketLifecycleConfiguration(
            "runs", bucket=self.bucket.id, rules=rules, opts=self.child(after=[versioning], retain=keep)
        )


CREATED_ONCE = ("attempts/????.json", "checkpoints/*.json", "decisions/*.json", "jobs/*.json", "result.json")
"""A run's claims, commits and ends (`lammps_jobs.record.layout`): what decides which of two writers goes on."""


def bucket_policy(arn: str) -> str:
    """Nobody without TLS 1.2, whoever it is; and what is created once is not put over by anybody.

    S3 itself refuses a claim without If-None-Match, also of an old version of ours and of an administrator (Amazon S3
    user guide, "Enforce conditional writes on Amazon S3 buckets"). The parts of a large upload take no such header, nor
    does a copy, of which `rename` is made.
    """
    lines = {
        "TlsOnly": {"Bool": {"aws:SecureTransport": "false"}},
        "NoOldTls": {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
    }
    statements = [_denied(name, "s3:*", [arn, f"{arn}/*"], condition) for name, condition in lines.items()]
    put_over = {
        "Null": {"s3:if-none-match": "true", "s3:x-amz-copy-source": "true"},
        "Bool": {"s3:ObjectCreationOperation": "true"},
    }
    truth = [f"{arn}/runs/*/{tail}" for tail in CREATED_ONCE]
    statements.append(_denied("CreatedOnce", "s3:PutObject", truth, put_over))
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _denied(name: str, action: str, resources: list[str], condition: dict[str, Any]) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Deny", "Principal": "*", "Action": action, "Resource": resources,
            "Condition": condition}  # fmt: skip
