"""Submitting and asking: what AWS Batch is called for, how often, and what users read - without any machine."""

from __future__ import annotations

import threading

import boto3
import pytest

import lammps_jobs
from emulator.batch import decide
from lammps_jobs import Cluster
from lammps_jobs.backends.aws_batch import submission
from lammps_jobs.errors import CannotStart, CloudError, NameTaken, StackError
from tests.conftest import script_of

pytestmark = pytest.mark.xdist_group("waiting")


@pytest.fixture
def stack(waiting) -> Cluster:
    return lammps_jobs.connect("dev", pool="cpu")


@pytest.fixture
def path(script):
    return script(script_of("nve", 100))


def submitted(cloud, name: str) -> list:
    return [job for job in cloud.jobs.values() if job.parameters["run"] == name]


def test_a_submission_is_one_job_with_its_tags_and_share(waiting, stack, path):
    run = stack.submit(path, name="tagged")
    (job,) = submitted(waiting, "tagged")
    assert job.tags["stack"] == "dev"
    assert (job.tags["run"], job.tags["pool"]) == ("tagged", "cpu")
    assert job.definition["jobDefinitionArn"] == stack._backend.pool.definition  # the revision that the stack names
    assert job.parameters == {"run": "tagged", "store": stack.store}
    state = run.status
    assert (state.state, state.attempt) == ("waiting", 0)
    assert "RUNNABLE" in state.reason


def test_the_same_again_is_the_same_run_and_no_second_job(waiting, stack, path):
    stack.submit(path, name="twice")
    stack.submit(path, name="twice")
    assert len(submitted(waiting, "twice")) == 1
    with pytest.raises(NameTaken):
        stack.submit(path, name="twice", variables={"x": 1})


@pytest.mark.parametrize("when", ["before the job", "after the job"])
def test_a_crash_between_upload_and_answer_neither_loses_nor_doubles(waiting, stack, path, when, monkeypatch):
    """The submitter dies before SubmitJob, or after it and before he has written the answer down."""
    name = when.replace(" ", "-")
    monkeypatch.setattr(submission, "OTHERS_S", 0.0)
    if when == "before the job":
        waiting.faults += [("submitjob", 500, "ServerException")] * 5
        with pytest.raises(CloudError):
            stack.submit(path, name=name)
    else:
        with monkeypatch.context() as m:
            m.setattr(lammps_jobs.record.run_record.RunRecord, "answer_job", lambda self, number, job: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                stack.submit(path, name=name)
    waiting.faults.clear()
    run = stack.submit(path, name=name)
    assert len(submitted(waiting, name)) == 1
    assert run.status.state == "waiting"


def test_two_submitters_at_once_make_one_job(waiting, stack, path):
    errors = []

    def submit() -> None:
        try:
            lammps_jobs.connect("dev", pool="cpu").submit(path, name="race")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert len(submitted(waiting, "race")) == 1


def test_many_runs_are_looked_at_with_few_calls(waiting, stack, path):
    for number in range(7):
        stack.submit(path, name=f"many-{number}")
    stack._backend._seen.clear()
    before = len(waiting.calls)
    asked_before = len(waiting.endpoint.calls)
    states = stack.statuses()
    described = [asked for operation, asked in waiting.calls[before:] if operation == "describejobs"]
    assert len(states) >= 7
    assert len(described) == 1
    asked = waiting.endpoint.calls[asked_before:]
    assert len([call for call in asked if "describejobqueues" in call.path]) <= 2  # one for each queue
    about = [call for call in asked if call.service == "s3" and "many-" in f"{call.path}{call.query}"]
    assert 0 < len(about) <= 4 * 7  # other tests' runs lie there, too, some with more to read


def test_more_than_a_hundred_jobs_take_a_call_for_each_hundred(waiting, stack):
    before = len(waiting.calls)

    class Record:
        def __init__(self, number: int) -> None:
            self.number = number
            self.name = f"run-{number}"

    stack._backend._newest = lambda record: (None, f"job-{record.number}")  # type: ignore[method-assign]
    with stack._backend.prefetch([Record(number) for number in range(1000)]):  # type: ignore[list-item]
        pass
    assert [len(asked["jobs"]) for _, asked in waiting.calls[before:]] == [100] * 10


def test_throttling_is_waited_out(waiting, stack, path):
    waiting.faults += [("submitjob", 429, "TooManyRequestsException"), ("submitjob", 500, "InternalError")]
    stack.submit(path, name="throttled")
    assert len(submitted(waiting, "throttled")) == 1


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ExpiredTokenException", "credentials have expired"),
        ("UnrecognizedClientException", "does not know these credentials"),
        ("AccessDeniedException", "does not allow this"),
    ],
)
def test_refused_credentials_say_what_to_do(waiting, stack, path, code, expected):
    waiting.faults.append(("submitjob", 403, code))
    with pytest.raises(CloudError, match=expected) as error:
        stack.submit(path, name=code)
    assert error.value.remedy


