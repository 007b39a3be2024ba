"""What it costs: a budget with a forecast, unusual spending, and tags down to the run."""

from __future__ import annotations

import json

import pulumi_aws as aws

from infra.base import Component, Context
from infra.config import PROJECT
from infra.observability import Observability

COST_TAGS = ("project", "stack", "pool", "run", "sweep", "user")
"""Tags that the bill is told apart by; the last four come with each job, which hands them to nothing but itself."""


class Cost(Component):
    def __init__(self, context: Context, observability: Observability) -> None:
        super().__init__("Cost", context)
        self.topic = observability.topic
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
        levels = [("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)]
        aws.budgets.Budget(
            "monthly",
            name=self.name("monthly"),
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{usd:.2f}",
            limit_unit="USD",
            cost_filters=[{"name": "TagKeyValue", "values": [f"user:stack${self.context.stack}"]}],
            notifications=[
                {
                    "comparison_operator": "GREATER_THAN",
                    "notification_type": kind,
                    "threshold": percent,
                    "threshold_type": "PERCENTAGE",
                    "subscriber_email_addresses": list(self.context.config.alerts.emails),
                    "subscriber_sns_topic_arns": [self.topic.arn],
                }
                for kind, percent in levels
            ],
            tags=self.tags("monthly"),
            opts=self.child(),
        )

    def _anomalies(self, usd: float) -> None:
        monitor = aws.costexplorer.AnomalyMonitor(
            "spending",
            name=self.name("spending"),
            monitor_type="CUSTOM",
            monitor_specification=json.dumps(
                {"Tags": {"Key": "project", "Values": [PROJECT], "MatchOptions": ["EQUALS"]}}
            ),
            tags=self.tags("spending"),
            opts=self.child(),
        )
        aws.costexplorer.AnomalySubscription(
            "spending",
            name=self.name("spending"),
            frequency="DAILY",
            monitor_arn_lists=[monitor.arn],
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
