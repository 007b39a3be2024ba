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
        self.key = self._key(keep) if config.encryption == "kms" else None
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
                        "sse_algorithm": "aws:kms" if self.key else "AES256",
                        "kms_master_key_id": self.key.arn if self.key else None,
                    },
                    "bucket_key_enabled": self.key is not None,
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
        self.arn_of_key = self.key.arn if self.key else None

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
            policy=self.bucket.arn.apply(tls_only),
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


def tls_only(arn: str) -> str:
    """The bucket policy: nobody without TLS 1.2, whoever it is."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": name,
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [arn, f"{arn}/*"],
                    "Condition": condition,
                }
                for name, condition in {
                    "TlsOnly": {"Bool": {"aws:SecureTransport": "false"}},
                    "NoOldTls": {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
                }.items()
            ],
        }
    )
