"""Telling of a run's end: by what was asked for, of this machine only, and never to the run's harm."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time

import pytest

import lammps_jobs
from lammps_jobs import UsageError
from lammps_jobs.api.notifying import notify_of
from lammps_jobs.record.documents import AttemptEnd, Notify, RunSpec, Submission
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.script.inputs import gather
from lammps_jobs.supervisor import notify, own
from lammps_jobs.supervisor.notify import message_of, tell
from tests.api.test_listing import made
from tests.waiting import ended, scaled

TOPIC = "arn:aws:sns:eu-central-1:123456789012:runs"
END = AttemptEnd(number=2, outcome="failed", reason="ERROR: Lost atoms", where="in.melt:7", last_step=40, exit_code=3)


@pytest.fixture
def told(tmp_path):
    """Tells of a run's end as its submission asks, which is this user's own unless it is not."""

    def tell_as(is_own: bool = True, publish=None, end: AttemptEnd = END, **wanted: object) -> list[str]:
        record = RunRecord(open_root(str(tmp_path / f"store-{time.time_ns()}")), "melt")
        spec = RunSpec(name="melt", script="in.x", inputs={})
        record.submit(Submission(spec=spec, notify=Notify.model_validate(wanted)))
        if is_own:
            own.mark(record)
        return list(tell(record, end, publish))

    return tell_as


def test_ways_are_told_apart():
    assert notify_of((), on_stack=False) == Notify()
    assert notify_of("mail -s done me", on_stack=False).commands == ("mail -s done me",)
    warned = contextlib.nullcontext() if shutil.which("notify-send") else pytest.warns(UserWarning, match="notify-send")
    with warned:
        assert notify_of(["desktop", "a", "a"], on_stack=False).desktop
    assert notify_of([TOPIC, TOPIC], on_stack=True).topics == (TOPIC,)
    assert notify_of(["sns", TOPIC], on_stack=True, own=TOPIC).topics == (TOPIC,)


@pytest.mark.parametrize(
    ("way", "on_stack", "words"),
    [
        ("arn:aws:sns:here", True, "is no SNS topic"),
        (TOPIC, False, "no SNS topic"),
        ("sns", False, "no SNS topic"),
        ("sns", True, "has no topic of its own"),
        ("mail me", True, "its machines are others"),
        ("desktop", True, "its machines are others"),
        (" ", False, "is empty"),
    ],
)
def test_ways_that_cannot_work_are_refused_at_once(way, on_stack, words):
    with pytest.raises(UsageError, match=words):
        notify_of(way, on_stack=on_stack)


def test_what_is_told_says_all_that_matters():
    message = message_of("melt", END)
    assert message["text"] == "melt failed at step 40: ERROR: Lost atoms"
    assert (message["run"], message["state"], message["where"], message["exit_code"]) == (
        "melt", "failed", "in.melt:7", 3,
    )  # fmt: skip
    assert message_of("melt", AttemptEnd(number=1, outcome="finished", last_step=9))["text"] == (
        "melt finished at step 9"
    )


def test_record_from_elsewhere_starts_no_command_here(told):
    """The guard of unit tests objects to any process."""
    assert told(is_own=False, commands=("touch x",), desktop=True) == []


def test_submission_that_somebody_changed_is_nobodys_own(tmp_path):
    record = RunRecord(open_root(str(tmp_path)), "melt")
    record.submit(Submission(spec=RunSpec(name="melt", script="in.x", inputs={})))
    assert not own.is_own(record)
    own.mark(record)
    assert own.is_own(record)
    (tmp_path / "melt" / "spec.json").write_text(
        (tmp_path / "melt" / "spec.json").read_text().replace('"commands": []', '"commands": ["evil"]')
    )
    changed = RunRecord(open_root(str(tmp_path)), "melt")
    assert changed.submission().notify.commands == ("evil",)
    assert not own.is_own(changed)


def test_renamed_run_stays_its_users_own(tmp_path):
    place = lammps_jobs.connect(store=tmp_path)
    run = made(place, "a", "finished")
    own.mark(run.record)
    assert own.is_own(place.rename("a", "b").record)
    made(place, "c", "finished")
    assert not own.is_own(place.rename("c", "d").record)


def test_topic_that_cannot_be_told_is_said(told):
    def broken(*_: object) -> None:
        raise RuntimeError("no network")

    assert "only attempts on a stack" in told(topics=(TOPIC,))[0]
    assert told(topics=(TOPIC,), publish=broken) == [f"{TOPIC} was not told: no network"]


@pytest.mark.engine
def test_command_reads_the_message_and_what_it_does_wrong_is_said(told, tmp_path, monkeypatch):
    assert told(commands=(f"cat > {tmp_path}/told",)) == []
    assert json.loads((tmp_path / "told").read_text())["text"].startswith("melt failed")
    (trouble,) = told(commands=("echo no such list; exit 5",))
    assert "exit code 5" in trouble
    assert "no such list" in trouble
    assert told(commands=("true", "false", "true"))[0].startswith("The notification by `false` failed")
    monkeypatch.setattr(notify, "COMMAND_S", 0.3)
    began = time.monotonic()
    (trouble,) = told(commands=("sleep 60 & sleep 60",))
    assert "took longer" in trouble
    assert time.monotonic() - began < scaled(20)


@pytest.mark.engine
def test_run_tells_of_its_end_and_of_its_failure_and_is_not_harmed(cluster, script, tmp_path):
    write = "import json, sys; m = json.load(sys.stdin); open(sys.argv[1] + m['run'], 'w').write(m['text'])"
    save = f'{sys.executable} -c "{write}" {tmp_path}/'
    good = cluster.submit(script("units lj\nprint done\n"), name="good", notify=[save, "exit 7"])
    bad = cluster.submit(script("units lj\nfrobnicate\n", name="in.bad"), name="bad", notify=save)
    assert (ended(good).state, ended(bad).state) == ("finished", "failed")
    assert good.settle(scaled(60))
    assert bad.settle(scaled(60))
    assert (tmp_path / "good").read_text() == "good finished at step 0"
    assert (tmp_path / "bad").read_text().startswith("bad failed at step 0: ERROR: Unknown command: frobnicate")
    warnings = [event.text for event in good.events if event.kind == "warning"]
    assert warnings == ["The notification by `exit 7` failed (exit code 7)."]
    assert good.raw_log()


@pytest.mark.cloud
def test_topic_is_told_with_attributes_to_filter_by(bucket, told):
    import boto3

    from lammps_jobs.backends.aws_batch import topics

    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="runs")["TopicArn"]
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    failures = {"FilterPolicy": json.dumps({"state": ["failed"]})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=failures)
    for end in (END.model_copy(update={"outcome": "finished"}), END.model_copy(update={"reason": "Ångström\nlost"})):
        assert told(topics=(topic,), end=end, publish=topics.publish) == []
    (got,) = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    body = json.loads(got["Body"])
    assert body["Subject"].startswith("melt failed at step 40")
    assert json.loads(body["Message"].partition("\n\n")[2])["exit_code"] == 3
    missing = told(topics=(f"{topic}-2",), publish=topics.publish)
    assert "was not told" in missing[0]


def test_submission_keeps_whom_to_tell(tmp_path, script):
    place = lammps_jobs.connect(store=tmp_path / "store")
    more = {"notify": notify_of("true", on_stack=False)}
    path = script("units lj\n")
    run = place._record(path, gather(path, (), {}), {}, "a", lammps_jobs.Resources(), lammps_jobs.Checkpoints(),
                        more=more)  # fmt: skip
    assert run.record.submission().notify.commands == ("true",)
