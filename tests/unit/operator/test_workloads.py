"""What Kueue says of a Job: read from its Workload, seldom, and without it where it cannot be had."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    JOB_UID,
    NAME,
    NAMESPACE,
    NOW,
    TRAINER_IMAGE,
    at,
    raw_pod,
)
from tests.unit.operator.memory_cluster import MemoryCluster, cluster_with_run
from trainingrun_operator.cluster import WORKLOADS, Resource
from trainingrun_operator.errors import NotFoundError, RefusedError, UnavailableError
from trainingrun_operator.heartbeats import Pulse
from trainingrun_operator.kueue import JOB_UID_LABEL, Workload, workload_from
from trainingrun_operator.observed import Trouble
from trainingrun_operator.reconciler import Reconciler
from trainingrun_operator.workloads import LONGEST_MEMORY, SILENCE_SECONDS

SPEC = {**COMMAND, "queue": "team-a"}


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        ([], None),
        ([{"metadata": {"creationTimestamp": at(0)}}], Workload("", None)),
        (
            [
                {"metadata": {"creationTimestamp": at(0)}, "status": {"conditions": []}},
                {
                    "metadata": {"creationTimestamp": at(5)},
                    "status": {
                        "conditions": [
                            {"type": "QuotaReserved", "status": "False", "message": "no cpu left"},
                            {"type": "Evicted", "status": "False", "reason": "QuotaReserved", "message": ""},
                        ]
                    },
                },
            ],
            Workload("no cpu left", None),
        ),
        (
            [
                {
                    "metadata": {"creationTimestamp": at(0)},
                    "status": {
                        "conditions": [
                            {"type": "QuotaReserved", "status": "True", "message": "in ClusterQueue gpus"},
                            {"type": "Evicted", "status": "True", "reason": "Preempted", "message": "why"},
                        ]
                    },
                }
            ],
            Workload("", Trouble("Preempted", "why")),
        ),
    ],
)
def test_a_workload_is_read(bodies: list[dict[str, Any]], expected: Workload | None) -> None:
    assert workload_from(bodies) == expected


class Kueue(MemoryCluster):
    """With Workloads, as long as nothing forbids to read them."""

    refusal: Exception | None = None
    waiting = "no cpu left"

    def find(
        self, resource: Resource, namespace: str, selector: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        if resource != WORKLOADS:
            return super().find(resource, namespace, selector, fields)
        self.reads.append(f"{namespace}/workloads?{selector}")
        if self.refusal:
            raise self.refusal
        told = {"type": "QuotaReserved", "status": "False", "message": self.waiting}
        return [{"metadata": {"creationTimestamp": at(0)}, "status": {"conditions": [told]}}]


class TestAsking:
    """The reconciler asks Kueue, seldom, and does without an answer."""

    def _queued(self, refusal: Exception | None = None) -> tuple[Kueue, Reconciler, list[float]]:
        kueue = Kueue(objects=cluster_with_run(SPEC).objects)
        kueue.refusal = refusal
        clock = [0.0]

        def now() -> datetime:
            return NOW + timedelta(seconds=clock[0])

        operator = Reconciler(kueue, TRAINER_IMAGE, 10, now, "here", lambda pods: Pulse())
        operator.reconcile(kueue.view())
        kueue.reads.clear()
        return kueue, operator, clock

    def test_by_the_uid_of_the_job_and_not_more_often_than_it_may(self) -> None:
        kueue, operator, clock = self._queued()
        for second in (0.0, 1.0, LONGEST_MEMORY - 1, LONGEST_MEMORY):
            clock[0] = second
            operator.reconcile(kueue.view())
        question = f"{NAMESPACE}/workloads?{JOB_UID_LABEL}={JOB_UID}"
        assert kueue.reads == [question, question]
        assert kueue.statuses[-1]["message"] == "waits for quota in LocalQueue team-a: no cpu left"

    def test_an_eviction_is_no_old_news(self) -> None:
        kueue, operator, _ = self._queued()
        operator.reconcile(kueue.view())
        kueue.put(raw_pod())
        operator.reconcile(kueue.view())
        assert len(kueue.reads) == 2
        assert kueue.statuses[-1]["stopping"]["reason"] == "Preempted"

    @pytest.mark.parametrize("refusal", [NotFoundError(404, "no such kind"), RefusedError(403, "no")])
    def test_a_cluster_without_kueue_or_permission_costs_the_words_alone(self, refusal: Exception) -> None:
        kueue, operator, _ = self._queued(refusal)
        status = operator.reconcile(kueue.view()).status
        assert status.message == "waits for quota in LocalQueue team-a"

    def test_while_its_server_cannot_answer_nobody_is_asked_and_the_run_goes_its_way(self) -> None:
        kueue, operator, clock = self._queued(UnavailableError("HTTP 500: conversion webhook failed"))
        for second in (0.0, LONGEST_MEMORY, SILENCE_SECONDS - 1, SILENCE_SECONDS):
            clock[0] = second
            status = operator.reconcile(kueue.view()).status
            assert status.message == "waits for quota in LocalQueue team-a"
        assert len(kueue.reads) == 2
        kueue.refusal = None
        clock[0] = 2 * SILENCE_SECONDS
        status = operator.reconcile(kueue.view()).status
        assert status.message == "waits for quota in LocalQueue team-a: no cpu left"

    def test_the_operator_never_writes_to_the_job(self) -> None:
        kueue, operator, _ = self._queued()
        before = kueue.objects["Job", f"{NAME}-1"]["metadata"]["resourceVersion"]
        for _ in range(3):
            operator.reconcile(kueue.view())
        assert kueue.objects["Job", f"{NAME}-1"]["metadata"]["resourceVersion"] == before
        assert kueue.created[f"Job/{NAME}-1"] == 1
