"""Runs that never were: one of each kind, with epochs, attempts, events, pods and a log."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.helpers.page_scene import Scene
from trainingrun_api import names
from trainingrun_api.reasons import Phase
from trainingrun_console.history.records import Artifact, Attempt, Event, Run

Object = dict[str, Any]
EPOCHS, STEPS = 20, 40
"""Planned epochs of a run, and steps of each."""


def score(epoch: int, start: float = 0.5, end: float = 0.93) -> float:
    """Of a curve that rises and flattens."""
    return end - (end - start) * math.exp(-epoch / 6) + 0.012 * math.sin(epoch * 2.4)


def epoch_of(number: int, began: datetime, rate: float = 0.001) -> Object:
    """A record as in metrics.json."""
    return {
        "epoch": number,
        "global_step": number * STEPS,
        "train_loss": 0.9 * math.exp(-number / 7) + 0.08,
        "val_loss": 0.85 * math.exp(-number / 8) + 0.15 + 0.01 * math.sin(number),
        "train_accuracy": score(number, 0.55, 0.97),
        "val_accuracy": score(number),
        "val_auroc": score(number, 0.6, 0.96),
        "val_recall": score(number, 0.45, 0.9),
        "val_f1": score(number, 0.44, 0.91),
        "learning_rate": rate * (0.1 if number > 14 else 1.0),
        "seconds": 31.5,
        "samples_per_second": 182.0 + 9 * math.sin(number * 1.7),
        "time": (began + timedelta(seconds=32 * number)).isoformat(),
    }


def spec_of(rate: float = 0.001, architecture: str = "resnet50", **more: Any) -> Object:
    """Of a made-up run."""
    training = {
        "task": "classification",
        "data": {"format": "directory", "path": "/data/chest", "imageSize": 224, "batchSize": 32},
        "model": {"architecture": architecture},
        "optimizer": {"name": "adamw", "learningRate": rate},
        "monitor": "val_accuracy",
        "maxEpochs": EPOCHS,
    }
    return {
        "nodes": 2,
        "resources": {"gpus": 1, "cpu": "8", "memory": "32Gi"},
        "volumes": [{"claim": "chest", "mountPath": "/data", "readOnly": True}],
        "checkpoints": {"size": "20Gi"},
        "training": training,
        **more,
    }


def add_run(
    scene: Scene,
    name: str,
    phase: Phase,
    *,
    epochs: int = 0,
    minutes: float = 60,
    number: int | None = None,
    status: Mapping[str, Any] | None = None,
    spec: Object | None = None,
    **more: Any,
) -> Run:
    """Saves a run that was created so many minutes ago, with its epochs."""
    count = len(name) * 7919 + int(minutes * 13) if number is None else number
    uid = f"{count:08x}-0000-4000-8000-000000000000"
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=minutes)
    wanted = spec or spec_of()
    told = {"phase": str(phase), "startTime": began.isoformat(), **(status or {})}
    raw = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {
            "name": name,
            "namespace": "radiology",
            "uid": uid,
            "creationTimestamp": began.isoformat(),
            "resourceVersion": "1",
        },
        "spec": wanted,
        "status": told,
    }
    ended = phase in (Phase.COMPLETED, Phase.FAILED)
    known: Object = {
        "project": wanted.get("project"),
        "task": "classification",
        "monitor": "val_accuracy",
        "total_epochs": EPOCHS,
        "started_at": began if epochs else None,
        "completed_at": began + timedelta(minutes=minutes / 2) if ended else None,
        "attempt": 1,
    }
    if epochs:
        known |= {
            "epoch": epochs,
            "percent": round(100 * epochs / EPOCHS),
            "monitor_value": epoch_of(epochs, began)["val_accuracy"],
            "best_value": max(score(each) for each in range(1, epochs + 1)),
            "best_epoch": epochs,
        }
    run = Run(
        run_id=f"{name}-{uid[:8]}", namespace="radiology", name=name, uid=uid, created_at=began, phase=phase,
        object=raw, **{**known, **more},
    )  # fmt: skip
    scene.history.save(run)
    scene.history.save_epochs(run.run_id, [epoch_of(each, began) for each in range(1, epochs + 1)])
    scene.cluster.objects[name] = raw
    return run


def furnish(scene: Scene) -> dict[str, Run]:
    """One run of each kind, by name."""
    runs = [
        add_running(scene),
        add_run(
            scene,
            "chest-wide",
            Phase.PENDING,
            minutes=4,
            reason="Unschedulable",
            message="0/3 nodes are available: 3 Insufficient nvidia.com/gpu",
            spec=spec_of(architecture="resnet152"),
        ),
        add_run(
            scene,
            "chest-next",
            Phase.PENDING,
            minutes=3,
            reason="WaitingForProject",
            message="chest-xray is active in the project chest",
            spec=spec_of(project="chest"),
            status={"waitingFor": "chest-xray"},
        ),
        add_failed(scene),
        add_run(
            scene,
            "chest-base",
            Phase.COMPLETED,
            epochs=EPOCHS,
            minutes=300,
            spec=spec_of(0.0003, project="chest"),
            results={"best_val_accuracy": 0.9321, "total_epochs_run": EPOCHS, "early_stopped": False},
            provenance={"image": "registry.example.com/trainer:1.0", "torch_version": "2.11.0"},
            artifacts=[
                Artifact("checkpoints/best.ckpt", 98_304_000),
                Artifact("plots/loss.png", 18_200),
                Artifact("samples/0001.png", 52_000),
                Artifact("samples/0002.png", 51_000),
            ],
        ),
        add_run(
            scene,
            "skin-seg",
            Phase.PENDING,
            epochs=7,
            minutes=500,
            reason="Suspended",
            message="suspended at step 280",
            spec=spec_of(project="skin", suspend=True),
        ),
    ]
    return {run.name: run for run in runs}


def add_running(scene: Scene) -> Run:
    """In its second attempt, with all that a run tells while it trains."""
    now = datetime.now(UTC).replace(microsecond=0)
    progress = {
        "epoch": 12,
        "totalEpochs": EPOCHS,
        "globalStep": 12 * STEPS,
        "percent": 60,
        "samplesPerSecond": "184.2",
        "trainerPhase": "training",
    }
    run = add_run(
        scene,
        "chest-xray",
        Phase.RUNNING,
        epochs=12,
        minutes=9,
        attempt=2,
        restarts=1,
        spec=spec_of(project="chest"),
        estimated_completion_time=now + timedelta(minutes=4, seconds=10),
        status={
            "nodesReady": "2/2",
            "progress": progress,
            "checkpoint": {"step": 460, "epoch": 11, "time": (now - timedelta(seconds=95)).isoformat()},
            "goodput": "0.91",
            "restarts": {"failures": 1, "total": 1},
        },
    )
    ended = Attempt(
        number=1,
        outcome="Failure",
        reason="NcclTimeout",
        message="rank 1 did not answer for 300 s",
        pod="chest-xray-1-1-vv2kd",
        node="node-a",
        started_at=now - timedelta(minutes=8),
        ended_at=now - timedelta(minutes=6),
        from_step=0,
        to_step=190,
        lost_steps=30,
    )
    scene.history.save_attempts(run.run_id, [ended])
    told = [("Normal", "AttemptStarted", "attempt 1"), ("Warning", "AttemptFailed", "attempt 1: NcclTimeout")]
    events = [
        Event(uid=reason, time=now - timedelta(minutes=8 - place), type=kind, reason=reason, message=text)
        for place, (kind, reason, text) in enumerate(told)
    ]
    scene.history.save_events(run.run_id, events)
    scene.cluster.pods = [pod(run, index) for index in range(2)]
    scene.cluster.log = [
        *(line("INFO", f"epoch {each}: val_loss {0.9 / each:.3f}") for each in range(1, 13)),
        line("WARNING", "the learning rate was lowered to 0.0001"),
        "plain words of another program",
    ]
    return run


def add_failed(scene: Scene) -> Run:
    """With what the operator says of its failure."""
    failure = {
        "attempt": 2,
        "pod": "knee-mri-2-0-x7k2p",
        "node": "node-b",
        "rank": 0,
        "exitCode": 137,
        "reason": "OOMKilled",
        "message": "the kernel killed rank 0 for memory: 64Gi were not enough",
        "advice": "raise resources.memory, or lower data.batchSize or data.numWorkers, in a new run",
    }
    return add_run(
        scene,
        "knee-mri",
        Phase.FAILED,
        epochs=5,
        minutes=140,
        reason="OOMKilled",
        message="attempt 2 failed: the kernel killed rank 0 for memory",
        status={"lastFailure": failure},
        spec=spec_of(project="knee"),
        attempt=2,
        restarts=1,
    )


def line(level: str, message: str) -> str:
    """As the built-in trainer writes it."""
    return json.dumps({"level": level, "rank": 0, "message": message})


def pod(run: Run, index: int) -> Object:
    """As the API server tells of it."""
    labels = {names.UID_LABEL: run.uid, names.ATTEMPT_LABEL: "2", names.COMPLETION_INDEX_LABEL: str(index)}
    return {
        "metadata": {
            "name": f"{run.name}-2-{index}-{'ab'[index]}x9fq",
            "labels": labels,
            "uid": str(index),
            "resourceVersion": "1",
            "namespace": run.namespace,
        },
        "spec": {"nodeName": f"node-{'ab'[index]}"},
        "status": {
            "phase": "Running",
            "startTime": run.created_at.isoformat(),
            "containerStatuses": [{"name": "trainer", "ready": True, "state": {"running": {}}}],
        },
    }
