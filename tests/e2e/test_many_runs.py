"""Fifty runs at once: all complete, and the operator stays quiet. Prints what they cost."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.demo import install
from tests.helpers.audit import AuditMark, Request, by_verb_and_resource
from tests.helpers.runs import Runs, manifest
from tests.helpers.watch import Watch, first_times
from trainingrun_api import names

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

RUNS = 50
MOST_READS_A_RUN = 2
"""One before creation; a second where the index lagged."""
MOST_WRITES_A_RUN = 5
"""Job, and a status for Pending, Running and the end, which may come in one; an event or two."""


def run_of(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["labels"][names.RUN_LABEL])


def name_of(run: dict[str, Any]) -> str:
    return str(run["metadata"]["name"])


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile, in seconds."""
    return {
        "median": round(statistics.median(seconds), 3),
        "p99": round(statistics.quantiles(seconds, n=100, method="inclusive")[98], 3),
    }


def test_fifty_runs_at_once_complete(runs: Runs, base_image: str, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = runs.cluster
    spec = {"image": base_image, "command": ["true"], "resources": {"gpus": 0}}
    run_names = [f"many-{number:02}" for number in range(RUNS)]
    mark = AuditMark(cluster.audit_log())
    with (
        Watch(cluster, runs.namespace, "trainingruns") as run_watch,
        Watch(cluster, runs.namespace, "pods") as pod_watch,
    ):
        runs.apply(*(manifest(name, spec) for name in run_names))
        run_events = run_watch.wait_for(
            lambda events: len(first_times(events, name_of, _ended)) == RUNS, seconds=600
        )
        pod_events = pod_watch.events()
    phases = {name_of(run): run["status"]["phase"] for run in runs.items("trainingruns")}
    assert phases == dict.fromkeys(run_names, "Completed")

    created = first_times(run_events, name_of, lambda run: True)
    completed = first_times(run_events, name_of, _ended)
    pods_created = first_times(pod_events, run_of, lambda pod: True)
    pods_finished = first_times(pod_events, run_of, lambda pod: pod["status"].get("phase") == "Succeeded")
    operator = mark.requests(install.OPERATOR_USER)
    in_namespace = [request for request in operator if request.namespace == runs.namespace]
    report = {
        "runs": RUNS,
        "wallSeconds": round(max(completed.values()) - min(created.values()), 1),
        "creationToPodsSeconds": spread([pods_created[name] - created[name] for name in run_names]),
        "lastPodToCompletedSeconds": spread([completed[name] - pods_finished[name] for name in run_names]),
        "operatorReadsARun": _a_run(request for request in in_namespace if request.is_read),
        "operatorWritesARun": _a_run(request for request in in_namespace if not request.is_read),
        "operatorRequests": dict(by_verb_and_resource(operator)),
        "allWritesARun": _a_run(
            request
            for request in mark.requests()
            if request.namespace == runs.namespace and not request.is_read
        ),
    }
    _publish(report, cluster.kubeconfig.parent / "reports" / "fifty-runs.json", capsys)
    assert by_verb_and_resource(in_namespace)["create jobs"] == RUNS
    events = by_verb_and_resource(in_namespace)["create events"]
    writes = sum(not request.is_read for request in in_namespace)
    assert len(in_namespace) - writes <= MOST_READS_A_RUN * RUNS, report
    assert writes - events <= MOST_WRITES_A_RUN * RUNS, report


def _ended(run: dict[str, Any]) -> bool:
    return run.get("status", {}).get("phase") in ("Completed", "Failed")


def _a_run(requests: Any) -> float:
    counted: list[Request] = list(requests)
    return round(len(counted) / RUNS, 2)


def _publish(report: dict[str, Any], path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
    with capsys.disabled():
        print(f"\n{json.dumps(report, indent=2)}\nwritten to {path.name}")
