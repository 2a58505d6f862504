"""What a run costs beside a plain Job: `python -m tests.benchmarks.operator_scale`.

Runs of two pods with a GPU each on kwok's nodes, created at once; beside them plain Indexed Jobs of the same
size, on the same machine in the same minutes, and the objects of such runs written by hand, by a client that
decides nothing, which is the least that any operator of them costs. The operator is the chart's, in the
cluster. Then many runs that have ended are kept while a few new ones train.
"""

import argparse
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks import kwok_nodes, stack
from tests.benchmarks.bare_objects import (
    EXAMPLE,
    JOBS_PATH,
    RUNS_PATH,
    BareObjects,
    Example,
    job_over,
    learned,
)
from tests.benchmarks.followed import Followed
from tests.cluster import Cluster, ClusterError, current
from tests.cluster.shell import step, wait_until
from tests.demo import install
from tests.helpers.audit import AuditMark, Request
from tests.helpers.runs import manifest
from tests.helpers.server import Object, Server
from trainingrun_api import names
from trainingrun_api.reasons import Phase

NODES, PODS, IN_FLIGHT = 300, 2, 8
PODS_PATH = "/api/v1/namespaces/{}/pods"
GPU = "nvidia.com/gpu"
ADDED, SUCCEEDED, OVER = "added", "succeeded", "over"
IMAGE = "example.invalid/kwok:1"
PATIENCE_SECONDS = 900
RESYNC_SECONDS = 60


def parser() -> argparse.ArgumentParser:
    """Options of the benchmark."""
    result = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.operator_scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument(
        "--runs", type=int, nargs="*", default=[100, 1000], help="created at once (default: 100 1000)"
    )
    result.add_argument(
        "--kept",
        type=int,
        default=10_000,
        help="ended runs that are kept; 0 leaves that out (default: %(default)s)",
    )
    result.add_argument("--out", type=Path, help="a file for the figures, as JSON")
    return result


def run_body(name: str) -> Object:
    """A TrainingRun of a command."""
    spec = {
        "image": IMAGE,
        "command": ["true"],
        "nodes": PODS,
        "resources": {"gpus": 1},
        "pod": {"nodeSelector": kwok_nodes.NODE_SELECTOR, "tolerations": [kwok_nodes.TOLERATION]},
    }
    return manifest(name, spec)


def job_body(name: str) -> Object:
    """A plain Job of the same size."""
    gpu = {GPU: "1"}
    container = {"name": "trainer", "image": IMAGE, "resources": {"requests": gpu, "limits": gpu}}
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "nodeSelector": kwok_nodes.NODE_SELECTOR,
        "tolerations": [kwok_nodes.TOLERATION],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completionMode": "Indexed",
            "completions": PODS,
            "parallelism": PODS,
            "backoffLimit": 0,
            "template": {"spec": pod},
        },
    }


def run_over(body: Object) -> bool:
    """Whether a run is Completed."""
    phase: str = body.get("status", {}).get("phase", "")
    return phase == Phase.COMPLETED


class Kind:
    """What is created: how it looks, where it lies, when it is over, and which pods are its own."""

    def __init__(
        self, path: str, body: Callable[[str], Object], over: Callable[[Object], bool], pod_label: str
    ) -> None:
        self.path = path
        self.body = body
        self.over = over
        self.pod_label = pod_label


JOBS = Kind(JOBS_PATH, job_body, job_over, "batch.kubernetes.io/job-name")
RUNS = Kind(RUNS_PATH, run_body, run_over, names.RUN_LABEL)


