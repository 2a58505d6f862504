"""Before something that cannot be undone, the operator looks again, and what it sees then counts."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    NAME,
    NOW,
    TRAINER_IMAGE,
    dead_pod,
    raw_job,
    raw_pod,
    raw_run,
    status_after,
)
from tests.unit.operator.memory_cluster import MemoryCluster, cluster_with_run
from trainingrun_api import names
from trainingrun_operator.heartbeats import Pulse
from trainingrun_operator.observed import Pod, run_from
from trainingrun_operator.reconciler import Reconciler
from trainingrun_operator.scrape import Scrape

COMPLETED = status_after(raw_job("Complete"), dead_pod(code=0)).to_wire()
TRAINING: dict[str, Any] = {
    "training": {"task": "classification", "data": {"format": "zip", "path": "/data/a.zip"}},
    "checkpoints": {"claim": "results"},
    "deadlines": {"stallSeconds": 60},
}


def reconciler(cluster: MemoryCluster, asked: list[Sequence[Pod]] | None = None) -> Reconciler:
    """One that notes which pods are asked for their heartbeats; they answer nothing."""

    def take_pulse(pods: Sequence[Pod]) -> Pulse:
        if asked is not None:
            asked.append(pods)
        return Pulse()

    return Reconciler(cluster, TRAINER_IMAGE, 10, lambda: NOW, "test", take_pulse)


def test_a_run_that_was_suspended_a_moment_ago_is_not_started() -> None:
    cluster = cluster_with_run({**COMMAND, "suspend": True})
    truth = cluster.view()
    outdated = replace(truth, run=run_from(raw_run(COMMAND, resourceVersion=truth.run.resource_version)))
    outcome = reconciler(cluster).reconcile(outdated)
    assert outcome.status.reason == "Suspended"
    assert not [name for name in cluster.created if not name.startswith("Event/")]


@pytest.mark.parametrize(
    ("spec", "deleted"),
    [
        pytest.param({**COMMAND, "ttlSecondsAfterFinished": 0}, True, id="it is still so"),
        pytest.param({**COMMAND, "ttlSecondsAfterFinished": 3600}, False, id="put off a moment ago"),
        pytest.param(COMMAND, False, id="cleared a moment ago"),
    ],
)
def test_a_run_is_deleted_by_its_spec_as_it_stands(spec: dict[str, Any], deleted: bool) -> None:
    cluster = cluster_with_run(spec, COMPLETED)
    truth = cluster.view()
    shown = raw_run({**COMMAND, "ttlSecondsAfterFinished": 0}, COMPLETED)
    reconciler(cluster).reconcile(replace(truth, run=run_from(shown)))
    assert ((names.KIND, NAME) not in cluster.objects) is deleted


@pytest.mark.parametrize(("seconds", "times"), [(59, 0), (61, 1)])
def test_pods_are_asked_for_their_heartbeats_only_where_they_are_too_long_silent(
    seconds: float, times: int
) -> None:
    status = status_after(raw_job(), raw_pod(), spec=TRAINING)
    cluster = cluster_with_run(TRAINING, status.to_wire())
    cluster.put(raw_job())
    cluster.put(raw_pod())
    asked: list[Sequence[Pod]] = []
    scrape = Scrape(
        at=NOW, heartbeat_seen_at=NOW - timedelta(seconds=seconds), heartbeat=5.0, phase="training"
    )
    reconciler(cluster, asked).reconcile(cluster.view(), scrape)
    assert [[pod.name for pod in pods] for pods in asked] == [[f"{NAME}-1-0-x"]] * times
