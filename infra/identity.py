"""One role per purpose: the machine, the agent that starts containers, the job of each pool, the researcher."""

from __future__ import annotations

import json
import re
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import deployer, policies
from infra.base import Component, Context
from infra.config import Pool
from infra.images import Images
from infra.storage import Storage
from lammps_jobs.backends.aws_batch.contract import parameter_name

RUNS_TOPIC = "runs"
"""Of the topic by which runs tell of their end: what follows the stack's prefix in its name."""


class Identity(Component):
    """`machine` (an instance profile's ARN), `execution` and `jobs` (role ARNs, the latter by pool), `researcher`."""

    def __init__(self, context: Context, storage: Storage, images: Images, log_group: aws.cloudwatch.LogGroup) -> None:
        super().__init__("Identity", context)
        self.storage = storage
        self.key: pulumi.Output[str | None] = pulumi.Output.from_input(storage.arn_of_key)
        self.repositories: pulumi.Output[list[str]] = (
            images.repository.arn.apply(lambda arn: [arn])
            if images.repository
            else pulumi.Output.from_input(sorted(repositories_of(context)))
        )
        self.machine = self._machine()
        self.execution = self._role("execution", policies.assumed_by("ecs-tasks.amazonaws.com", context.account))
        self._policy(
            "execution",
            self.execution,
            pulumi.Output.all(log_group.arn, self.repositories).apply(lambda known: policies.execution(*known)),
        )
        self.jobs = {pool.name: self._job(pool) for pool in context.config.pools}
        self.submitters = list(self.jobs.values())
        self.researcher = self._researcher(log_group)
        if context.config.github:
            self._github(context.config.github)
        self.register_outputs({"researcher": self.researcher.arn})

    # Names are known before the resources are, so a role can name the queue that will use it.

    def queue(self, pool: str) -> str:
        return self.context.arn("batch", f"job-queue/{self.name(pool)}")

    def definition(self, pool: str) -> str:
        return self.context.arn("batch", f"job-definition/{self.name(pool)}")

    def _role(self, name: str, trust: policies.Document) -> aws.iam.Role:
        return self.role(name, json.dumps(trust))

    def _policy(self, name: str, role: aws.iam.Role, document: pulumi.Output[policies.Document]) -> aws.iam.RolePolicy:
        return aws.iam.RolePolicy(name, role=role.name, policy=document.apply(json.dumps), opts=self.child())

    def _machine(self) -> aws.iam.InstanceProfile:
        role = self._role("machine", policies.assumed_by("ec2.amazonaws.com"))
        name = "AmazonEC2ContainerServiceforEC2Role"
        self.machine_policies: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"machine-{name}",
                role=role.name,
                policy_arn=f"arn:{self.context.partition}:iam::aws:policy/service-role/{name}",
                opts=self.child(),
            )
        ]
        if self.context.config.access.kind == "session-manager":
            document = policies.session_manager(self.context.arn("ec2", "instance/*"))
            self.machine_policies.append(self._policy("machine", role, pulumi.Output.from_input(document)))
        return aws.iam.InstanceProfile(
            "machine", name=self.name("machine"), role=role.name, tags=self.tags("machine"), opts=self.child()
        )

    def _job(self, pool: Pool) -> aws.iam.Role:
        """May continue itself in its own pool, and in the one that takes over."""
        name = f"job-{pool.name}"
        role = self._role(name, policies.assumed_by("ecs-tasks.amazonaws.com", self.context.account))
        pools = [pool.name] + ([pool.fallback] if pool.fallback else [])
        queues = [self.queue(one) for one in pools]
        definitions = [self.definition(one) + which for one in pools for which in ("", ":*")]
        jobs = self.context.arn("batch", "job/*")
        topic = self.context.arn("sns", self.name(RUNS_TOPIC))
        self._policy(
            name,
            role,
            pulumi.Output.all(self.storage.arn_of_bucket, self.key).apply(
                lambda known: policies.job(known[0], known[1], queues, definitions, jobs, topic)
            ),
        )
        return role

    def _researcher(self, log_group: aws.cloudwatch.LogGroup) -> aws.iam.Policy:
        context, pools = self.context, [pool.name for pool in self.context.config.pools]

        def document(known: list[Any]) -> str:
            bucket, key, group, repositories = known
            return json.dumps(
                policies.researcher(
                    bucket,
                    key,
                    queues=[self.queue(pool) for pool in pools],
                    definitions=[f"{self.definition(pool)}:*" for pool in pools],
                    jobs=context.arn("batch", "job/*"),
                    log_group=group,
                    parameter=context.arn("ssm", "parameter" + parameter_name(context.stack)),
                    repositories=repositories,
                    access=context.config.access.kind,
                    instances=context.arn("ec2", "instance/*"),
                    sessions=context.arn("ssm", "session/${aws:userid}-*"),
                    stack=context.stack,
                )
            )

        return aws.iam.Policy(
            "researcher",
            name=self.name("researcher"),
            description=f"Submit, follow and cancel runs on {context.prefix}, and fetch their results",
            policy=pulumi.Output.all(self.storage.arn_of_bucket, self.key, log_group.arn, self.repositories).apply(
                document
            ),
            tags=self.tags("researcher"),
            opts=self.child(),
        )

    def _github(self, repository: str) -> None:
        issuer = "token.actions.githubusercontent.com"
        arn = pulumi.Output.from_input(
            f"arn:{self.context.partition}:iam::{self.context.account}:oidc-provider/{issuer}"
        )
        if self.context.config.github_provider == "make":
            arn = aws.iam.OpenIdConnectProvider(
                "github",
                url=f"https://{issuer}",
                client_id_lists=["sts.amazonaws.com"],
                tags=self.tags("github"),
                opts=self.child(),
            ).arn
        if self.context.config.github_previews:
            self._previews(arn, repository, self.context.config.github_previews)
        role = self.role("github", arn.apply(lambda arn: json.dumps(policies.github(arn, repository))))
        self.submitters.append(role)
        aws.iam.RolePolicyAttachment(
            "github-researcher", role=role.name, policy_arn=self.researcher.arn, opts=self.child()
        )

    def _previews(self, provider: pulumi.Output[str], repository: str, bucket: str) -> None:
        """Pull requests of the repository (a fork's get no token) may see what they would change."""
        trust = provider.apply(lambda arn: json.dumps(policies.github(arn, repository, "pull_request")))
        role = self.role("previews", trust)
        may = policies.document(*deployer.reading()["Statement"], *deployer.state(bucket, preview_only=True))
        self._policy("previews", role, pulumi.Output.from_input(may))


def repositories_of(context: Context) -> set[str]:
    """ARNs of the repositories in ECR that `image.digests` names; others are pulled without AWS's leave."""
    found = set()
    for digest in getattr(context.config.image, "digests", {}).values():
        at = re.match(r"(\d{12})\.dkr\.ecr\.([\w-]+)\.amazonaws\.com(?:\.cn)?/([^@]+)@", digest)
        if at:
            found.add(f"arn:{context.partition}:ecr:{at[2]}:{at[1]}:repository/{at[3].partition(':')[0]}")
    return found
