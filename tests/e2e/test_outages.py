"""Pods train on while the control plane or the operator is away, and the status catches up afterwards."""

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from tests.chaos.results import differences
from tests.cluster.api import Cluster
from tests.demo import install
from tests.e2e.digits import DATA_CLAIM, DIGITS, OPERATOR_SELECTOR, Finished, apply_digits
from tests.helpers.audit import AuditMark
from tests.helpers.endings import comparable
from tests.helpers.runs import Object, Runs

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.chaos]

CATCH_UP_SECONDS = 30
TOLD_WHILE_TRAINING = {"fromStep", "resumedFromStep"}
"""What a trainer says on its page and not in its last words."""
OUTAGE_SECONDS = 20
"""Longer than clients wait for an answer that does not come."""


def run_folder(runs: Runs, status: Object) -> Path:
    """The run's directory on this machine."""
    volume = runs.cluster.volume_folder(runs.namespace, status["checkpointClaim"])
    return volume / Path(status["runDirectory"]).name


def epochs_done(folder: Path) -> int:
    """As the trainer itself wrote them."""
    metrics = folder / "metrics.json"
    return len(json.loads(metrics.read_text())) if metrics.exists() else 0


def incarnations(runs: Runs) -> set[tuple[str, int]]:
    """The pods, and how often each was restarted."""
    pods = runs.items("pods")
    return {
        (pod["metadata"]["uid"], container["restartCount"])
        for pod in pods
        for container in pod["status"].get("containerStatuses", [])
    }


def created(mark: AuditMark, namespace: str) -> Counter[str]:
    """What was created since, Events apart."""
    return Counter(
        request.resource
        for request in mark.requests()
        if (request.verb, request.namespace, request.code) == ("create", namespace, 201)
        and request.resource in ("jobs", "pods", "services")
    )


def assert_untouched(runs: Runs, mark: AuditMark, digits: Finished, unheard: Collection[str] = ()) -> None:
    """The run ended as the one that nothing happened to, and nothing was made twice."""
    status = runs.wait(DIGITS, "Completed", "Failed", seconds=900)
    assert comparable(status, DIGITS, unheard) == comparable(digits.status, DIGITS, unheard)
    assert differences(run_folder(digits.runs, digits.status), run_folder(runs, status)) == []
    assert created(mark, runs.namespace) == {"jobs": 1, "pods": 2, "services": 1}


def wait_until(holds: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)


@pytest.mark.parametrize("part", ["apiserver", "etcd"])
def test_training_goes_on_without_the_control_plane(
    runs: Runs, digits: Finished, digits_folder: Path, part: str
) -> None:
    cluster = runs.cluster
    kill, revive = {
        "apiserver": (cluster.kill_apiserver, cluster.revive_apiserver),
        "etcd": (cluster.kill_etcd, cluster.revive_etcd),
    }[part]
    cluster.put_folder(digits_folder, runs.namespace, DATA_CLAIM)
    mark = AuditMark(cluster.audit_log())
    apply_digits(runs)
    status = runs.wait_until(
        DIGITS, lambda status: status.get("progress", {}).get("globalStep", 0) > 0, "training", seconds=300
    )
    pods, folder = incarnations(runs), run_folder(runs, status)
    kill()
    began, before = time.monotonic(), epochs_done(folder)
    try:
        wait_until(
            lambda: epochs_done(folder) > before and time.monotonic() > began + OUTAGE_SECONDS,
            "training goes on",
            seconds=300,
        )
    finally:
        revive()
    done = epochs_done(folder)
    runs.wait_until(
        DIGITS,
        lambda status: status.get("progress", {}).get("epoch", 0) >= done,
        f"in epoch {done}",
        seconds=CATCH_UP_SECONDS,
    )
    assert_untouched(runs, mark, digits)
    assert incarnations(runs) == pods


@pytest.fixture(autouse=True)
def recovered(cluster: Cluster) -> Iterator[None]:
    """Leaves a cluster on which a new Job gets its pod: the controllers' own watches come back one by one."""
    yield
    anywhere = Runs(cluster, "default")
    anywhere.kubectl("create", "job", "probe", "--image=probe")
    try:
        wait_until(
            lambda: bool(anywhere.items("pods", "batch.kubernetes.io/job-name=probe")),
            "a new Job's pod",
            seconds=300,
        )
    finally:
        anywhere.kubectl("delete", "job", "probe")


def scale_operator(cluster: Cluster, replicas: int) -> None:
    """Returns when so many operators are there."""
    operators = Runs(cluster, install.NAMESPACE)
    operators.kubectl("scale", "deployment", install.RELEASE, f"--replicas={replicas}")
    if replicas:
        operators.kubectl("rollout", "status", f"deployment/{install.RELEASE}", "--timeout=120s")
    else:
        operators.kubectl("wait", "pod", "-l", OPERATOR_SELECTOR, "--for=delete", "--timeout=120s")


def test_an_operator_that_was_away_for_a_whole_training_finds_it_completed(
    runs: Runs, digits: Finished, digits_folder: Path
) -> None:
    cluster = runs.cluster
    cluster.put_folder(digits_folder, runs.namespace, DATA_CLAIM)
    mark = AuditMark(cluster.audit_log())
    apply_digits(runs)
    runs.wait_until(DIGITS, lambda status: status.get("attempt") == 1, "started", seconds=60)
    scale_operator(cluster, 0)
    try:
        runs.kubectl("wait", f"job/{DIGITS}-1", "--for=condition=Complete", "--timeout=900s")
    finally:
        scale_operator(cluster, 1)
    runs.wait(DIGITS, "Completed", "Failed", seconds=CATCH_UP_SECONDS)
    assert_untouched(runs, mark, digits, TOLD_WHILE_TRAINING)
