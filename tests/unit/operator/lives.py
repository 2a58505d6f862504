"""The lives of runs on a cluster in memory, under reconcilers that may die."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.unit.operator.builders import (
    COMMAND,
    NAME,
    NOW,
    TRAINER_IMAGE,
)
from tests.unit.operator.memory_cluster import Killed, MemoryCluster
from trainingrun_api import names
from trainingrun_operator.heartbeats import Pulse
from trainingrun_operator.reconciler import Reconciler

PROGRESS_SECONDS = 10
WHOLE: dict[str, Any] = {
    **COMMAND,
    "nodes": 2,
    "checkpoints": {"size": "1Gi", "retain": False},
    "restart": {"maxFailures": 0},
}
EVENTFUL: dict[str, Any] = {**WHOLE, "restart": {"backoffSeconds": 0}}


class Clock:
    """The time that a reconciler is told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> Any:
        return self.now


def reconciler(cluster: MemoryCluster, clock: Clock | None = None) -> Reconciler:
    now = clock or Clock()
    return Reconciler(cluster, TRAINER_IMAGE, PROGRESS_SECONDS, now, "test", lambda pods: Pulse())


def live(cluster: MemoryCluster, exit_code: int = 0, *, loaded: bool = False) -> Mapping[str, Any]:
    """Takes the run to its end, with a new process after each death; the final status."""
    operator = reconciler(cluster)
    status: dict[str, Any] = {}
    for _ in range(100):
        try:
            operator.reconcile(cluster.view(), loaded=loaded)
        except Killed:
            operator = reconciler(cluster)
            continue
        status = cluster.objects[names.KIND, NAME].get("status", {})
        if status.get("phase") in ("Completed", "Failed"):
            return status
        cluster.step(nodes=2, exit_code=exit_code)
    raise AssertionError(f"the run does not end: {status}")


def durable(created: Counter[str]) -> dict[str, int]:
    """Creations without news, which may get lost."""
    return {name: count for name, count in created.items() if not name.startswith("Event/")}
