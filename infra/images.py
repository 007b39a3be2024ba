"""The image repository, and the images: one for each GPU architecture in use, and one for CPUs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker

from infra.base import Component, Context
from infra.config import Build, Existing

ROOT = Path(__file__).parent.parent
KEPT = 10
"""Images of each variant kept in the repository, about 3 GB each: as many deployments may lie between a run's first job
and its last."""


class Images(Component):
    """`digests`: `repository@sha256:...` for each variant that the pools need."""

    def __init__(self, context: Context) -> None:
        super().__init__("Images", context)
        config = context.config.image
        self.repository: aws.ecr.Repository | None = None
        self.digests: dict[str, pulumi.Output[str]]
        if isinstance(config, Existing):
            self.digests = {name: pulumi.Output.from_input(config.digests[name]) for name in context.config.variants}
        else:
            self.repository = self._repository()
            self.digests = {
                name: self._built(name, config, self.repository) for name in sorted(context.config.variants)
            }
        self.register_outputs({"digests": self.digests})

    def _repository(self) -> aws.ecr.Repository:
        repository = aws.ecr.Repository(
            "images",
            name=self.name("images"),
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "AES256"}],
            force_delete=not self.context.config.protect,
            tags=self.tags("images"),
            opts=self.child(protect=self.context.config.protect),
        )
        rules = [
            {
                "rulePriority": number,
                "description": f"Keep the newest {KEPT} images of {variant}",
                "selection": {
                    "tagStatus": "tagged",
                    "tagPrefixList": [f"{variant.lower()}-"],
                    "countType": "imageCountMoreThan",
                    "countNumber": KEPT,
                },
                "action": {"type": "expire"},
            }
            for number, variant in enumerate(sorted(self.context.config.variants), start=1)
        ]
        aws.ecr.LifecyclePolicy(
            "images", repository=repository.name, policy=json.dumps({"rules": rules}), opts=self.child()
        )
        return repository

    def _built(self, variant: str, config: Build, repository: aws.ecr.Repository) -> pulumi.Output[str]:
        """Built and pushed during `pulumi up`, never in a preview; only when a file of it or an argument changed."""
        token = aws.ecr.get_authorization_token_output(registry_id=repository.registry_id)
        tag = f"{variant.lower()}-{config.lammps}".replace("_", "-")
        args = {"GPU_ARCH": variant, **_lammps(config)}
        image = docker.Image(
            variant.lower(),
            image_name=repository.repository_url.apply(lambda url: f"{url}:{tag}-{source_digest(args)}"),
            build={
                "context": os.path.relpath(ROOT),  # the same on every machine, or each would build anew
                "dockerfile": os.path.relpath(ROOT / "image" / "Dockerfile"),
                "target": "cpu" if variant == "cpu" else "gpu",
                "platform": "linux/amd64",
                "args": args,
            },
            build_on_preview=False,
            registry={
                "server": repository.repository_url,
                "username": token.user_name,
                "password": pulumi.Output.secret(token.password),  # good for twelve hours, but the state keeps it
            },
            opts=self.child(),
        )
        return image.repo_digest


def _lammps(config: Build) -> dict[str, str]:
    """Build arguments for another release of LAMMPS than the Dockerfile's own, whose checksum it knows."""
    if config.lammps == Build().lammps:
        return {}
    return {"LAMMPS_TAG": config.lammps, "LAMMPS_SHA256": config.lammps_sha256}


def source_digest(args: Mapping[str, str]) -> str:
    """Twelve hex digits that change with anything that goes into an image (its tag, since tags never move)."""
    digest = hashlib.sha256(json.dumps(sorted(args.items())).encode())
    for file in sources(ROOT):
        mode = b"x" if os.access(file, os.X_OK) else b"-"
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + mode + file.read_bytes())
    return digest.hexdigest()[:12]


def sources(root: Path) -> list[Path]:
    """The files of the build's context: what `.dockerignore` lets in."""
    kept = [line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    tops = [top for pattern in kept for top in root.glob(pattern)]
    found = [file for top in tops for file in (top, *top.rglob("*"))]
    return sorted(file for file in found if file.is_file() and "__pycache__" not in file.parts)
