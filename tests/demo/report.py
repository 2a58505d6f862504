"""What came of the demo: where time went, how good the model is, and what to try next. Pure text."""

from collections.abc import Sequence
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
    binaries: tuple[Path, ...]
    """Folders with kubectl, helm and kubectl-trainingrun."""
    namespace: str
    operator_namespace: str
    release: str


def next_commands(run: Object, place: Place) -> str:
    """Commands to paste, in the order in which one would try them."""
    name, namespace = run["metadata"]["name"], place.namespace
    kubectl, verb = f"kubectl -n {namespace}", "kubectl trainingrun"
    path = ":".join(map(str, place.binaries))
    return f"""\
  export KUBECONFIG={place.kubeconfig}
  export PATH={path}:$PATH

  # What happened, on one screen; and what rank 0 said
  {verb} describe {name} -n {namespace}
  {verb} logs {name} -n {namespace} --rank 0 --tail 20

  # Its epochs, as a table and as curves
  {verb} metrics {name} -n {namespace}
  {verb} metrics {name} -n {namespace} --plot {name}.png

  # Results and the report for a browser, copied to ./results
  {verb} artifacts get {name} -n {namespace} --to results

  # The same with kubectl alone; everything that a run can ask for; the operator's metrics
  {kubectl} get tr
  {kubectl} describe tr {name}
  {kubectl} logs job/{name}-{run["status"]["attempt"]} --tail=20
  kubectl explain trainingrun.spec --recursive
  kubectl -n {place.operator_namespace} port-forward service/{place.release} 8000   # localhost:8000/metrics

  # Once more, reusing everything; the same without a cluster; and the end of it all
  make demo
  make demo-local
  make cluster-down"""


def next_local_commands(directory: Path, command: Sequence[str]) -> str:
    """The same after a run on this machine."""
    example = command[2]
    return f"""\
  export PATH=$PWD/.venv/bin:$PATH

  # Curves, confusion matrix and samples in one file for a browser; the scores; the model
  {directory / "report.html"}
  {directory / "results.json"}
  {directory / "checkpoints" / "best_model.pt"}

  # What the run was given, and everything that it could be given
  cat {example}
  kubectl-trainingrun --help

  # Your own data: look at them, write a run for them, train it here; the same file goes to a cluster
  kubectl-trainingrun init images.zip > mine.yaml
  kubectl-trainingrun local mine.yaml --data images=.

  # The same on a real cluster, which is made on this machine
  make demo"""
