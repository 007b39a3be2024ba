"""Logs, the dashboard, and who is told when something needs a person."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.base import Component, Context
from infra.batch import Batch
from infra.identity import RUNS_TOPIC
from lammps_jobs.backends.aws_batch.contract import NAMESPACE

LOG_DAYS, PROTECTED_LOG_DAYS = 30, 180


class Logs(Component):
    """`jobs`: the log group of all attempts."""

    def __init__(self, context: Context) -> None:
        super().__init__("Logs", context)
        self.jobs = aws.cloudwatch.LogGroup(
            "jobs",
            name=f"/{context.prefix}/jobs",
            retention_in_days=PROTECTED_LOG_DAYS if context.config.protect else LOG_DAYS,
            tags=self.tags("jobs"),
            opts=self.child(),
        )
        self.register_outputs({"jobs": self.jobs.name})


class Observability(Component):
    """`topic` for alarms, `runs` for what runs tell, and the dashboard's name, `board`."""

    def __init__(self, context: Context, batch: Batch, logs: Logs) -> None:
        super().__init__("Observability", context)
        self.batch, self.logs = batch, logs
        self.topic = self._topic()
        self.runs = self._runs()
        self.rules = self._rules()
        self._alarms()
        self.board = self.name("runs")
        aws.cloudwatch.Dashboard(
            "runs",
            dashboard_name=self.board,
            dashboard_body=json.dumps(dashboard(context, self.name, logs_group=f"/{context.prefix}/jobs")),
            opts=self.child(),
        )
        self.register_outputs({"topic": self.topic.arn})

    def _topic(self) -> aws.sns.Topic:
        topic = aws.sns.Topic("alerts", name=self.name("alerts"), tags=self.tags("alerts"), opts=self.child())
        account = self.context.account
        senders = ["cloudwatch", "events", "budgets", "costalerts"]

        def policy(arn: str) -> str:
            statement = {
                "Sid": "Tell",
                "Effect": "Allow",
                "Principal": {"Service": [f"{sender}.amazonaws.com" for sender in senders]},
                "Action": "sns:Publish",
                "Resource": arn,
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            }
            return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

        aws.sns.TopicPolicy("alerts", arn=topic.arn, policy=topic.arn.apply(policy), opts=self.child())
        self._subscribe("alerts", topic)
        return topic

    def _runs(self) -> aws.sns.Topic:
        """To which jobs publish the ends of runs that ask for it; their roles may publish here and nowhere else."""
        topic = aws.sns.Topic("runs", name=self.name(RUNS_TOPIC), tags=self.tags("runs"), opts=self.child())
        self._subscribe("runs", topic)
        return topic

    def _subscribe(self, name: str, topic: aws.sns.Topic) -> None:
        for number, email in enumerate(self.context.config.alerts.emails):
            aws.sns.TopicSubscription(
                f"{name}-{number}", topic=topic.arn, protocol="email", endpoint=email, opts=self.child()
            )

    def _rules(self) -> dict[str, aws.cloudwatch.EventRule]:
        """Events of Batch and EC2, kept in a log; each rule also counts its events, which the alarms look at."""
        queues = [pool.queue.arn for pool in self.batch.pools.values()]
        states, blocked = "Batch Job State Change", "Batch Job Queue Blocked"
        patterns = {
            "job-states": {"source": ["aws.batch"], "detail-type": [states], "detail": {"jobQueue": queues}},
            "job-failed": {
                "source": ["aws.batch"],
                "detail-type": [states],
                "detail": {"jobQueue": queues, "status": ["FAILED"]},
            },
            "queue-blocked": {"source": ["aws.batch"], "detail-type": [blocked], "detail": {"jobQueue": queues}},
            "environment-invalid": {
                "source": ["aws.batch"],
                "detail-type": [blocked],
                "detail": {"jobQueue": queues, "statusReason": [{"prefix": "MISCONFIGURATION"}]},
            },
            "spot": {
                "source": ["aws.ec2"],
                "detail-type": ["EC2 Spot Instance Interruption Warning", "EC2 Instance Rebalance Recommendation"],
            },
        }  # fmt: skip
        arns = [self.context.arn("events", f"rule/{self.name(name)}") for name in patterns]
        kept = aws.cloudwatch.LogGroup(
            "events",
            name=f"/aws/events/{self.context.prefix}",
            retention_in_days=LOG_DAYS,
            tags=self.tags("events"),
            opts=self.child(),
        )
        aws.cloudwatch.LogResourcePolicy(
            "events",
            policy_name=self.name("events"),
            policy_document=kept.arn.apply(lambda arn: json.dumps(policies.keep_events(arn, arns))),
            opts=self.child(),
        )
        rules = {}
        for name, pattern in patterns.items():
            rules[name] = aws.cloudwatch.EventRule(
                name,
                name=self.name(name),
                event_pattern=pulumi.Output.json_dumps(pattern),
                tags=self.tags(name),
                opts=self.child(),
            )
            aws.cloudwatch.EventTarget(name, rule=rules[name].name, arn=kept.arn, opts=self.child())
        return rules

    def _alarms(self) -> None:
        age_min = self.context.config.alerts.checkpoint_age_min
        says = {
            "job-failed": "A run failed for good. Look at it: lammps-jobs list, lammps-jobs status RUN",
            "queue-blocked": "Jobs wait and cannot start: no capacity, or a quota. lammps-jobs doctor STACK says more",
            "environment-invalid": "AWS Batch says that a pool or a job asks for what cannot be had. "
            "lammps-jobs doctor STACK says more",
        }
        for name, text in says.items():
            self.alarm(name, text, namespace="AWS/Events", metric="TriggeredRules",
                        dimensions={"RuleName": self.rules[name].name}, statistic="Sum", threshold=0)  # fmt: skip
        self.alarm(
            "checkpoint-age",
            f"A run has had no checkpoint for {age_min} minutes; an interruption now would lose that much work",
            namespace=NAMESPACE,
            metric="CheckpointAge",
            dimensions={"Stack": self.context.stack},
            statistic="Maximum",
            threshold=60 * age_min,
        )

    def alarm(
        self, name: str, text: str, *, namespace: str, metric: str, dimensions: dict[str, Any], statistic: str,
        threshold: float,
    ) -> None:  # fmt: skip
        aws.cloudwatch.MetricAlarm(
            name,
            name=self.name(name),
            alarm_description=text,
            namespace=namespace,
            metric_name=metric,
            dimensions=dimensions,
            statistic=statistic,
            comparison_operator="GreaterThanThreshold",
            threshold=threshold,
            period=300,
            evaluation_periods=1,
            treat_missing_data="notBreaching",
            alarm_actions=[self.topic.arn],
            tags=self.tags(name),
            opts=self.child(),
        )