def at_once(
    cluster: Cluster, server: Server, kind: Kind, number: int, example: Example | None = None
) -> dict[str, Any]:
    """So many objects of a kind from their creation to their end: the figures. Where there is an example, its
    bare objects are written in the place of the operator. Raises ClusterError.
    """
    namespace = f"scale-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", namespace)
    parts = stack.processes()
    before = {part: stack.cpu_seconds(process) for part, process in parts.items()}
    operator = parts.get(stack.OPERATOR)
    if operator:
        stack.forget_peak(operator)
    mark = AuditMark(cluster.audit_log())
    objects = Followed(server, kind.path.format(namespace), lambda body: {ADDED: True, OVER: kind.over(body)})
    pods = Followed(
        server,
        PODS_PATH.format(namespace),
        lambda body: {ADDED: True, SUCCEEDED: body["status"].get("phase") == "Succeeded"},
    )
    path = kind.path.format(namespace)
    bare = BareObjects(server, namespace, example) if example else None
    create = bare.create if bare else partial(server, "POST", path)
    try:
        with objects.following(), pods.following(), bare.completing() if bare else nullcontext():
            began = time.monotonic()
            with ThreadPoolExecutor(IN_FLIGHT) as creators:
                bodies = [kind.body(f"{kind.pod_label[-3:]}-{index:05}") for index in range(number)]
                list(creators.map(create, bodies))
            wait_until(
                "the end of all", lambda: objects.count(OVER) == number, seconds=PATIENCE_SECONDS, every=0.05
            )
        wall = max(moments[OVER] for moments in objects.moments.values()) - began
        used = {part: stack.cpu_seconds(process) - before[part] for part, process in parts.items()}
        figures = {
            "wallSeconds": round(wall, 1),
            **latencies(objects, pods, kind.pod_label),
            **requests(mark.requests(), number),
            "operatorCpuSeconds": round(used.get(stack.OPERATOR, 0.0), 1),
            "operatorPeakMiB": round(stack.peak_mebibytes(operator)) if operator else 0,
            "stackMillisecondsARun": round(1000 * sum(used.values()) / number),
            "cpuSeconds": {part: round(seconds, 1) for part, seconds in sorted(used.items())},
        }
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    wait_until("the namespace to go", lambda: gone(cluster, namespace), seconds=PATIENCE_SECONDS, every=1)
    return figures


@contextmanager
def nobody_operates(cluster: Cluster) -> Iterator[None]:
    """Without the operator, which is back afterwards. Raises ClusterError."""
    deployment = ("-n", install.NAMESPACE, "deployment", install.RELEASE)
    cluster.kubectl("scale", *deployment, "--replicas=0")
    wait_until("the operator to go", lambda: stack.OPERATOR not in stack.processes(), seconds=60)
    try:
        yield
    finally:
        cluster.kubectl("scale", *deployment, "--replicas=1")
        wait_until("the operator", lambda: stack.OPERATOR in stack.processes(), seconds=120, every=0.02)


def by_hand(cluster: Cluster, server: Server, number: int) -> dict[str, Any]:
    """The bare objects of so many runs: the figures. Raises ClusterError."""
    namespace = f"learned-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", namespace)
    try:
        example = learned(server, namespace, run_body(EXAMPLE))
    finally:
        cluster.kubectl("delete", "namespace", namespace)
    with nobody_operates(cluster):
        figures = at_once(cluster, server, RUNS, number, example)
    cluster.kubectl("rollout", "status", "-n", install.NAMESPACE, "deployment", install.RELEASE)
    return figures


def gone(cluster: Cluster, namespace: str) -> bool:
    """Whether a namespace has been deleted."""
    return not cluster.kubectl("get", "namespace", namespace, "--ignore-not-found", "-o", "name")


def latencies(objects: Followed, pods: Followed, label: str) -> dict[str, Any]:
    """From creation to both pods' creation, and from the last pod's end to the object's."""
    gangs: dict[str, list[dict[str, float]]] = {}
    for pod, moments in pods.moments.items():
        gangs.setdefault(pods.labels[pod][label], []).append(moments)
    created = [
        max(pod[ADDED] for pod in gangs[name]) - moments[ADDED] for name, moments in objects.moments.items()
    ]
    ended = [
        moments[OVER] - max(pod[SUCCEEDED] for pod in gangs[name])
        for name, moments in objects.moments.items()
    ]
    return {"createdToPods": spread(created), "endToCompleted": spread(ended)}


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    p99 = statistics.quantiles(seconds, n=100, method="inclusive")[98]
    return {"median": round(statistics.median(seconds), 2), "p99": round(p99, 2)}


