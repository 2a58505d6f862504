"""What came of the demo: where time went, how good the model is, and what to try next. Pure text."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.demo.live import timestamp

Object = dict[str, Any]

OF_ONE_CLASS = "_class_"
"""Part of the names of metrics that are of one class; results.json and `kubectl describe` list them."""


def run_seconds(run: Object) -> dict[str, float]:
    """Wall seconds of the run's own parts, by its status; empty where its pods never all ran."""
    status: Object = run.get("status", {})
    if "startTime" not in status or "completionTime" not in status:
        return {}
    created = timestamp(run["metadata"]["creationTimestamp"])
    started, completed = timestamp(status["startTime"]), timestamp(status["completionTime"])
    return {
        "  from creation to all pods running": (started - created).total_seconds(),
        "  from then to Completed": (completed - started).total_seconds(),
    }


def where_time_went(steps: dict[str, float], run: Object) -> str:
    """Steps and their wall seconds; below the last step, which is the run, the run's own parts."""
    rows = {**steps, **run_seconds(run), "total": sum(steps.values())}
    width = max(map(len, rows))
    return "\n".join(f"  {what:<{width}}  {seconds:7.1f} s" for what, seconds in rows.items())


def final_metrics(run: Object) -> str:
    """The best epoch, then the last value of each metric over all classes."""
    status: Object = run.get("status", {})
    metrics = {metric["name"]: metric["value"] for metric in status.get("metrics", [])}
    lines = [f"  {name:<18} {value}" for name, value in metrics.items() if OF_ONE_CLASS not in name]
    if best := status.get("best"):
        lines.insert(0, f"  best {best['name']} = {best['value']}, in epoch {best['epoch']}")
    return "\n".join(lines) or "  (none)"


@dataclass(frozen=True)
class Place:
    """Where the demo's things are."""

    kubeconfig: Path
    binaries: Path
    """Folder with kubectl and helm."""
    namespace: str
    operator_namespace: str
    release: str
    reader: Path
    """Manifest of a pod that opens the checkpoint claim."""


def next_commands(run: Object, place: Place) -> str:
    """Commands to paste, in the order in which one would try them."""
    name, status = run["metadata"]["name"], run["status"]
    kubectl = f"kubectl -n {place.namespace}"
    return f"""\
  export KUBECONFIG={place.kubeconfig} PATH={place.binaries}:$PATH

  # What happened, in the run's own words, and what rank 0 printed
  {kubectl} describe tr {name}
  {kubectl} logs job/{name}-{status["attempt"]} --tail=20

  # Everything that a run can ask for
  kubectl explain trainingrun.spec --recursive

  # Results and checkpoints, copied to ./results
  {kubectl} apply -f {place.reader}
  {kubectl} wait --for=condition=Ready pod/results
  {kubectl} cp results:{status["runDirectory"]} ./results
  {kubectl} delete pod results

  # The operator's metrics, at http://localhost:8000/metrics
  kubectl -n {place.operator_namespace} port-forward service/{place.release} 8000

  # Once more, reusing everything; and the end of it all
  make demo
  make cluster-down"""
