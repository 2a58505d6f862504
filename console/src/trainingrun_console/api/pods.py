"""Pods of a run, as the API server shows them to the caller."""

from collections.abc import Mapping
from typing import Any

from trainingrun_api import names
from trainingrun_client.connection import Connection, Resource
from trainingrun_console.api.models import Pod
from trainingrun_console.history.records import Run

PODS = Resource("v1", "pods")


def of_run(connection: Connection, run: Run) -> list[Pod]:
    """By attempt and rank. Raises ForbiddenError where the caller may not list pods."""
    items, _ = connection.list(PODS.path(run.namespace), {"labelSelector": f"{names.UID_LABEL}={run.uid}"})
    found = [described(item, processes(run.object.get("spec") or {})) for item in items]
    return sorted(found, key=lambda pod: (pod.attempt, pod.node_rank, pod.name))


def processes(spec: Mapping[str, Any]) -> int:
    """Ranks in each pod."""
    gpus = (spec.get("resources") or {}).get("gpus") or 0
    return int(spec.get("processesPerNode") or max(gpus, 1))


def described(pod: Mapping[str, Any], ranks: int) -> Pod:
    """One pod. Pure."""
    meta, status = pod["metadata"], pod.get("status") or {}
    labels = meta.get("labels") or {}
    rank = int(labels.get(names.COMPLETION_INDEX_LABEL, 0))
    containers = status.get("containerStatuses") or ()
    return Pod(
        name=meta["name"],
        attempt=int(labels.get(names.ATTEMPT_LABEL, 0)),
        node_rank=rank,
        first_rank=rank * ranks,
        last_rank=(rank + 1) * ranks - 1,
        phase=status.get("phase", "Pending"),
        ready=bool(containers) and all(each.get("ready") for each in containers),
        reason=_reason(status),
        node=(pod.get("spec") or {}).get("nodeName"),
        started_at=status.get("startTime"),
    )


def _reason(status: Mapping[str, Any]) -> str:
    if status.get("reason"):
        return str(status["reason"])
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        for kind in ("waiting", "terminated"):
            if kind in state and state[kind].get("reason") != "Completed":
                return ": ".join(filter(None, (state[kind].get("reason"), state[kind].get("message"))))
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("reason") == "Unschedulable":
            return f"Unschedulable: {condition.get('message', '')}"
    return ""
