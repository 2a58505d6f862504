"""Raw objects become facts; what is missing in them is no error."""

from typing import Any

import pytest

from tests.unit.operator.builders import (
    JOB_UID,
    NOW,
    UID,
    at,
    dead_pod,
    owner,
    raw_job,
    raw_pod,
    raw_run,
    run,
    unschedulable_pod,
    waiting_pod,
)
from trainingrun_operator.observed import (
    JobState,
    Trouble,
    controller_uid,
    job_from,
    pod_from,
    run_from,
)
from trainingrun_operator.times import to_timestamp
from trainingrun_operator.view import View


def test_a_run_without_status_or_generation_is_read() -> None:
    body = raw_run()
    del body["metadata"]["generation"]
    found = run_from(body)
    assert (found.key, found.generation, found.status, found.deleting) == (("team", "chest"), 1, {}, False)


def test_a_run_that_is_being_deleted_says_so() -> None:
    assert run(deletionTimestamp="2026-01-01T00:00:00Z").deleting


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ("", JobState.ACTIVE),
        ("Suspended", JobState.ACTIVE),
        ("FailureTarget", JobState.ACTIVE),
        ("SuccessCriteriaMet", JobState.ACTIVE),
        ("Complete", JobState.COMPLETE),
        ("Failed", JobState.FAILED),
    ],
)
def test_a_job_has_ended_only_by_its_final_conditions(condition: str, state: JobState) -> None:
    assert job_from(raw_job(condition)).state == state


@pytest.mark.parametrize("labels", [{}, {"trainingrun.dev/attempt": "first"}])
def test_a_job_that_somebody_else_labelled_is_no_error(labels: dict[str, str]) -> None:
    body = raw_job()
    body["metadata"]["labels"] = labels
    assert job_from(body).attempt == 0


def test_a_false_condition_is_none() -> None:
    body = raw_job("Failed")
    body["status"]["conditions"][-1]["status"] = "False"
    assert job_from(body).state == JobState.ACTIVE


def test_a_job_and_a_pod_of_a_moment_ago_have_no_status() -> None:
    job, pod = raw_job(), raw_pod()
    del job["status"], pod["status"], pod["spec"]
    assert job_from(job).state == JobState.ACTIVE
    found = pod_from(pod)
    assert (found.phase, found.node, found.ip, found.exit, found.waiting) == ("Pending", "", "", None, None)


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        (
            waiting_pod(reason="ErrImagePull", message="no such host"),
            "waiting",
            Trouble("ErrImagePull", "no such host"),
        ),
        (unschedulable_pod("0/2 nodes"), "unschedulable", Trouble("Unschedulable", "0/2 nodes")),
        (raw_pod(conditions=[{"type": "PodScheduled", "status": "True"}]), "unschedulable", None),
        (
            raw_pod(
                conditions=[{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]
            ),
            "disruption",
            Trouble("EvictionByEvictionAPI", ""),
        ),
        (
            raw_pod(phase="Failed", reason="OutOfcpu", message="no cpu"),
            "disruption",
            Trouble("OutOfcpu", "no cpu"),
        ),
        (raw_pod(phase="Running", reason="NodeLost"), "disruption", None),
        (raw_pod(3), "index", 3),
    ],
)
def test_a_pod_tells_what_holds_it(body: dict[str, Any], field: str, expected: object) -> None:
    assert getattr(pod_from(body), field) == expected


def test_the_end_of_the_trainer_container_is_read_and_not_that_of_a_sidecar() -> None:
    body = dead_pod(code=7, message="boom")
    sidecar = {"name": "proxy", "state": {"terminated": {"exitCode": 1}}}
    body["status"]["containerStatuses"].insert(0, sidecar)
    found = pod_from(body).exit
    assert found is not None
    assert (found.code, found.message, (NOW - found.finished_at).seconds) == (7, "boom", 10)


