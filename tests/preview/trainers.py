"""The pages of the made-up trainers, and of NVIDIA's dcgm-exporter, with the labels of their targets."""

import math
from collections.abc import Iterator, Mapping

from tests.preview.stories import (
    NAMESPACE,
    RESTART_SECONDS,
    SAVE_SECONDS,
    STEPS_AN_EPOCH,
    Story,
    unix,
)
from trainingrun_api import telemetry
from trainingrun_api.exposition import MetricFamily
from trainingrun_api.reasons import Phase
from trainingrun_api.telemetry import TrainerPhase

Labels = Mapping[str, str]
Line = tuple[str, Labels, float]
"""Name, labels and value of a sample."""


def pod_name(story: Story, now: float, index: int) -> str:
    return f"{story.name}-{story.attempt(now)}-{index}-x"


def node(index: int) -> str:
    return f"gpu-{index + 1}"


def target(story: Story, now: float, index: int, endpoint: str, port: int) -> dict[str, str]:
    """The labels of a trainer's page, as the PodMonitor gives them."""
    return {
        "job": "trainingrun-system/trainingrun-trainers",
        "instance": f"10.244.{index + 1}.{20 + len(story.name)}:{port}",
        "endpoint": endpoint,
        "namespace": NAMESPACE,
        "pod": pod_name(story, now, index),
        "node": node(index),
        "container": "trainer",
        "trainingrun": story.name,
        "attempt": str(story.attempt(now)),
        "index": str(index),
    }


def sample(family: MetricFamily, value: float, target: Labels, **own: str) -> Line:
    """One of a family's series; its labels must be the family's."""
    assert set(own) == set(family.labels), family
    return family, {**target, **own}, value


def trainer_pages(story: Story, now: float) -> Iterator[Line]:
    """Rank 0's page, which a stopped trainer does not serve, and the heartbeats of every pod."""
    began = story.started if now < story.fault else story.fault + RESTART_SECONDS
    moved = min(now, story.stalled)
    served = target(story, now, 0, "metrics", 9400)
    yield "up", served, float(moved == now)
    if moved == now:
        yield from rank_zero(story, now, now - began, served)
    for index in range(story.nodes):
        served = target(story, now, index, "heartbeats", 9401)
        rank = str(index)
        slowness = 1 + 0.08 * index
        waited = story.data_wait * (moved - began) / slowness
        yield "up", served, 1.0
        yield sample(telemetry.RANK_HEARTBEAT, unix(moved), served, rank=rank)
        yield sample(telemetry.RANK_GLOBAL_STEP, story.steps(now), served, rank=rank)
        yield sample(telemetry.RANK_STOPPED, float(moved < now), served, rank=rank)
        yield sample(telemetry.RANK_DATA_WAIT_SECONDS, waited, served, rank=rank)
        yield sample(telemetry.RANK_STEP_SECONDS, (moved - began) * slowness - waited, served, rank=rank)
        for phase in TrainerPhase:
            value = float(phase is TrainerPhase.TRAINING)
            yield sample(telemetry.RANK_PHASE, value, served, rank=rank, phase=phase)


def rank_zero(story: Story, now: float, seconds: float, served: Labels) -> Iterator[Line]:
    """The trainer's own page, so many seconds after its attempt began."""
    saved, metrics = story.saved(now), story.metrics(now)
    monitored = {"split": "val", "name": "accuracy"}
    for metric, value in metrics.items():
        split, _, name = metric.partition("_")
        yield sample(telemetry.METRIC, value, served, split=split, name=name)
    if metrics:
        yield sample(telemetry.BEST_METRIC, metrics["val_accuracy"], served, **monitored)
        yield sample(telemetry.BEST_EPOCH, math.floor(story.epoch(now)), served)
    if saved:
        at = now - story.trained(now) + saved
        yield sample(telemetry.LAST_CHECKPOINT_TIMESTAMP, unix(at), served)
        yield sample(telemetry.LAST_CHECKPOINT_STEP, saved, served)
    yield sample(telemetry.MONITOR, 1.0, served, **monitored)
    for phase in TrainerPhase:
        yield sample(telemetry.PHASE, float(phase is TrainerPhase.TRAINING), served, phase=phase)
    for family, value in (
        (telemetry.EPOCH, math.floor(story.epoch(now))),
        (telemetry.EPOCHS_PLANNED, story.epochs),
        (telemetry.GLOBAL_STEP, story.steps(now)),
        (telemetry.STEPS_PLANNED, story.epochs * STEPS_AN_EPOCH),
        (telemetry.SECONDS_PER_EPOCH, story.seconds_per_epoch),
        (telemetry.LEARNING_RATE, 5e-4 * (1 + math.cos(math.pi * story.epoch(now) / story.epochs))),
        (telemetry.SAMPLES_PER_SECOND, story.speed(now)),
        (telemetry.DATA_WAIT_SECONDS, story.data_wait * seconds),
        (telemetry.HEARTBEAT, unix(now)),
        (telemetry.CHECKPOINT_FAILURES, 0.0),
        (telemetry.CHECKPOINT_BLOCKED, 0.0),
        (telemetry.RESUMED_STEP, story.steps(story.fault) if now > story.fault else 0.0),
        (telemetry.RESUME_EXACT, 1.0),
        (telemetry.DAMAGED_CHECKPOINTS, 0.0),
        (telemetry.USEFUL_SECONDS, 0.93 * story.trained(now)),
    ):
        yield sample(family, value, served)
    checkpoints = math.floor(seconds / SAVE_SECONDS)
    for bound, share in (("0.5", 0.2), ("1.0", 0.7), ("2.5", 1.0), ("+Inf", 1.0)):
        bucket = math.floor(share * checkpoints)
        yield f"{telemetry.CHECKPOINT_SECONDS}_bucket", {**served, "le": bound}, bucket
    yield f"{telemetry.CHECKPOINT_SECONDS}_sum", served, 0.8 * checkpoints
    yield f"{telemetry.CHECKPOINT_SECONDS}_count", served, checkpoints


def gpus(story: Story, now: float) -> Iterator[Line]:
    """What NVIDIA's dcgm-exporter says of the run's devices, under Prometheus' own names for its labels."""
    busy = story.phase(now) is Phase.RUNNING and now < story.stalled
    for index in range(story.nodes):
        for device in range(story.gpus):
            labels = {
                "job": "nvidia-dcgm-exporter",
                "instance": f"10.244.{index + 1}.9:9400",
                "namespace": "gpu-operator",
                "pod": f"nvidia-dcgm-exporter-{index}",
                "gpu": str(device),
                "UUID": f"GPU-{story.name}-{index}-{device}",
                "modelName": "NVIDIA H100 80GB HBM3",
                "Hostname": node(index),
                "exported_namespace": NAMESPACE,
                "exported_pod": pod_name(story, now, index),
                "exported_container": "trainer",
            }
            share = (1 - story.data_wait) * (0.95 + 0.04 * math.sin(now / 90 + device)) if busy else 0.0
            yield "DCGM_FI_PROF_GR_ENGINE_ACTIVE", labels, share
            yield "DCGM_FI_DEV_GPU_UTIL", labels, round(100 * share)
            yield "DCGM_FI_DEV_FB_USED", labels, 41000.0 if busy else 600.0
            yield "DCGM_FI_DEV_FB_FREE", labels, 40000.0 if busy else 80400.0
            yield "DCGM_FI_DEV_POWER_USAGE", labels, 120 + 500 * share
            yield "DCGM_FI_DEV_GPU_TEMP", labels, 38 + 25 * share
