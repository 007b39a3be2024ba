"""What every component shares: where it is deployed, and the one place for names and tags."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.config import PROJECT, StackConfig


@dataclass(frozen=True)
class Context:
    """The stack's surroundings, known before the first resource."""

    stack: str
    config: StackConfig
    account: str
    zones: tuple[str, ...]

    @property
    def region(self) -> str:
        return self.config.region

    @property
    def partition(self) -> str:
        return "aws-cn" if self.region.startswith("cn-") else "aws-us-gov" if "-gov-" in self.region else "aws"

    @property
    def prefix(self) -> str:
        return f"{PROJECT}-{self.stack}"

    def arn(self, service: str, resource: str) -> str:
        """An ARN in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


class Component(pulumi.ComponentResource):
    """A part of the stack; its resources are its children."""

    def __init__(self, kind: str, context: Context, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"{PROJECT}:infra:{kind}", kind.lower(), None, opts)
        self.context = context

    def name(self, *parts: str) -> str:
        """`lammps-jobs-<stack>-<parts>`: the name that AWS shows."""
        return "-".join((self.context.prefix, *parts))

    def tags(self, *parts: str) -> dict[str, str]:
        """Tags by which costs and resources are told apart."""
        own = {"Name": self.name(*parts), "project": PROJECT, "stack": self.context.stack}
        return {**self.context.config.tags, **own}

    def role(self, name: str, trust: pulumi.Input[str]) -> aws.iam.Role:
        """A role that the institute's boundary holds."""
        return aws.iam.Role(
            name,
            name=self.name(name),
            assume_role_policy=trust,
            permissions_boundary=self.context.config.permissions_boundary,
            tags=self.tags(name),
            opts=self.child(),
        )

    def child(
        self,
        *,
        protect: bool | None = None,
        retain: bool | None = None,
        after: list[pulumi.Resource] | None = None,
        delete_first: bool | None = None,
        ignore: list[str] | None = None,
    ) -> pulumi.ResourceOptions:
        """Options of a resource inside this component."""
        return pulumi.ResourceOptions(
            parent=self,
            protect=protect,
            retain_on_delete=retain,
            depends_on=after,
            delete_before_replace=delete_first,
            ignore_changes=ignore,
        )
