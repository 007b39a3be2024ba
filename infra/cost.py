"""What it costs: a budget with a forecast, unusual spending, and tags down to the run."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.base import Component, Context
from infra.identity import Identity
from infra.observability import Observability

COST_TAGS = ("project", "stack", "pool", "run", "sweep", "user")
"""Tags that the bill is told apart by; the last four come with each job, which hands them to nothing but itself."""


class Cost(Component):
    def __init__(self, context: Context, observability: Observability, identity: Identity) -> None:
        super().__init__("Cost", context)
        self.topic, self.identity = observability.topic, identity
        alerts = context.config.alerts
        if alerts.monthly_budget_usd:
            self._budget(alerts.monthly_budget_usd)
        if alerts.anomaly_usd:
            self._anomalies(alerts.anomaly_usd)
        if alerts.cost_tags:
            for tag in COST_TAGS:
                aws.costexplorer.CostAllocationTag(tag, tag_key=tag, status="Active", opts=self.child())
        self.register_outputs({})

    def _budget(self, usd: float) -> None:
        tagged = self.context.config.alerts.cost_tags
        emails = list(self.context.config.alerts.emails)
        levels = [("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)]
        budget = aws.budgets.Budget(
            "monthly",
            name=self.name("monthly"),
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{usd:.2f}",
            limit_unit="USD",
            # a tag that was not activated matches nothing: the budget would see 0 USD for ever
            cost_filters=[{"name": "TagKeyValue", "values": [f"user:stack${self.context.stack}"]}] if tagged else None,
            notifications=[
                {
                    "comparison_operator": "GREATER_THAN",
                    "notification_type": kind,
                    "threshold": percent,
                    "threshold_type": "PERCENTAGE",
                    "subscriber_email_addresses": emails,
                    "subscriber_sns_topic_arns": [self.topic.arn],
                }
                for kind, percent in levels
            ],
            tags=self.tags("monthly"),
            opts=self.child(),
        )
        if self.context.config.alerts.stop_at_budget:
            self._stop(budget, emails)

    def _stop(self, budget: aws.budgets.Budget, emails: list[str]) -> None:
        """Every role of the stack that submits jobs is denied it once the budget is spent."""
        submitters = self.identity.submitters
        queues = [self.identity.queue(pool.name) for pool in self.context.config.pools]
        deny = aws.iam.Policy(
            "stop",
            name=self.name("stop"),
            description="No more jobs: attached by AWS Budgets, to be detached by hand",
            policy=json.dumps(policies.no_submissions(queues)),
            tags=self.tags("stop"),
            opts=self.child(),
        )
        role = self.role("stop", json.dumps(policies.assumed_by("budgets.amazonaws.com", self.context.account)))
        others = self.context.config.alerts.stop_roles
        their_arns = [f"arn:{self.context.partition}:iam::{self.context.account}:role/{path}{name}"
                      for name in others for path in ("", "*/")]  # fmt: skip
        may = pulumi.Output.all(deny.arn, *[one.arn for one in submitters]).apply(
            lambda known: json.dumps(policies.stopper([*known[1:], *their_arns], known[0]))
        )
        allowed = aws.iam.RolePolicy("stop", role=role.name, policy=may, opts=self.child())
        aws.budgets.BudgetAction(
            "stop",
            budget_name=budget.name,
            action_type="APPLY_IAM_POLICY",
            approval_model="AUTOMATIC",
            notification_type="ACTUAL",
            execution_role_arn=role.arn,
            action_threshold={"action_threshold_type": "PERCENTAGE", "action_threshold_value": 100},
            definition={
                "iam_action_definition": {"policy_arn": deny.arn, "roles": [*(one.name for one in submitters), *others]}
            },
            subscribers=[{"subscription_type": "EMAIL", "address": email} for email in emails],
            tags=self.tags("stop"),
            opts=self.child(after=[allowed]),
        )

    def _anomalies(self, usd: float) -> None:
        arn = self.context.config.alerts.anomaly_monitor_arn or self._monitor().arn
        aws.costexplorer.AnomalySubscription(
            "spending",
            name=self.name("spending"),
            frequency="DAILY",
            monitor_arn_lists=[arn],
            subscribers=[{"type": "EMAIL", "address": email} for email in self.context.config.alerts.emails],
            threshold_expression={
                "dimension": {
                    "key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    "match_options": ["GREATER_THAN_OR_EQUAL"],
                    "values": [f"{usd:g}"],
                }
            },
            tags=self.tags("spending"),
            opts=self.child(),
        )

    def _monitor(self) -> aws.costexplorer.AnomalyMonitor:
        what: dict[str, Any] = {"monitor_type": "DIMENSIONAL", "monitor_dimension": "SERVICE"}
        if self.context.config.alerts.cost_tags:
            what = {
                "monitor_type": "CUSTOM",
                "monitor_specification": json.dumps(only_tagged("stack", self.context.stack)),
            }
        return aws.costexplorer.AnomalyMonitor(
            "spending", name=self.name("spending"), **what, tags=self.tags("spending"), opts=self.child()
        )


def only_tagged(key: str, value: str) -> dict[str, Any]:
    """A monitor's specification. The provider stores all keys of it: one that is left out differs at every `up`, and
    the monitor is replaced before it has learnt anything."""
    absent = dict.fromkeys(["And", "CostCategories", "Dimensions", "Not", "Or"])
    return {**absent, "Tags": {"Key": key, "Values": [value], "MatchOptions": None}}
