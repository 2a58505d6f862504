"""The chart comes, changes and goes while a run is under way, and the run never notices."""

from collections.abc import Iterator

import pytest

from tests.cluster.api import Cluster
from tests.cluster.shell import run, wait_until
from tests.demo import install
from tests.e2e.digits import OPERATOR_SELECTOR
from tests.helpers.runs import Runs, manifest
from trainingrun_api import names

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

UNDER_WAY, LATER = "under-way", "later"
WAITS = "until test -e /checkpoints/go; do sleep 0.2; done"
SHARED = (
    "replicas=2",
    "podDisruptionBudget.enabled=true",
    "admissionPolicy.requireJobCreation=true",
    "networkPolicy.enabled=true",
    "networkPolicy.egress=true",
    "trainingPods.labels.cost=research",
)
"""What a platform team turns on; the API server takes each object of it."""
UNTOUCHED_SECONDS = 5


@pytest.fixture
def chart(installed: Cluster, images: install.Images) -> Iterator[install.Images]:
    """The images; the chart is as every other test finds it afterwards."""
    yield images
    install.install_chart(installed, images)


def helm(cluster: Cluster, *arguments: str) -> str:
    helm = cluster.binary("helm")
    return run([helm, "-n", install.NAMESPACE, "--kubeconfig", cluster.kubeconfig, *arguments])


def revision(cluster: Cluster) -> str:
    """Of the installed release."""
    return (
        helm(cluster, "history", install.RELEASE, "--max=1", "-o", "json")
        .partition('"revision":')[2]
        .split(",")[0]
    )


def operators(cluster: Cluster) -> int:
    """Pods of the operator that are ready."""
    pods = Runs(cluster, install.NAMESPACE).items("pods", OPERATOR_SELECTOR)
    return sum(
        condition["type"] == "Ready" and condition["status"] == "True"
        for pod in pods
        for condition in pod["status"].get("conditions", ())
    )


def gang(runs: Runs, name: str) -> set[str]:
    """UIDs of the Jobs and pods of a run."""
    children = runs.children(name)
    return {found["metadata"]["uid"] for kind in ("jobs", "pods") for found in children[kind]}


def test_a_run_under_way_outlives_upgrade_rollback_and_uninstallation(
    runs: Runs, chart: install.Images, base_image: str
) -> None:
    cluster = runs.cluster
    spec = {"image": base_image, "command": ["sh", "-c", WAITS], "resources": {"gpus": 0}}
    runs.apply(manifest(UNDER_WAY, {**spec, "nodes": 2, "checkpoints": {"size": "10Mi"}}))
    runs.wait(UNDER_WAY, "Running", seconds=60)
    before, first = gang(runs, UNDER_WAY), revision(cluster)

    install.install_chart(cluster, chart, *SHARED)
    assert operators(cluster) == 2
    assert "Succeeded" in helm(cluster, "test", install.RELEASE)
    assert gang(runs, UNDER_WAY) == before

    helm(cluster, "rollback", install.RELEASE, first, "--wait", f"--timeout={install.READY_SECONDS}s")
    assert operators(cluster) == 1
    assert gang(runs, UNDER_WAY) == before

    helm(cluster, "uninstall", install.RELEASE, "--wait")
    wait_until("the operator to go", lambda: operators(cluster) == 0, seconds=30)
    runs.apply(manifest(LATER, {**spec, "command": ["true"]}))
    with pytest.raises(TimeoutError):
        runs.wait_until(LATER, bool, "noticed", seconds=UNTOUCHED_SECONDS)
    assert gang(runs, UNDER_WAY) == before
    pod = runs.children(UNDER_WAY)["pods"][0]["metadata"]["name"]
    runs.kubectl("exec", pod, "--", "touch", "/checkpoints/go")
    wait_until("the Job to end", lambda: bool(ended_jobs(runs)), seconds=30)

    install.install_chart(cluster, chart)
    assert runs.wait(LATER, "Completed", "Failed", seconds=60)["phase"] == "Completed"
    status = runs.wait(UNDER_WAY, "Completed", "Failed", seconds=60)
    assert (status["phase"], status["attempt"]) == ("Completed", 1)
    assert gang(runs, UNDER_WAY) == before


def ended_jobs(runs: Runs) -> list[str]:
    """Names of the Jobs that are Complete."""
    return [
        job["metadata"]["name"]
        for job in runs.items("jobs", names.RUN_LABEL)
        for condition in job["status"].get("conditions", ())
        if condition["type"] == "Complete"
    ]


def test_what_administrators_give_to_all_pods_is_there(
    runs: Runs, chart: install.Images, base_image: str
) -> None:
    given = ("trainingPods.labels.cost=research", "trainingPods.env[0].name=NCCL_DEBUG_SUBSYS",
             "trainingPods.env[0].value=NET")  # fmt: skip
    install.install_chart(runs.cluster, chart, *given)
    spec = {
        "image": base_image,
        "command": ["sh", "-c", 'test "$NCCL_DEBUG_SUBSYS" = NET'],
        "resources": {"gpus": 0},
    }
    runs.apply(manifest(UNDER_WAY, spec))
    assert runs.wait(UNDER_WAY, "Completed", "Failed", seconds=60)["phase"] == "Completed"
    [pod] = runs.children(UNDER_WAY)["pods"]
    assert pod["metadata"]["labels"]["cost"] == "research"
