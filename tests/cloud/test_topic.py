"""The stack's own topic: a run that asks for it tells of its end there, and its role may publish nowhere else."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import pytest

import lammps_jobs
from emulator.access import is_allowed, needs
from tests.cloud.test_access import policy_of_job, policy_of_researcher
from tests.cloud.test_following import job_of
from tests.waiting import scaled

pytestmark = pytest.mark.xdist_group("waiting")


def test_run_tells_by_the_stacks_own_topic_where_its_role_may_publish_and_nowhere_else(waiting, script):
    stack = lammps_jobs.connect("dev", pool="cpu")
    topic = stack._backend.topic
    assert topic.endswith(":lammps-jobs-dev-runs")
    sns, sqs = waiting._client("sns"), waiting._client("sqs")
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    run = stack.submit(script("units lj\nprint done\n"), name="tells", notify="sns")
    assert run.record.submission().notify.topics == (topic,)

    calls = len(waiting.endpoint.calls)
    told = {"AWS_BATCH_JOB_ID": job_of(waiting, run).job_id, "AWS_BATCH_JOB_ATTEMPT": "1"}
    words = ["-m", "lammps_jobs.backends.aws_batch.container", "--store", stack.store, "--run", run.name]
    subprocess.run([sys.executable, *words], env=os.environ | told, check=True, timeout=scaled(120))
    (got,) = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(got["Body"])["Subject"] == "tells finished at step 0"

    published = [call for call in waiting.endpoint.calls[calls:] if call.service == "sns"]
    (need,) = (need for call in published for need in needs(call, waiting.region, {}))
    assert (need.action, need.resource) == ("sns:Publish", topic)
    assert is_allowed(need, policy_of_job(waiting, stack))
    assert not is_allowed(need, policy_of_researcher(waiting, stack))
    alarms = dataclasses.replace(need, resource=topic.replace("-runs", "-alerts"))
    assert not is_allowed(alarms, policy_of_job(waiting, stack))
