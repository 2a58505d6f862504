"""One active run a project and namespace, first come, first served."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from threading import Barrier
from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    NAMESPACE,
    NOW,
    TRAINER_IMAGE,
    at,
    condition,
    raw_job,
    raw_run,
    situation,
)
from tests.unit.operator.memory_cluster import MemoryCluster
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_operator.decide import decide
from trainingrun_operator.heartbeats import Pulse
from trainingrun_operator.informer import Informer
from trainingrun_operator.observed import job_from, run_from
from trainingrun_operator.plan import Ahead, Verify
from trainingrun_operator.projects import Claim, Projects, claim_of, line
from trainingrun_operator.reconciler import Reconciler
from trainingrun_operator.store import Store
from trainingrun_operator.view import View

SPEC = {**COMMAND, "project": "chest"}
ATTEMPT_1_RECORD = {"number": 1, "outcome": "Failure", "reason": "UserError"}
SUSPENDED_RECORD = {"number": 1, "outcome": "Suspension", "reason": "Suspended"}


def says(kind: str, status: str, reason: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "lastTransitionTime": at(0)}


RUNNING = {"phase": "Running", "attempt": 1, "columns": {"epoch": "3/50"}}
RESTARTING = {"phase": "Pending", "attempt": 1, "attempts": [ATTEMPT_1_RECORD]}
SUSPENDED = {"phase": "Pending", "attempt": 1, "attempts": [SUSPENDED_RECORD]}
HELD_BACK = {**RESTARTING, "conditions": [says("QuotaReserved", "False", "WaitingForProject")]}
LEFT_BETWEEN = {**RESTARTING, "conditions": [says("QuotaReserved", "False", "Suspended")]}
OVER = {"phase": "Completed", "attempt": 1}


def member(
    name: str,
    status: dict[str, Any] | None = None,
    created: float = -60,
    spec: dict[str, Any] | None = None,
    jobs: Sequence[dict[str, Any]] = (),
    **meta: Any,
) -> View:
    """A run of the project."""
    body = raw_run(
        {**SPEC, **(spec or {})}, status, name=name, uid=f"uid-{name}", creationTimestamp=at(created), **meta
    )
    return View(run_from(body), tuple(job_from(job) for job in jobs))


UNRECORDED_JOB = raw_job(owner_uid="uid-a")


@pytest.mark.parametrize(
    ("view", "claim"),
    [
        (member("a"), Claim.WAITING),
        (member("a", {"phase": "Pending"}), Claim.WAITING),
        (member("a", jobs=[UNRECORDED_JOB]), Claim.UNDER_WAY),
        (member("a", {"phase": "Pending", "attempt": 1}), Claim.UNDER_WAY),
        (member("a", RUNNING), Claim.UNDER_WAY),
        (member("a", RUNNING, spec={"suspend": True}), Claim.UNDER_WAY),
        (member("a", RESTARTING), Claim.RESTARTING),
        (member("a", {**RESTARTING, "attempt": 2}), Claim.UNDER_WAY),
        (member("a", HELD_BACK), Claim.WAITING),
        (member("a", SUSPENDED), Claim.WAITING),
        (member("a", LEFT_BETWEEN), Claim.WAITING),
        (member("a", spec={"suspend": True}), None),
        (member("a", SUSPENDED, spec={"suspend": True}), None),
        (member("a", OVER), None),
        (member("a", {"phase": "Failed"}), None),
        (member("a", RUNNING, deletionTimestamp=at(0)), None),
    ],
)
def test_how_strong_a_claim_is(view: View, claim: Claim | None) -> None:
    assert claim_of(view) == claim


@pytest.mark.parametrize(
    ("views", "order"),
    [
        ([member("b"), member("a")], "ab"),
        ([member("a", created=-10), member("b", created=-20)], "ba"),
        ([member("a", created=-90), member("b", RUNNING)], "ba"),
        ([member("a", created=-90), member("b", RESTARTING)], "ba"),
        ([member("a", RESTARTING), member("b", RUNNING)], "ba"),
        ([member("a", OVER), member("b")], "b"),
    ],
)
def test_the_active_one_goes_first_and_then_who_came_first(views: list[View], order: str) -> None:
    assert "".join(view.run.name for view in line(views)) == order


class TestLedger:
    def test_a_run_without_a_project_never_waits(self) -> None:
        alone = View(run_from(raw_run(COMMAND)))
        assert Projects().ahead(alone, [member("a", RUNNING)]) is None

    def test_who_is_first_in_line_goes_and_the_others_are_told_their_place(self) -> None:
        projects = Projects()
        a, b, c = member("a"), member("b"), member("c")
        assert projects.ahead(c, [a, b]) == Ahead("a", "Pending", holds=False, place=2)
        assert projects.ahead(a, [b, c]) is None
        assert projects.ahead(b, [a, c]) == Ahead("a", "Pending", holds=True, place=1)

    def test_what_this_process_allowed_counts_before_any_index_shows_it(self) -> None:
        projects = Projects()
        late, early = member("late"), member("early", created=-600)
        assert projects.ahead(late, []) is None
        assert projects.ahead(early, [late]) == Ahead("late", "Pending", holds=True, place=1)
        assert projects.ahead(early, []) == Ahead("late", "Pending", holds=True, place=1)

    def test_after_a_restart_of_the_operator_the_active_run_keeps_its_project(self) -> None:
        waiting, active = member("a", created=-600), member("b", RUNNING)
        projects = Projects()
        assert projects.ahead(waiting, [active]) == Ahead("b", "Running, epoch 3/50", holds=False, place=1)
        assert projects.ahead(active, [waiting]) is None

    def test_a_job_whose_attempt_was_never_recorded_makes_its_run_active(self) -> None:
        unrecorded = member("b", jobs=[raw_job(owner_uid="uid-b")])
        ahead = Projects().ahead(member("a", created=-600), [unrecorded])
        assert ahead is not None
        assert ahead.name == "b"

    @pytest.mark.parametrize("status", [OVER, {"phase": "Failed"}, SUSPENDED])
    def test_who_wants_nothing_any_more_lets_the_next_one_go(self, status: dict[str, Any]) -> None:
        projects = Projects()
        a, b = member("a", RUNNING), member("b")
        assert projects.ahead(a, [b]) is None
        assert projects.news(a, "Running") is None
        gone = member("a", status, spec={"suspend": True})
        assert projects.news(gone, "Running") == (NAMESPACE, "chest")
        assert projects.news(gone, "Running") is None
        assert projects.ahead(b, [gone]) is None

    def test_a_restarting_run_keeps_its_project(self) -> None:
        projects = Projects()
        assert projects.ahead(member("b", RUNNING), []) is None
        assert projects.news(member("b", RESTARTING), "Pending") is None
        assert projects.ahead(member("a"), [member("b", RESTARTING)]) is not None
        assert projects.ahead(member("b", RESTARTING), [member("a")]) is None

    def test_the_waiting_ones_hear_of_each_change_of_phase(self) -> None:
        projects = Projects()
        assert projects.ahead(member("a"), []) is None
        assert projects.news(member("a", RUNNING), "Pending") == (NAMESPACE, "chest")
        assert projects.news(member("a", RUNNING), "Running") is None
        assert projects.news(member("b", RUNNING), "Pending") is None

    def test_who_was_resumed_queues_anew(self) -> None:
        projects = Projects()
        active, resumed = member("b", RUNNING), member("a", SUSPENDED, created=-600)
        assert projects.ahead(active, [resumed]) is None
        assert projects.ahead(resumed, [active]) == Ahead("b", "Running, epoch 3/50", holds=True, place=1)
        assert projects.ahead(member("b", RESTARTING), [resumed]) is None

    def test_a_deleted_run_lets_its_project_go(self) -> None:
        projects = Projects()
        assert projects.ahead(member("a"), []) is None
        assert projects.forget("uid-a") == (NAMESPACE, "chest")
        assert projects.forget("uid-a") is None
        assert projects.ahead(member("b"), []) is None

    def test_projects_and_namespaces_are_apart(self) -> None:
        projects = Projects()
        assert projects.ahead(member("a"), []) is None
        assert projects.ahead(member("b", spec={"project": "brain"}), []) is None
        assert projects.ahead(member("a", namespace="other"), []) is None


def test_the_informer_finds_the_other_runs_of_a_project_with_their_jobs() -> None:
    a, b = member("a"), member("b", jobs=[raw_job(owner_uid="uid-b")])
    alone = run_from(raw_run(COMMAND, name="alone", uid="uid-alone"))
    project = (NAMESPACE, "chest")
    over = member("over", OVER)
    informer = Informer(jobs=Store({b.run.key: b.jobs}))
    for each in (a, b, over):
        informer.seen(each.run, gone=False)
    assert informer.rivals(a.run) == (b,)
    assert informer.rivals(alone) == ()
    assert informer.members(project) == [a.run.key, b.run.key]
    informer.bury({"uid-b"})
    assert informer.rivals(a.run) == ()


@pytest.mark.parametrize(
    ("ahead", "message"),
    [
        (Ahead("one", "Running, epoch 3/50", True, 2), "waits for one (Running, epoch 3/50), 2nd in line"),
        (Ahead("one", "Pending", True, 1), "waits for one (Pending), 1st in line"),
        (Ahead("one", "Pending", True, 3), "waits for one (Pending), 3rd in line"),
        (Ahead("one", "Pending", True, 11), "waits for one (Pending), 11th in line"),
        (Ahead("one", "Pending", True, 22), "waits for one (Pending), 22nd in line"),
        (Ahead("one", "Pending", True, 112), "waits for one (Pending), 112th in line"),
    ],
)
def test_a_waiting_run_says_for_whom_and_creates_nothing(ahead: Ahead, message: str) -> None:
    plan = decide(replace(situation(spec=SPEC), ahead=ahead))
    assert (plan.create, plan.verify, plan.requeue_after) == ((), None, None)
    status = plan.status
    assert status is not None
    assert (status.phase, status.reason, status.message) == (Phase.PENDING, "WaitingForProject", message)
    assert status.waiting_for == "one"
    held = condition(status, ConditionType.QUOTA_RESERVED)
    assert (held.status, held.reason, held.message) == ("False", "WaitingForProject", message)


def test_a_run_looks_again_soon_while_the_one_ahead_of_it_has_not_been_looked_at() -> None:
    assert decide(replace(situation(spec=SPEC), ahead=Ahead("one", "Pending", False, 1))).requeue_after


def test_who_starts_waits_for_nobody() -> None:
    waiting = decide(replace(situation(spec=SPEC), ahead=Ahead("one", "Running", True, 1))).status
    status = decide(situation(spec=SPEC, status=waiting, verified=Verify.RUN)).status
    assert status is not None
    assert status.waiting_for is None
    assert condition(status, ConditionType.QUOTA_RESERVED).status == "True"
    assert condition(status, ConditionType.QUOTA_RESERVED).reason == Reason.NO_QUEUE


def reconciler(cluster: MemoryCluster) -> Reconciler:
    def now() -> datetime:
        return NOW

    return Reconciler(cluster, TRAINER_IMAGE, 10, now, "here", lambda pods: Pulse())


def cluster_of(*names: str) -> tuple[MemoryCluster, list[View]]:
    """Runs of one project, created in the same second, and an index that shows no more than that."""
    cluster = MemoryCluster()
    views = []
    for name in names:
        stored = cluster.put(raw_run(SPEC, None, name=name, uid=f"uid-{name}"))
        views.append(View(run_from(stored)))
    return cluster, views


def jobs(cluster: MemoryCluster) -> list[str]:
    return sorted(name for kind, name in cluster.objects if kind == "Job")


def test_two_looks_on_the_same_old_index_start_one_run() -> None:
    cluster, (a, b) = cluster_of("a", "b")
    operator = reconciler(cluster)
    assert operator.reconcile(b, None, [a]).status.waiting_for == "a"
    assert operator.reconcile(a, None, [b]).status.attempt == 1
    assert operator.reconcile(b, None, [a]).status.waiting_for == "a"
    assert jobs(cluster) == ["a-1"]


def test_two_workers_at_once_never_start_both() -> None:
    workers = 4
    with ThreadPoolExecutor(workers) as pool:
        for _ in range(50):
            cluster, views = cluster_of("a", "b", "c", "d")
            operator, together = reconciler(cluster), Barrier(workers)

            def look(
                view: View,
                operator: Reconciler = operator,
                together: Barrier = together,
                views: Sequence[View] = tuple(views),
            ) -> None:
                # Half of them have not heard of any other.
                rivals = [rival for rival in views if rival is not view] if view.run.name in "ab" else []
                together.wait(timeout=60)
                operator.reconcile(view, None, rivals)

            list(pool.map(look, views))
            assert len(jobs(cluster)) == 1


def test_the_end_of_the_active_run_frees_its_project_before_the_index_shows_it() -> None:
    cluster, (a, b) = cluster_of("a", "b")
    operator = reconciler(cluster)
    assert operator.reconcile(a, None, [b]).stirred == (NAMESPACE, "chest")
    complete = job_from(raw_job("Complete", owner_uid="uid-a"))
    under_way = View(run_from(cluster.objects["TrainingRun", "a"]), (complete,))
    outcome = operator.reconcile(under_way, None, [b])
    assert (outcome.status.phase, outcome.stirred) == (Phase.COMPLETED, (NAMESPACE, "chest"))
    assert operator.reconcile(b, None, [under_way]).status.attempt == 1
    assert operator.forget("uid-b") == (NAMESPACE, "chest")