def test_disabled_queue_and_missing_definition_are_named(waiting, stack, path):
    batch = boto3.client("batch")
    queue = stack._backend.pool.queue
    run = stack.submit(path, name="before")
    batch.update_job_queue(jobQueue=queue, state="DISABLED")
    try:
        with pytest.raises(CannotStart, match="DISABLED"):
            stack.submit(path, name="disabled")
        stack._backend._seen.clear()
        assert run.status.reason == "The job queue is disabled."
        assert "pulumi up" in run.status.remedy
    finally:
        batch.update_job_queue(jobQueue=queue, state="ENABLED")
    gone = replace_definition(stack, stack._backend.pool.definition.rpartition(":")[0] + ":99")
    with pytest.raises(CannotStart, match="not ACTIVE"):
        gone.submit(path, name="undefined")


def replace_definition(stack: Cluster, definition: str) -> Cluster:
    stack._backend.pool = stack._backend.pool.model_copy(update={"definition": definition})
    return stack


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - x", "No machine of the pool can take the job"),
        ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - x", "no such machines just now"),
    ],
)
def test_a_job_that_never_starts_explains_why(waiting, stack, path, said, expected):
    run = stack.submit(path, name=said.split(":")[0])
    submitted(waiting, run.name)[0].reason = said
    stack._backend._seen.clear()
    assert expected in run.status.reason
    assert run.status.remedy


def test_waiting_run_is_cancelled_and_can_be_resumed_before(waiting, stack, path):
    run = stack.submit(path, name="cancelled")
    run.interrupt()
    state = run.wait(20, check=False)
    assert state.state == "failed"
    assert "interrupted by its user" in state.reason
    run.resume()
    assert run.status.state == "waiting"
    assert len(submitted(waiting, "cancelled")) == 2
    run.cancel()
    assert run.status.state == "cancelled"


def test_image_that_cannot_be_pulled_is_named(waiting, stack, path, monkeypatch):
    monkeypatch.setattr(waiting, "broken_image", True)
    waiting.capacity.set()
    try:
        state = stack.submit(path, name="no-image").wait(30, check=False)
    finally:
        waiting.capacity.clear()
    assert state.state == "failed"
    assert "CannotPullContainerError" in state.reason
    assert state.remedy
    assert len(submitted(waiting, "no-image")[0].attempts) == 10, "it may be there a little later"


@pytest.mark.parametrize(
    ("exit_code", "status_reason", "reason", "again"),
    [
        ("75", "Essential container in task exited", "", True),
        ("76", "Essential container in task exited", "", True),
        ("", "Host EC2 (instance i-0123) terminated.", "", True),
        ("", "Task failed to start", "CannotPullContainerError: timeout", True),
        ("", "Task failed to start", "DockerTimeoutError: Could not transition to created; timed out", True),
        ("3", "Essential container in task exited", "", False),
        ("1", "Essential container in task exited", "", False),
        ("137", "Essential container in task exited", "OutOfMemoryError: Container killed", False),
    ],
)
def test_retry_rules_of_the_stack_part_bad_luck_from_bad_scripts(
    waiting, stack, exit_code, status_reason, reason, again
):
    wanted = stack._backend.pool.definition
    definition = waiting._client("batch").describe_job_definitions(jobDefinitions=[wanted])["jobDefinitions"][0]
    strategy = definition["retryStrategy"]
    assert decide(strategy, 1, exit_code, status_reason, reason) == again
    assert not decide(strategy, 10, exit_code, status_reason, reason)


def test_an_input_name_with_spaces_and_unicode(waiting, stack, script):
    path = script('units lj\nread_data "the start.data"\n', name="in.names")
    names = ("the start.data", "größe von α.data")  # the second LAMMPS itself could not name
    for name in names:
        (path.parent / name).write_text(name)
    run = stack.submit(path, name="names", inputs=[path.parent / names[1]])
    for name in names:
        assert b"".join(run.record.read_blob(run.spec.inputs[name])) == name.encode()


def test_unknown_pool_and_unknown_stack(waiting):
    with pytest.raises(StackError, match="It has: cpu, t4"):
        lammps_jobs.connect("dev", pool="a100")
    with pytest.raises(StackError, match="no stack named 'mars'"):
        lammps_jobs.connect("mars")
    with pytest.raises(StackError, match="in eu-west-3"):
        lammps_jobs.connect("dev", region="eu-west-3")


def test_bucket_that_is_gone_or_of_another_account(waiting, stack, path, monkeypatch):
    from lammps_jobs.errors import StoreError
    from lammps_jobs.record.object_store import open_root

    root = open_root("s3://somebody-elses-bucket/runs", "eu-central-1")
    other = Cluster("s3://somebody-elses-bucket/runs", stack._backend, root)
    with pytest.raises(StoreError, match=r"somebody-elses-bucket|store"):
        other.submit(path, name="lost")
