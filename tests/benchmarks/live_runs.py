"""What the operator costs while many runs train: `python -m tests.benchmarks.live_runs`.

The operator is the chart's, in the cluster; the runs' pods and trainers are played (played_fleet.py). Every
run finishes an epoch each ten seconds. Two trainers misbehave all the time: one never answers, and one
answers 100 MiB.
"""

import argparse
import json
import re
import statistics
import time
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubernetes import config

from tests.benchmarks import played_fleet
from tests.cluster import Cluster, ClusterError, current
from tests.cluster.claims import ensure_claim
from tests.cluster.shell import step, wait_until
from tests.demo import install
from tests.helpers.audit import AuditMark, by_verb_and_resource
from tests.helpers.played_nodes import NODE_SELECTOR
from tests.helpers.runs import manifest
from trainingrun_api import names
from trainingrun_operator.settings import Settings

CLAIM = "results"
SETTLE_SECONDS = 30
LOOK_SECONDS = 5.0
BATCH = 100
MISBEHAVING = 2


def parser() -> argparse.ArgumentParser:
    """Options of the benchmark."""
    result = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.live_runs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--runs", type=int, default=500, help="default: %(default)s")
    result.add_argument("--seconds", type=int, default=180, help="how long to measure (default: %(default)s)")
    result.add_argument("--out", type=Path, help="a file for the figures, as JSON")
    return result


class Operator:
    """The operator's own page."""

    def __init__(self, cluster: Cluster) -> None:
        listed = cluster.kubectl(
            "-n", install.NAMESPACE, "get", "pods", "-o", "json",
            "-l", f"app.kubernetes.io/name={install.RELEASE}",
        )  # fmt: skip
        [pod] = [pod for pod in json.loads(listed)["items"] if "deletionTimestamp" not in pod["metadata"]]
        port = Settings.model_fields["metrics_port"].default
        self._url = f"http://{pod['status']['podIP']}:{port}/metrics"

    def page(self) -> tuple[str, float]:
        """The page, and the seconds that it took."""
        began = time.perf_counter()
        with urllib.request.urlopen(self._url, timeout=30) as answer:
            text: str = answer.read().decode()
        return text, time.perf_counter() - began


def value(page: str, series: str) -> float:
    """The value of one series of a page."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", page, re.MULTILINE)
    assert found, f"no {series}"
    return float(found[1])


def lags(cluster: Cluster, namespace: str, now: float) -> list[int]:
    """How many epochs each run's status is behind its trainer, the misbehaving ones left out."""
    listed = json.loads(cluster.kubectl("-n", namespace, "get", names.PLURAL, "-o", "json"))["items"]
    well = [run for run in listed if int(run["metadata"]["name"].rpartition("-")[2]) >= MISBEHAVING]
    told = [run.get("status", {}).get("progress", {}).get("epoch", 0) for run in well]
    return [played_fleet.epoch(now) - epoch for epoch in told]


def spec() -> dict[str, Any]:
    """Of each run."""
    return {
        "nodes": played_fleet.PODS,
        "resources": {"gpus": 0},
        "volumes": [{"claim": CLAIM, "mountPath": "/data", "readOnly": True}],
        "checkpoints": {"claim": CLAIM},
        "pod": {"nodeSelector": NODE_SELECTOR},
        "training": {
            "task": "classification",
            "accelerator": "cpu",
            "data": {"format": "zip", "path": "/data/digits.zip"},
        },
    }


def create(cluster: Cluster, namespace: str, runs: int) -> None:
    """The runs, a batch at a time."""
    for first in range(0, runs, BATCH):
        batch = [manifest(f"live-{number}", spec()) for number in range(first, min(first + BATCH, runs))]
        objects = {"apiVersion": "v1", "kind": "List", "items": batch}
        cluster.kubectl("-n", namespace, "create", "-f", "-", input=json.dumps(objects))


