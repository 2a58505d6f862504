"""Objects as the API server sends them, and the situations that decisions are made in: one line a test."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from trainingrun_api import TrainingRunSpec, TrainingRunStatus, names
from trainingrun_api.reasons import ConditionType
from trainingrun_api.status import Condition
from trainingrun_operator.decide import decide
from trainingrun_operator.observed import Run, job_from, pod_from, run_from
from trainingrun_operator.plan import Image, Situation, Verify
from trainingrun_operator.times import to_timestamp
from trainingrun_operator.view import View

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UID = "0f1e2d3c-aaaa-bbbb-cccc-000000000001"
JOB_UID = "0f1e2d3c-aaaa-bbbb-cccc-0000000000f1"
NAMESPACE, NAME = "team", "chest"
COMMAND: dict[str, Any] = {"image": "example/program:1", "command": ["train"], "resources": {"gpus": 0}}
TRAINER_IMAGE = Image("example/trainer:1", "IfNotPresent")


def at(seconds: float) -> str:
    """A timestamp so many seconds from NOW."""
    return to_timestamp(NOW + timedelta(seconds=seconds))


def raw_run(
    spec: Mapping[str, Any] = COMMAND, status: Mapping[str, Any] | None = None, **meta: Any
) -> dict[str, Any]:
    """A TrainingRun."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {
            "namespace": NAMESPACE,
            "name": NAME,
            "uid": UID,
            "generation": 1,
            "resourceVersion": "10",
            "creationTimestamp": at(-60),
            **meta,
        },
        "spec": dict(spec),
        **({"status": dict(status)} if status is not None else {}),
    }


def run(spec: Mapping[str, Any] = COMMAND, **meta: Any) -> Run:
    """A TrainingRun as the index keeps it."""
    return run_from(raw_run(spec, **meta))


def owner(uid: str, kind: str = names.KIND, name: str = NAME) -> dict[str, Any]:
    """A controlling owner."""
    return {"kind": kind, "name": name, "uid": uid, "controller": True}


def raw_job(
    state: str = "",
    message: str = "",
    ended: float = -10,
    owner_uid: str = UID,
    uid: str = JOB_UID,
    attempt: int = 1,
) -> dict[str, Any]:
    """A Job; `state` is the type of its true condition, if any."""
    conditions = [
        {"type": "SuccessCriteriaMet", "status": "False"},
        *(
            [{"type": state, "status": "True", "message": message, "lastTransitionTime": at(ended)}]
            if state
            else []
        ),
    ]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "namespace": NAMESPACE,
            "name": names.job_name(NAME, attempt),
            "uid": uid,
            "resourceVersion": "11",
            "creationTimestamp": at(-60),
            "labels": {names.RUN_LABEL: NAME, names.UID_LABEL: owner_uid, names.ATTEMPT_LABEL: str(attempt)},
            "ownerReferences": [owner(owner_uid)],
        },
        "status": {"conditions": conditions},
    }


def raw_pod(
    index: int = 0,
    phase: str = "Running",
    state: Mapping[str, Any] | None = None,
    conditions: Sequence[Mapping[str, Any]] = (),
    node: str = "n1",
    created: float = -60,
    job_uid: str = JOB_UID,
    run_uid: str = UID,
    attempt: int = 1,
    meta: Mapping[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    """A pod; `state` is that of its container, `meta` more metadata."""
    container = {
        "name": names.CONTAINER_NAME,
        "state": dict(state or {"running": {"startedAt": at(created + 5 + index)}}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": NAMESPACE,
            "name": f"{NAME}-{attempt}-{index}-x",
            "uid": f"pod-{attempt}-{index}-{job_uid}",
            "resourceVersion": "12",
            "creationTimestamp": at(created),
            "labels": {
                names.RUN_LABEL: NAME,
                names.UID_LABEL: run_uid,
                names.ATTEMPT_LABEL: str(attempt),
                names.COMPLETION_INDEX_LABEL: str(index),
            },
            "ownerReferences": [owner(job_uid, "Job", f"{NAME}-{attempt}")],
            **(meta or {}),
        },
        "spec": {"nodeName": node} if node else {},
        "status": {
            "phase": phase,
            "podIP": "10.0.0.9",
            "conditions": list(conditions),
            "containerStatuses": [container],
            **status,
        },
    }


def dead_pod(
    index: int = 0, code: int = 1, message: str = "", reason: str = "Error", ended: float = -10, **more: Any
) -> dict[str, Any]:
    """A pod whose container ended; with code 0 it succeeded."""
    ended_state = {
        "exitCode": code,
        "reason": reason,
        "message": message,
        "startedAt": at(-55 + index),
        "finishedAt": at(ended),
    }
    phase = "Failed" if code else "Succeeded"
    return raw_pod(index, phase, {"terminated": ended_state}, **more)


def waiting_pod(
    index: int = 0, reason: str = "ContainerCreating", message: str = "", **more: Any
) -> dict[str, Any]:
    """A pod whose container has not started."""
    return raw_pod(index, "Pending", {"waiting": {"reason": reason, "message": message}}, **more)


def unschedulable_pod(message: str, index: int = 0, **more: Any) -> dict[str, Any]:
    """A pod without a node."""
    verdict = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return raw_pod(index, "Pending", {"waiting": {}}, [verdict], node="", **more)


def situation(
    *children: Mapping[str, Any],
    spec: Mapping[str, Any] = COMMAND,
    status: TrainingRunStatus | None = None,
    verified: Verify | None = None,
    **meta: Any,
) -> Situation:
    """What a decision about a run with these Jobs and pods rests on."""
    found = run(spec, **meta)
    view = View(
        found,
        tuple(job_from(child) for child in children if child["kind"] == "Job"),
        tuple(pod_from(child) for child in children if child["kind"] == "Pod"),
    )
    return Situation(
        run=found,
        spec=TrainingRunSpec.model_validate(found.spec),
        status=status or TrainingRunStatus(),
        children=view.children(),
        scrape=None,
        now=NOW,
        trainer_image=TRAINER_IMAGE,
        verified=frozenset({verified} if verified else ()),
    )


def status_after(*children: Mapping[str, Any], spec: Mapping[str, Any] = COMMAND) -> TrainingRunStatus:
    """The status that a run with these children is given, where nobody complains of what it waits for."""
    plan = decide(situation(*children, spec=spec, verified=Verify.COMPLAINT))
    assert plan.status is not None, plan.why
    return plan.status


def started(seconds_ago: float = 60, spec: Mapping[str, Any] = COMMAND) -> TrainingRunStatus:
    """The status of a run whose first attempt was recorded some time ago."""
    then = replace(situation(spec=spec, verified=Verify.RUN), now=NOW - timedelta(seconds=seconds_ago))
    status = decide(then).status
    assert status is not None
    return status


def condition(status: TrainingRunStatus, kind: ConditionType) -> Condition:
    """One condition of a status."""
    return next(found for found in status.conditions or () if found.type == kind)
