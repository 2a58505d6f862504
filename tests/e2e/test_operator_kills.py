"""The operator may die at any moment: the run ends as if nothing had happened."""

import random
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.cluster.api import Cluster
from tests.demo import install
from tests.e2e.digits import DATA_CLAIM, DIGITS, OPERATOR_SELECTOR, Finished, apply_digits
from tests.helpers.audit import AuditMark
from tests.helpers.endings import comparable
from tests.helpers.runs import Runs

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

KILLS = 20
LONGEST_PAUSE = 4.0
"""Seconds from the operator's restart to its next end, at most."""


def operator_process(cluster: Cluster) -> tuple[str, int, bool]:
    """Pod, restarts and liveness of the operator's container."""
    pods = Runs(cluster, install.NAMESPACE).items("pods", OPERATOR_SELECTOR)
    statuses = pods[0]["status"].get("containerStatuses", [])
    restarts = statuses[0]["restartCount"] if statuses else 0
    return pods[0]["metadata"]["name"], restarts, bool(statuses and "running" in statuses[0]["state"])


class Killer:
    """SIGKILLs the operator at random moments, each time as soon as it lives again, until it did so often."""

    def __init__(self, cluster: Cluster, dice: random.Random) -> None:
        self._cluster = cluster
        self._dice = dice
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._kill)
        self.killed = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _kill(self) -> None:
        while self.killed < KILLS and not self._stop.wait(self._dice.uniform(0, LONGEST_PAUSE)):
            pod, restarts, running = operator_process(self._cluster)
            if not running:
                continue
            self._cluster.kill_container(install.NAMESPACE, pod)
            self.killed += 1
            while operator_process(self._cluster)[1] == restarts and not self._stop.wait(0.2):
                pass


def test_twenty_kills_change_nothing(runs: Runs, digits: Finished, digits_folder: Path) -> None:
    assert digits.status["phase"] == "Completed"
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    cluster = runs.cluster
    cluster.put_folder(digits_folder, runs.namespace, DATA_CLAIM)
    mark = AuditMark(cluster.audit_log())
    _, restarts_before, _ = operator_process(cluster)

    rounds = 0
    with Killer(cluster, random.Random(seed)) as killer:
        while killer.killed < KILLS:  # a quick machine ends a run before its twentieth kill
            rounds += 1
            apply_digits(runs)
            status = runs.wait(DIGITS, "Completed", "Failed", seconds=900)
            assert comparable(status, DIGITS) == comparable(digits.status, DIGITS)
            shape = {kind: len(objects) for kind, objects in runs.children(DIGITS).items()}
            assert shape == {"jobs": 1, "pods": 2, "services": 1, "persistentvolumeclaims": 1}
            runs.kubectl("delete", "trainingrun", DIGITS, "--cascade=foreground", "--timeout=90s")

    _, restarts_after, _ = operator_process(cluster)
    assert restarts_after - restarts_before >= KILLS
    created = Counter(
        request.resource
        for request in mark.requests()
        if request.verb == "create" and request.namespace == runs.namespace and request.code == 201
    )
    assert {resource: created[resource] for resource in ("jobs", "pods", "services")} == {
        "jobs": rounds,
        "pods": 2 * rounds,
        "services": rounds,
    }