def running(cluster: Cluster, namespace: str) -> int:
    """How many runs train."""
    listed = cluster.kubectl(
        "-n", namespace, "get", names.PLURAL, "--field-selector=status.phase=Running", "-o", "name"
    )
    return len(listed.split())


def measure(
    cluster: Cluster, operator: Operator, namespace: str, trainers: played_fleet.Trainers, seconds: int
) -> dict[str, Any]:
    """The figures of some seconds in which all runs train."""
    mark = AuditMark(cluster.audit_log())
    first, _ = operator.page()
    flooded = trainers.flooded
    began = time.time()
    memory, scrapes, behind = [], [], []
    while time.time() - began < seconds:
        time.sleep(LOOK_SECONDS)
        page, took = operator.page()
        scrapes.append(took)
        memory.append(value(page, "process_resident_memory_bytes"))
        behind.append(lags(cluster, namespace, time.time()))
    last, _ = operator.page()
    passed = time.time() - began
    requests = mark.requests(install.OPERATOR_USER)
    writes = [request for request in requests if not request.is_read]

    def growth(series: str) -> float:
        return value(last, series) - value(first, series)

    every = [lag for look in behind for lag in look]
    return {
        "seconds": round(passed),
        "operatorCores": round(growth("process_cpu_seconds_total") / passed, 3),
        "operatorMemoryMiB": round(max(memory) / 2**20),
        "writesASecond": round(len(writes) / passed, 1),
        "requests": dict(by_verb_and_resource(requests)),
        "trainersAskedASecond": round(
            growth('trainingrun_operator_scrapes_total{result="success"}') / passed, 1
        ),
        "trainersSilentASecond": round(
            growth('trainingrun_operator_scrapes_total{result="error"}') / passed, 2
        ),
        "pageKiB": round(len(last) / 1024),
        "pageSeconds": {"median": round(statistics.median(scrapes), 3), "most": round(max(scrapes), 3)},
        "epochsBehind": {
            "median": statistics.median(every),
            "p99": statistics.quantiles(every, n=100, method="inclusive")[98],
            "most": max(every),
        },
        "floodMiB": round((trainers.flooded - flooded) / 2**20, 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        figures = bench(current(), options.runs, options.seconds)
    except ClusterError as error:
        print(error)
        return 1
    text = json.dumps({"runs": options.runs, **figures}, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    return 0


def bench(cluster: Cluster, runs: int, seconds: int) -> dict[str, Any]:
    """Everything from the installation to the end of the namespace. Raises ClusterError."""
    install.install_chart(cluster, install.load_images(cluster))
    operator = Operator(cluster)
    before, _ = operator.page()
    namespace = f"live-{uuid.uuid4().hex[:6]}"
    install.ensure_namespace(cluster, namespace)
    trainers = played_fleet.Trainers(
        hanging=played_fleet.address(0), flooding=played_fleet.address(played_fleet.PODS)
    )
    client = config.new_client_from_config(str(cluster.kubeconfig))  # type: ignore[no-untyped-call]
    try:
        ensure_claim(cluster, namespace, CLAIM, "1Gi")
        with trainers.serving(), played_fleet.Kubelet(client, namespace).working():
            began = time.monotonic()
            with step(f"{runs} runs, until all of them train"):
                create(cluster, namespace, runs)
                wait_until("all to train", lambda: running(cluster, namespace) == runs, seconds=600, every=2)
            started = round(time.monotonic() - began, 1)
            with step(f"measuring for {seconds} s, {SETTLE_SECONDS} s from now on"):
                time.sleep(SETTLE_SECONDS)
                figures = measure(cluster, operator, namespace, trainers, seconds)
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    idle = round(value(before, "process_resident_memory_bytes") / 2**20)
    return {"secondsToAllRunning": started, "operatorMemoryBeforeMiB": idle, **figures}


if __name__ == "__main__":
    raise SystemExit(main())
