"""A Job that waits for its queue, is admitted, and loses its quota again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    JOB_UID,
    NAME,
    NOW,
    TRAINER_IMAGE,
    at,
    condition,
    raw_job,
    raw_pod,
    run,
    situation,
    started,
)
from tests.unit.operator.memory_cluster import Killed, MemoryCluster, cluster_with_run
from trainingrun_api import TrainingRunSpec, TrainingRunStatus, names
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_operator.cluster import WORKLOADS, Resource
from trainingrun_operator.decide import decide
from trainingrun_operator.desired.job import job
from trainingrun_operator.heartbeats import Pulse
from trainingrun_operator.kueue import Workload
from trainingrun_operator.observed import Trouble, pod_from
from trainingrun_operator.plan import Plan, Verify
from trainingrun_operator.policies.queue import SETTLED_SECONDS
from trainingrun_operator.reconciler import Reconciler

SPEC = {**COMMAND, "queue": "team-a"}
PREEMPTED = Trouble("Preempted", "made room for another workload")
STOPPED = Trouble("ClusterQueueStopped", "the ClusterQueue is stopped")


def suspended(state: str = "", **more: Any) -> dict[str, Any]:
    """A suspended Job."""
    return {**raw_job(state, **more), "spec": {"suspend": True}}


def decided(*children: Any, workload: Workload | None = None, **more: Any) -> Plan:
    """The decision after Kueue was asked."""
    found = situation(*children, **{"spec": SPEC, "verified": Verify.WORKLOAD, **more})
    return decide(replace(found, workload=workload))


def status_of(plan: Plan) -> TrainingRunStatus:
    assert plan.status is not None, plan.why
    return plan.status


def quota(status: TrainingRunStatus) -> tuple[str, str]:
    found = condition(status, ConditionType.QUOTA_RESERVED)
    return found.status, found.reason


def admitted_status() -> TrainingRunStatus:
    """Of a run whose admitted pods run."""
    waiting = started(spec=SPEC)
    return status_of(decide(situation(raw_job(), raw_pod(), spec=SPEC, status=waiting)))


class TestJob:
    def test_with_a_queue_it_is_created_suspended_and_labelled_and_its_pods_are_not(self) -> None:
        manifest = job(run(SPEC), TrainingRunSpec.model_validate(SPEC), 1, TRAINER_IMAGE)
        assert manifest["spec"]["suspend"] is True
        assert manifest["metadata"]["labels"][names.QUEUE_LABEL] == "team-a"
        assert names.QUEUE_LABEL not in manifest["spec"]["template"]["metadata"]["labels"]

    def test_without_a_queue_it_starts_at_once(self) -> None:
        manifest = job(run(COMMAND), TrainingRunSpec.model_validate(COMMAND), 1, TRAINER_IMAGE)
        assert "suspend" not in manifest["spec"]
        assert names.QUEUE_LABEL not in manifest["metadata"]["labels"]


class TestQueued:
    def test_from_its_creation_on_the_run_says_what_it_waits_for(self) -> None:
        status = started(spec=SPEC)
        assert (status.phase, status.reason) == (Phase.PENDING, Reason.QUEUED)
        assert status.message == "waits for quota in LocalQueue team-a"
        assert quota(status) == ("False", "Queued")

    def test_a_suspended_job_is_nothing_to_decide_on_before_kueue_was_asked(self) -> None:
        plan = decide(situation(suspended(), spec=SPEC, status=started(spec=SPEC)))
        assert (plan.verify, plan.status) == (Verify.WORKLOAD, None)

    @pytest.mark.parametrize(
        ("workload", "message"),
        [
            (None, "waits for quota in LocalQueue team-a"),
            (Workload("", None), "waits for quota in LocalQueue team-a"),
            (Workload("no cpu left", None), "waits for quota in LocalQueue team-a: no cpu left"),
        ],
    )
    def test_the_words_of_the_queue_are_added(self, workload: Workload | None, message: str) -> None:
        status = status_of(decided(suspended(), status=started(spec=SPEC), workload=workload))
        assert (status.phase, status.reason, status.message) == (Phase.PENDING, Reason.QUEUED, message)
        assert quota(status) == ("False", "Queued")
        assert status.stopping is None

    def test_it_asks_again_for_a_while_and_is_quiet_then(self) -> None:
        young = suspended()
        young["metadata"]["creationTimestamp"] = at(-SETTLED_SECONDS / 2)
        assert decided(young, status=started(spec=SPEC)).requeue_after
        assert decided(suspended(), status=started(spec=SPEC)).requeue_after is None

    def test_a_job_whose_attempt_was_never_recorded_is_recorded(self) -> None:
        before = status_of(decided(suspended(), status=started(spec=SPEC)))
        assert status_of(decided(suspended())).attempt == before.attempt == 1

    def test_an_admission_of_an_earlier_attempt_is_none_of_the_next_one(self) -> None:
        status = status_of(decided(suspended(attempt=2), status=admitted_status()))
        assert status.stopping is None
        assert quota(status) == ("False", "Queued")

    def test_a_job_that_somebody_suspended_without_a_queue_is_waited_for(self) -> None:
        status = status_of(decided(suspended(), spec=COMMAND))
        assert (status.phase, status.reason) == (Phase.PENDING, Reason.QUEUED)
        assert status.message == "somebody suspended the Job; the run goes on when it is resumed"

    def test_a_job_without_a_queue_that_never_ran_is_waited_for_and_not_given_up(self) -> None:
        """As where Kueue is told to hold back Jobs that name no queue: another one would fare alike."""
        told = Workload("the Job names no LocalQueue", None)
        status = status_of(decided(suspended(), spec=COMMAND, status=started(), workload=told))
        assert status.stopping is None
        assert (status.phase, status.reason) == (Phase.PENDING, Reason.QUEUED)
        assert status.message == (
            "somebody suspended the Job; the run goes on when it is resumed: the Job names no LocalQueue"
        )

    def test_its_time_to_start_counts_from_when_it_was_let_go(self) -> None:
        spec = {**COMMAND, "deadlines": {"startupSeconds": 30}}
        held = status_of(decided(suspended(), spec=spec, status=started(spec=spec)))
        plan = decide(situation(raw_job(), spec=spec, status=held, verified=Verify.COMPLAINT))
        let_go = status_of(plan)
        assert (let_go.stopping, quota(let_go)) == (None, ("True", "NoQueue"))
        then = situation(raw_job(), spec=spec, status=let_go, verified=Verify.COMPLAINT)
        assert status_of(decide(then)).stopping is None
        late = replace(then, now=NOW + timedelta(seconds=30))
        assert status_of(decide(late)).stopping is not None


class TestAdmitted:
    @pytest.mark.parametrize("children", [[raw_job()], [raw_job(), raw_pod()]])
    def test_quota_is_reserved_as_soon_as_the_job_may_run(self, children: list[Any]) -> None:
        then = situation(*children, spec=SPEC, status=started(spec=SPEC), verified=Verify.COMPLAINT)
        status = status_of(decide(then))
        assert quota(status) == ("True", "Admitted")
        assert condition(status, ConditionType.QUOTA_RESERVED).message == "admitted by LocalQueue team-a"

    def test_without_queue_and_project_there_is_nothing_to_wait_for(self) -> None:
        assert quota(started()) == ("True", "NoQueue")

    def test_pods_behind_a_scheduling_gate_are_on_their_way(self) -> None:
        gate = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "gated"}
        gated = raw_pod(0, "Pending", {"waiting": {}}, [gate], node="")
        assert pod_from(gated).unschedulable is None
        then = situation(raw_job(), gated, spec=SPEC, status=started(spec=SPEC), verified=Verify.COMPLAINT)
        status = status_of(decide(then))
        assert status.reason == Reason.PODS_STARTING


class TestEvicted:
    @pytest.mark.parametrize(
        ("spec", "workload", "reason", "message"),
        [
            (SPEC, None, Reason.PREEMPTED, "LocalQueue team-a took the quota back"),
            (
                SPEC,
                Workload("", PREEMPTED),
                Reason.PREEMPTED,
                "LocalQueue team-a took the quota back: made room for another workload",
            ),
            (
                SPEC,
                Workload("", STOPPED),
                Reason.EVICTED,
                "LocalQueue team-a took the quota back: the ClusterQueue is stopped",
            ),
            (
                SPEC,
                Workload("", Trouble("Deactivated", "")),
                Reason.EVICTED,
                "LocalQueue team-a took the quota back: Deactivated",
            ),
            (COMMAND, None, Reason.EVICTED, "somebody suspended the Job"),
        ],
    )
    def test_the_attempt_is_stopped_for_the_reason_that_the_queue_gives(
        self, spec: dict[str, Any], workload: Workload | None, reason: Reason, message: str
    ) -> None:
        status = status_of(decided(suspended(), raw_pod(), spec=spec, workload=workload))
        assert status.stopping is not None
        assert (status.stopping.attempt, status.stopping.reason) == (1, reason)
        assert status.stopping.message == message
        assert status.last_failure is not None
        assert (status.last_failure.reason, status.last_failure.message) == (reason, message)
        assert quota(status) == ("False", reason)

    def test_pods_that_are_gone_before_anybody_looked_change_nothing(self) -> None:
        status = status_of(decided(suspended(), status=admitted_status()))
        assert status.stopping is not None
        assert status.stopping.reason == Reason.PREEMPTED

    def test_nor_do_they_where_there_is_no_queue(self) -> None:
        running = status_of(decide(situation(raw_job(), raw_pod(), status=started())))
        status = status_of(decided(suspended(), spec=COMMAND, status=running))
        assert status.stopping is not None
        assert status.stopping.reason == Reason.EVICTED

    def test_a_job_that_failed_of_its_eviction_was_evicted(self) -> None:
        status = status_of(decided(suspended("Failed"), status=admitted_status()))
        assert status.stopping is not None

    def test_a_job_that_was_complete_before_is_complete(self) -> None:
        plan = decided(suspended("Complete"), status=admitted_status())
        assert status_of(plan).phase == Phase.COMPLETED

    def test_the_job_is_deleted_which_releases_the_queue(self) -> None:
        stopping = status_of(decided(suspended(), raw_pod(), status=admitted_status()))
        plan = decide(situation(suspended(), raw_pod(), spec=SPEC, status=stopping))
        assert ("Job", JOB_UID) in [(deletion.kind, deletion.uid) for deletion in plan.delete]

    def test_it_is_free_and_the_next_attempt_queues_anew(self) -> None:
        stopping = status_of(decided(suspended(), raw_pod(), status=admitted_status()))
        between = status_of(decide(situation(spec=SPEC, status=stopping)))
        record = (between.attempts or [])[-1]
        assert (record.outcome, record.reason) == ("Disruption", "Preempted")
        assert between.budget is None or between.budget.failures == 0
        again = decide(situation(spec=SPEC, status=between))
        assert again.verify == Verify.RUN


class Preempting(MemoryCluster):
    """Admits every Job as soon as it can, and takes the quota of the first one back once that runs."""

    def find(
        self, resource: Resource, namespace: str, selector: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        return [] if resource == WORKLOADS else super().find(resource, namespace, selector, fields)

    def step(self, nodes: int, exit_code: int) -> None:
        job = max(self._all("Job"), key=lambda found: str(found["metadata"]["name"]), default=None)
        first = job is not None and job["metadata"]["uid"] == JOB_UID
        running = first and any(pod["status"]["phase"] == "Running" for pod in self._all("Pod"))
        if job and running:
            self.put({**job, "spec": {**job["spec"], "suspend": True}})
            self._remove_pods_of(JOB_UID)
        elif job and job["spec"].get("suspend"):
            given_up = self.objects[names.KIND, NAME]["status"].get("stopping")
            self.put({**job, "spec": {**job["spec"], "suspend": bool(given_up)}})
        else:
            super().step(nodes, exit_code)


def preempted_and_completed(die_at: dict[int, str]) -> Preempting:
    """The cluster after a run that was preempted once, with a new process after each death."""
    cluster = Preempting(objects=cluster_with_run({**SPEC, "nodes": 2}).objects, die_at=dict(die_at))

    def process() -> Reconciler:
        return Reconciler(cluster, TRAINER_IMAGE, 10, lambda: NOW, "here", lambda pods: Pulse())

    operator = process()
    for _ in range(100):
        try:
            operator.reconcile(cluster.view())
        except Killed:
            operator = process()
            continue
        if cluster.objects[names.KIND, NAME]["status"]["phase"] == "Completed":
            return cluster
        cluster.step(nodes=2, exit_code=0)
    raise AssertionError(f"the run does not end: {cluster.statuses[-1]}")


UNDISTURBED = preempted_and_completed({})


def durable(cluster: MemoryCluster) -> tuple[dict[str, int], dict[str, int]]:
    """Creations and deletions without news, which may get lost."""
    created = {name: count for name, count in cluster.created.items() if not name.startswith("Event/")}
    return created, dict(cluster.deleted)


def test_a_preempted_run_completes_with_its_second_job() -> None:
    created, deleted = durable(UNDISTURBED)
    assert {name for name in created if name.startswith("Job/")} == {"Job/chest-1", "Job/chest-2"}
    assert deleted == {"Job/chest-1": 1}
    end = UNDISTURBED.statuses[-1]
    assert [(record["outcome"], record["reason"]) for record in end["attempts"]] == [
        ("Disruption", "Preempted"),
        ("Completed", "Completed"),
    ]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("write", range(1, UNDISTURBED.writes + 1))
def test_dying_at_any_write_of_it_leads_to_the_same_end(write: int, when: str) -> None:
    cluster = preempted_and_completed({write: when})
    assert not cluster.die_at, "the process did not die"
    assert cluster.statuses[-1] == UNDISTURBED.statuses[-1]
    assert durable(cluster) == durable(UNDISTURBED)