@pytest.mark.parametrize(
    ("state", "seconds_ago"),
    [
        ({"running": {"startedAt": at(-50)}}, 50),
        ({"terminated": {"exitCode": 0, "startedAt": at(-50)}}, 50),
        ({"terminated": {"exitCode": 128, "startedAt": "1970-01-01T00:00:00Z"}}, None),
        ({"terminated": {"exitCode": 137, "startedAt": None}}, None),
        ({"waiting": {}}, None),
    ],
)
def test_a_container_started_or_never_did(state: dict[str, Any], seconds_ago: int | None) -> None:
    found = pod_from(raw_pod(state=state)).started_at
    assert (found and (NOW - found).seconds) == seconds_ago


def test_only_the_controlling_owner_counts() -> None:
    body = raw_job()
    body["metadata"]["ownerReferences"] = [{**owner("other"), "controller": False}, owner(UID)]
    assert controller_uid(body) == UID
    assert controller_uid({"metadata": {}}) == ""


def test_children_of_an_earlier_run_of_that_name_are_not_ours() -> None:
    view = View(
        run(),
        (job_from(raw_job("Failed", owner_uid="old", uid="old-job")), job_from(raw_job())),
        (pod_from(raw_pod(0, job_uid="old-job", run_uid="old")), pod_from(raw_pod(1)), pod_from(raw_pod(0))),
    )
    job, pods = view.current()
    assert job is not None
    assert job.uid == JOB_UID
    assert [(pod.index, pod.job_uid) for pod in pods] == [(0, JOB_UID), (1, JOB_UID)]


def test_the_latest_attempt_is_the_current_one() -> None:
    view = View(run(), tuple(job_from(raw_job(attempt=n, uid=f"job-{n}")) for n in (1, 10, 9)))
    job, _ = view.current()
    assert job is not None
    assert job.attempt == 10


def test_pods_are_told_apart_by_attempt_with_and_without_their_job() -> None:
    pods = [pod_from(raw_pod(index, attempt=attempt)) for attempt in (2, 1) for index in (1, 0)]
    children = View(run(), (job_from(raw_job()),), tuple(pods)).children()
    assert [(pod.attempt, pod.index) for pod in children.pods] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert [pod.index for pod in children.pods_of(2)] == [0, 1]
    assert children.job(2) is None


@pytest.mark.parametrize(
    ("recorded", "jobs", "latest"), [(None, (), None), (2, (), 2), (1, (1, 2), 2), (3, (1,), 3)]
)
def test_the_latest_attempt_is_the_recorded_one_or_that_of_a_later_job(
    recorded: int | None, jobs: tuple[int, ...], latest: int | None
) -> None:
    view = View(run(), tuple(job_from(raw_job(attempt=n, uid=f"job-{n}")) for n in jobs))
    assert view.children().latest(recorded) == latest


def test_a_deletion_has_a_beginning_and_an_end() -> None:
    meta = {"deletionTimestamp": at(20), "deletionGracePeriodSeconds": 30}
    found = pod_from(raw_pod(meta=meta)).deletion
    assert found is not None
    assert ((found.requested_at - NOW).total_seconds(), (found.due_at - NOW).total_seconds()) == (-10, 20)
    assert pod_from(raw_pod()).deletion is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (raw_pod(), False),
        (raw_pod(conditions=[{"type": "Ready", "status": "False"}]), True),
        (raw_pod(conditions=[{"type": "Ready", "status": "True"}]), False),
        (raw_pod(conditions=[{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]), False),
        (dead_pod(conditions=[{"type": "Ready", "status": "False"}]), False),
    ],
)
def test_a_running_pod_that_is_not_ready_is_on_a_node_that_does_not_answer(
    body: dict[str, Any], expected: bool
) -> None:
    assert pod_from(body).unreachable == expected


@pytest.mark.parametrize(
    ("change", "suspended", "started"),
    [({}, False, None), ({"suspend": True}, True, None), ({"suspend": False}, False, at(-30))],
)
def test_a_job_tells_whether_it_may_create_pods(
    change: dict[str, Any], suspended: bool, started: str | None
) -> None:
    body = raw_job()
    body["spec"] = change
    body["status"]["startTime"] = started
    found = job_from(body)
    assert (found.suspended, found.started_at and to_timestamp(found.started_at)) == (suspended, started)
    assert to_timestamp(found.created) == at(-60)