def dashboard(context: Context, name: Any, *, logs_group: str) -> dict[str, Any]:
    """The body of the CloudWatch dashboard, two charts a row."""
    region, stack = context.region, context.stack

    def rule(which: str, label: str) -> list[Any]:
        return ["AWS/Events", "TriggeredRules", "RuleName", name(which), {"stat": "Sum", "label": label}]

    def ours(metric: str, stat: str, label: str) -> list[Any]:
        return [NAMESPACE, metric, "Stack", stack, {"stat": stat, "label": label}]

    states = (f"SOURCE '/aws/events/{context.prefix}' | filter `detail-type` = 'Batch Job State Change' "
              "| stats count(*) by detail.status, bin(10m)")  # fmt: skip
    costs = {"region": "us-east-1", "stat": "Maximum", "period": 21600}
    charts: list[tuple[str, dict[str, Any]]] = [
        ("Queue depth and running: changes of state", {"query": states, "view": "timeSeries", "stacked": True}),
        ("Failed, blocked, Spot warnings", {"metrics": [rule("job-failed", "failed"), rule("queue-blocked", "blocked"),
                                                        rule("spot", "Spot warnings (all of the account)")]}),
        ("Interruptions", {"metrics": [ours("Interruptions", "Sum", "interruptions"),
                                       ours("ResumeSeconds", "Average", "seconds to resume")]}),
        ("Checkpoint age, seconds", {"metrics": [ours("CheckpointAge", "Maximum", "oldest"),
                                                 ours("CheckpointSeconds", "Average", "time to take one")]}),
        ("Speed", {"metrics": [ours("StepsPerSecond", "Average", "timesteps/s"),
                               ours("NsPerDay", "Average", "ns/day")]}),
        ("GPU use, percent", {"metrics": [ours("GpuUse", "Average", "mean"), ours("GpuUse", "Minimum", "least")]}),
        ("Spend of the account this month, USD", {"metrics": [["AWS/Billing", "EstimatedCharges", "Currency", "USD"]],
                                                  **costs}),
        ("Last words of attempts that failed", {"query": f"SOURCE '{logs_group}' | filter @message like /ERROR/ "
                                                         "| sort @timestamp desc | limit 20", "view": "table"}),
    ]  # fmt: skip
    widgets = []
    for number, (title, chart) in enumerate(charts):
        widgets.append(
            {
                "type": "log" if "query" in chart else "metric",
                "x": 12 * (number % 2),
                "y": 6 * (number // 2),
                "width": 12,
                "height": 6,
                "properties": {"title": title, "region": region, "view": "timeSeries", "period": 300, **chart},
            }
        )
    return {"widgets": widgets}
