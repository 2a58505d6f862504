"""Why pods do not come or do not start, where only Events tell it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    JOB_UID,
    NOW,
    at,
    condition,
    raw_job,
    raw_pod,
    situation,
    started,
    unschedulable_pod,
    waiting_pod,
)
from tests.unit.operator.memory_cluster import MemoryCluster
from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_operator.complaints import MEMORY_SECONDS, Complaints
from trainingrun_operator.decide import decide
from trainingrun_operator.errors import RefusedError, UnavailableError
from trainingrun_operator.observed import Trouble, complaint_from
from trainingrun_operator.plan import Verify
from trainingrun_operator.policies.waiting import QUIET_SECONDS, stuck

PAIR = {**COMMAND, "nodes": 2}
REFUSED = Trouble("FailedCreate", "exceeded quota: team")
NOT_MOUNTED = Trouble("FailedMount", "mount.nfs: Connection timed out")


def event(reason: str, seconds: float, kind: str = "Warning", **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"creationTimestamp": at(seconds)},
        "type": kind,
        "reason": reason,
        "note": f"about {reason}",
        **more,
    }


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], None),
        ([event("FailedCreate", -9)], "FailedCreate"),
        ([event("FailedCreate", -9), event("SuccessfulCreate", -5, "Normal")], None),
        ([event("FailedMount", -5), event("Scheduled", -9, "Normal")], "FailedMount"),
        (
            [event("FailedMount", -99, deprecatedLastTimestamp=at(-1)), event("Pulling", -9, "Normal")],
            "FailedMount",
        ),
        (
            [event("FailedMount", -99, series={"lastObservedTime": at(-1)}), event("Pulling", -9, "Normal")],
            "FailedMount",
        ),
        ([event("FailedMount", -9, eventTime=at(-9)), event("Pulled", -9, "Normal", eventTime=at(-8))], None),
    ],
)
def test_the_newest_event_decides(events: list[dict[str, Any]], reason: str | None) -> None:
    found = complaint_from(events)
    assert (found.reason if found else None) == reason


@pytest.mark.parametrize(
    ("pods", "uid"),
    [
        ([], JOB_UID),
        ([raw_pod(0)], JOB_UID),
        ([raw_pod(0), waiting_pod(1)], f"pod-1-1-{JOB_UID}"),
        ([raw_pod(0), raw_pod(1)], None),
    ],
)
def test_what_must_move_is_the_job_or_the_first_pod_that_does_not_start(
    pods: list[dict[str, Any]], uid: str | None
) -> None:
    found = stuck(situation(raw_job(), *pods, spec=PAIR))
    assert (found.uid if found else None) == uid


class TestWaiting:
    @pytest.mark.parametrize(
        ("pods", "complaint", "reason", "words"),
        [
            ([], REFUSED, Reason.REJECTED, "exceeded quota: team"),
            ([], None, Reason.AWAITING_PODS, "being created"),
            ([raw_pod(0), waiting_pod(1)], NOT_MOUNTED, Reason.VOLUME_UNBOUND, "Connection timed out"),
            (
                [raw_pod(0), waiting_pod(1)],
                Trouble("Unhealthy", "x"),
                Reason.PODS_STARTING,
                "1 of 2 pods run",
            ),
        ],
    )
    def test_a_complaint_is_told_once_it_was_asked_for(
        self, pods: list[dict[str, Any]], complaint: Trouble | None, reason: Reason, words: str
    ) -> None:
        then = situation(raw_job(), *pods, spec=PAIR, status=started(spec=PAIR))
        assert decide(then).verify == Verify.COMPLAINT
        asked = replace(then, complaint=complaint, verified=frozenset({Verify.COMPLAINT}))
        plan = decide(asked)
        assert plan.status is not None
        running = condition(plan.status, ConditionType.RUNNING)
        assert running.reason == reason
        assert words in running.message
        assert plan.requeue_after == QUIET_SECONDS

    def test_nobody_is_asked_early_nor_where_the_trouble_is_known(self) -> None:
        young = replace(
            situation(raw_job(), raw_pod(0), waiting_pod(1), spec=PAIR),
            now=NOW - timedelta(seconds=60 - QUIET_SECONDS + 1),
        )
        plan = decide(young)
        assert (plan.verify, plan.requeue_after) == (None, 1.0)
        assert decide(situation(raw_job(), unschedulable_pod("no gpu"))).verify is None


class TestAsking:
    def _complaints(self) -> tuple[MemoryCluster, Complaints]:
        cluster = MemoryCluster(complaints={f"regarding.uid={JOB_UID}": [event("FailedCreate", -9)]})
        return cluster, Complaints(cluster)

    def test_one_question_serves_for_a_while(self) -> None:
        cluster, complaints = self._complaints()
        then = situation(raw_job(), spec=PAIR)
        answers = [
            complaints.ask(replace(then, now=NOW + timedelta(seconds=seconds)))
            for seconds in (0, 1, MEMORY_SECONDS - 1, MEMORY_SECONDS)
        ]
        assert answers == [Trouble("FailedCreate", "about FailedCreate")] * 4
        assert cluster.reads == ["events"] * 2

    def test_another_object_is_another_question(self) -> None:
        cluster, complaints = self._complaints()
        complaints.ask(situation(raw_job(), spec=PAIR))
        assert complaints.ask(situation(raw_job(), raw_pod(0), waiting_pod(1), spec=PAIR)) is None
        assert len(cluster.reads) == 2

    @pytest.mark.parametrize(
        "error", [RefusedError(403, "forbidden"), UnavailableError("no etcd for events")]
    )
    def test_without_an_answer_nothing_is_known(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        cluster, complaints = self._complaints()

        def refuse(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(cluster, "find", refuse)
        assert complaints.ask(situation(raw_job(), spec=PAIR)) is None