def requests(found: Sequence[Request], number: int) -> dict[str, float]:
    """Of the operator for each run, and the writes of all together."""
    own = [request for request in found if request.user == install.OPERATOR_USER]
    writes = [request for request in own if not request.is_read]
    events = [request for request in writes if request.resource == "events"]
    return {
        "readsARun": round(len([one for one in own if one.is_read]) / number, 2),
        "writesARun": round((len(writes) - len(events)) / number, 2),
        "eventsARun": round(len(events) / number, 2),
        "allWritesARun": round(len([one for one in found if not one.is_read]) / number, 1),
    }


def kept(cluster: Cluster, server: Server, number: int, new: int) -> dict[str, Any]:
    """What ended runs cost while they are kept. Raises ClusterError."""
    namespace = f"kept-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", namespace)
    path = RUNS_PATH.format(namespace)

    def ended(index: int) -> None:
        made = server("POST", path, run_body(f"kept-{index:05}"))
        server("PUT", f"{path}/{made['metadata']['name']}/status", {**made, "status": ended_status()})

    try:
        with nobody_operates(cluster):
            with step(f"{number} runs that have ended"), ThreadPoolExecutor(IN_FLIGHT) as writers:
                list(writers.map(ended, range(number)))
            server("POST", path, run_body("first"))
        began = time.monotonic()
        job = f"{JOBS_PATH.format(namespace)}?limit=1"
        wait_until("the first Job", lambda: bool(server("GET", job)["items"]), seconds=300, every=0.05)
        start_up = time.monotonic() - began
        operator = stack.processes()[stack.OPERATOR]
        time.sleep(RESYNC_SECONDS)
        before = stack.cpu_seconds(operator)
        time.sleep(2 * RESYNC_SECONDS)
        idle = stack.cpu_seconds(operator) - before
        memory = stack.mebibytes(operator)
        return {
            "keptRuns": number,
            "startUpSeconds": round(start_up, 1),
            "operatorMiB": round(memory),
            "resyncCpuSeconds": round(idle / 2, 2),
            f"{new} new runs": at_once(cluster, server, RUNS, new),
        }
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def ended_status() -> Object:
    """As the operator writes it."""
    conditions = {"Succeeded": "True", "Running": "False", "Failed": "False", "Accepted": "True"}
    return {
        "phase": Phase.COMPLETED,
        "reason": "Completed",
        "message": "all 2 pods ended with exit code 0",
        "observedGeneration": 1,
        "attempt": 1,
        "nodesReady": "2/2",
        "conditions": [condition(kind, status) for kind, status in conditions.items()],
    }


def condition(kind: str, status: str) -> Object:
    """One condition of an ended run."""
    return {
        "type": kind,
        "status": status,
        "reason": "Completed",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def bench(cluster: Cluster, sizes: Sequence[int], number_kept: int) -> dict[str, Any]:
    """Everything, on nodes that are gone afterwards. Raises ClusterError."""
    figures: dict[str, Any] = {}
    install.install_chart(cluster, install.load_images(cluster), f"operator.resyncSeconds={RESYNC_SECONDS}")
    server = Server(cluster)
    with tempfile.TemporaryDirectory() as folder, kwok_nodes.nodes(cluster, NODES, Path(folder)):
        for size in sizes:
            sides = {
                "plain Jobs": partial(at_once, cluster, server, JOBS, size),
                "runs by hand": partial(by_hand, cluster, server, size),
                "TrainingRuns": partial(at_once, cluster, server, RUNS, size),
            }
            for name, side in sides.items():
                with step(f"{size} {name}"):
                    figures[f"{size} {name}"] = side()
                print(json.dumps(figures[f"{size} {name}"]), flush=True)
        if number_kept:
            with step(f"{number_kept} runs that have ended are kept"):
                figures["kept"] = kept(cluster, server, number_kept, min(100, *sizes))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        figures = bench(current(), options.runs, options.kept)
    except ClusterError as error:
        print(error)
        return 1
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
