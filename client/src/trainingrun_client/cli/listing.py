"""`list`: runs as kubectl's columns show them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml
from rich.text import Text

from trainingrun_api import names
from trainingrun_client.cli import screen, words
from trainingrun_client.cli.options import AllNamespaces, Form, Output
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.run import TrainingRun

COLUMNS = ("NAME", "PHASE", "EPOCH", "METRIC", "PROGRESS", "ETA", "RESTARTS", "AGE")
WIDE = (*COLUMNS, "NODES", "GPUS", "CHECKPOINT", "QUEUE", "REASON", "MESSAGE")


def list_runs(
    client: TrainingRunClient, all_namespaces: AllNamespaces = False, output: Output = None
) -> None:
    """Runs of the namespace, oldest first."""
    runs = client.list(all_namespaces=all_namespaces)
    if output in (Form.JSON, Form.YAML):
        show_objects([run.raw for run in runs], output)
    elif output == Form.NAME:
        for run in runs:
            screen.write(full_name(run))
    elif runs:
        screen.show(table(runs, wide=output == Form.WIDE, namespaces=all_namespaces))
    else:
        where = "in any namespace" if all_namespaces else f"in the namespace {client.namespace}"
        screen.say(f"No TrainingRuns {where}. `kubectl trainingrun init` writes the first one.")


def table(runs: Sequence[TrainingRun], *, wide: bool = False, namespaces: bool = False) -> Any:
    """A row a run."""
    now = datetime.now(UTC)
    head = WIDE if wide else COLUMNS
    rows = [[cells(run, now)[name] for name in head] for run in runs]
    if namespaces:
        head = ("NAMESPACE", *head)
        rows = [[run.namespace, *row] for run, row in zip(runs, rows, strict=True)]
    return screen.table(head, rows)


def cells(run: TrainingRun, now: datetime) -> Mapping[str, str | Text]:
    """By heading."""
    status, spec = run.status, run.raw["spec"]
    shown = status.columns
    phase = "Suspended" if suspended(run) else str(run.phase)
    return {
        "NAME": run.name,
        "PHASE": screen.phase(phase),
        "EPOCH": (shown and shown.epoch) or "",
        "METRIC": (shown and shown.metric) or "",
        "PROGRESS": (shown and shown.progress) or "",
        "ETA": (shown and shown.eta) or "",
        "RESTARTS": str(status.restarts.total) if status.restarts else "0",
        "AGE": words.age(run.created, now),
        "NODES": status.nodes_ready or "",
        "GPUS": str((spec.get("resources") or {}).get("gpus", "")),
        "CHECKPOINT": str(status.checkpoint.step) if status.checkpoint else "",
        "QUEUE": spec.get("queue") or "",
        "REASON": run.reason,
        "MESSAGE": run.message.splitlines()[0] if run.message else "",
    }


def suspended(run: TrainingRun) -> bool:
    """Whether the run waits only because somebody wants it to."""
    return not run.finished and any(
        each.type == "Suspended" and each.status == "True" for each in run.status.conditions or ()
    )


def full_name(run: TrainingRun) -> str:
    """As `kubectl -o name` says it."""
    return f"{names.SINGULAR}.{names.GROUP}/{run.name}"


def show_objects(objects: Sequence[Mapping[str, Any]], form: Form) -> None:
    """A list of objects, for programs."""
    _dump({"apiVersion": "v1", "kind": "List", "items": [_shown(each) for each in objects]}, form)


def show_object(body: Mapping[str, Any], form: Form) -> None:
    """One object, for programs."""
    _dump(_shown(body), form)


def _shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """Without managedFields, as kubectl shows it."""
    meta = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    return {**body, "metadata": meta}


def _dump(body: Mapping[str, Any], form: Form) -> None:
    if form == Form.JSON:
        screen.write(json.dumps(body, indent=2))
    else:
        screen.write(yaml.safe_dump(dict(body), sort_keys=False, allow_unicode=True))
