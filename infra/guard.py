"""The guard that stops: once an hour a function looks at what is spent, and closes the stack at a limit.

AWS's own budget actions deny submissions or stop machines by number; neither ends jobs with a checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.base import Component, Context
from infra.batch import Batch
from infra.identity import Identity
from infra.observability import LOG_DAYS, Observability

CODE = Path(__file__).with_name("guard_function.py")
RUNTIME = "python3.13"
EVERY = "rate(1 hour)"
LONGEST_S = 900


class Guard(Component):
    def __init__(
        self, context: Context, identity: Identity, batch: Batch, observability: Observability, usd: float
    ) -> None:
        super().__init__("Guard", context)
        self.identity, self.batch, self.topic = identity, batch, observability.topic
        function = self._function(usd)
        self._hourly(function)
        observability.alarm(
            "guard-failed",
            "The guard over spending could not look at the budget, or could not stop a job. Its log says why",
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions={"FunctionName": function.name},
            statistic="Sum",
            threshold=0,
        )
        self.register_outputs({"function": function.name})

    def _function(self, usd: float) -> aws.lambda_.Function:
        queues = [pool.queue.arn for pool in self.batch.pools.values()]
        log = aws.cloudwatch.LogGroup(
            "guard",
            name=f"/{self.context.prefix}/guard",
            retention_in_days=LOG_DAYS,
            tags=self.tags("guard"),
            opts=self.child(),
        )
        return aws.lambda_.Function(
            "guard",
            name=self.name("guard"),
            description=f"Closes {self.context.prefix} when a month's {usd:.2f} USD are spent",
            runtime=RUNTIME,
            architectures=["arm64"],
            handler=f"{CODE.stem}.handler",
            code=pulumi.AssetArchive({CODE.name: pulumi.StringAsset(CODE.read_text())}),
            role=self._role(log).arn,
            timeout=LONGEST_S,
            memory_size=256,
            environment={
                "variables": {
                    "ACCOUNT": self.context.account,
                    "BUDGET": self._budget(usd).name,
                    "QUEUES": pulumi.Output.json_dumps(queues),
                    "STACK": self.context.stack,
                    "TOPIC": self.topic.arn,
                }
            },
            logging_config={"log_format": "Text", "log_group": log.name},
            tags=self.tags("guard"),
            opts=self.child(),
        )

    def _budget(self, usd: float) -> aws.budgets.Budget:
        """What the function asks; without notifications, since it tells by itself."""
        context = self.context
        tagged: Any = [{"name": "TagKeyValue", "values": [f"user:stack${context.stack}"]}]
        return aws.budgets.Budget(
            "limit",
            name=self.name("limit"),
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{usd:.2f}",
            limit_unit="USD",
            cost_filters=tagged if context.config.alerts.cost_tags else None,
            tags=self.tags("limit"),
            opts=self.child(),
        )

    def _role(self, log: aws.cloudwatch.LogGroup) -> aws.iam.Role:
        role = self.role("guard", json.dumps(policies.assumed_by("lambda.amazonaws.com")))
        context, pools = self.context, [pool.name for pool in self.context.config.pools]
        may = pulumi.Output.all(log.arn, self.topic.arn).apply(
            lambda known: json.dumps(
                policies.guard(
                    queues=[self.identity.queue(pool) for pool in pools],
                    environments=[context.arn("batch", f"compute-environment/{self.name(one)}-*") for one in pools],
                    jobs=context.arn("batch", "job/*"),
                    budget=f"arn:{context.partition}:budgets::{context.account}:budget/{self.name('limit')}",
                    log_group=known[0],
                    topic=known[1],
                    stack=context.stack,
                )
            )
        )
        aws.iam.RolePolicy("guard", role=role.name, policy=may, opts=self.child())
        return role

    def _hourly(self, function: aws.lambda_.Function) -> None:
        rule = aws.cloudwatch.EventRule(
            "guard",
            name=self.name("guard"),
            schedule_expression=EVERY,
            tags=self.tags("guard"),
            opts=self.child(),
        )
        allowed = aws.lambda_.Permission(
            "guard",
            action="lambda:InvokeFunction",
            function=function.name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=self.child(),
        )
        aws.cloudwatch.EventTarget("guard", rule=rule.name, arn=function.arn, opts=self.child(after=[allowed]))
