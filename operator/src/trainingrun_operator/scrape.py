"""What rank 0 answers when it is asked for its metrics. Pure.

The page comes from a pod, which runs anybody's code: what is no number, or no name, that a status could hold
is left out.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from prometheus_client.parser import text_string_to_metric_families

from trainingrun_api import telemetry
from trainingrun_api.status import MAX_COUNT, MAX_METRIC_NAME


@dataclass(frozen=True, slots=True)
class Scrape:
    """What rank 0 said of itself; None where it said nothing."""

    at: datetime
    """When it was asked."""
    attempt: int = 1
    heartbeat_seen_at: datetime | None = None
    """When the operator first got this heartbeat, or none, by its own clock: the trainer's may be wrong."""
    epoch: int | None = None
    epochs_planned: int | None = None
    global_step: int | None = None
    steps_planned: int | None = None
    seconds_per_epoch: float | None = None
    samples_per_second: float | None = None
    phase: str | None = None
    heartbeat: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    """Last values by <split>_<name>."""
    monitor: str | None = None
    best: tuple[str, float] | None = None
    best_epoch: int | None = None
    checkpoint_step: int | None = None
    checkpoint_time: float | None = None
    checkpoint_blocked: bool = False
    resumed_step: int | None = None
    """Step of the checkpoint that the attempt went on from, 0 for a fresh start."""
    resume_exact: bool | None = None
    damaged_checkpoints: int | None = None
    useful_seconds: float | None = None

    @property
    def empty(self) -> bool:
        """Whether it holds nothing of the trainer contract."""
        return self == Scrape(self.at, self.attempt, self.heartbeat_seen_at)

    def after(self, previous: "Scrape | None") -> "Scrape":
        """The same, with when its heartbeat was first seen, as far as the answer before it tells."""
        same = previous and (previous.attempt, previous.heartbeat) == (self.attempt, self.heartbeat)
        since = previous.heartbeat_seen_at if previous and same else None
        return replace(self, heartbeat_seen_at=since or self.at)

    @property
    def epochs_done(self) -> float | None:
        """Epochs of work done, fractions included where steps tell them."""
        if self.epochs_planned and self.steps_planned and self.global_step is not None:
            return max(self.epoch or 0, self.epochs_planned * self.global_step / self.steps_planned)
        return self.epoch

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds to the end of all planned epochs."""
        if self.epochs_planned is None or self.epochs_done is None or self.seconds_per_epoch is None:
            return None
        return max(0.0, self.epochs_planned - self.epochs_done) * self.seconds_per_epoch

    @property
    def percent(self) -> int | None:
        """Share of the planned epochs that is done."""
        if not self.epochs_planned or self.epochs_done is None:
            return None
        return min(100, math.floor(100 * self.epochs_done / self.epochs_planned))


def parse(page: str, at: datetime, attempt: int = 1) -> Scrape:
    """A page in Prometheus' text format. What is no number, or no name, of the trainer contract is left out.

    Raises ValueError where it is none.
    """
    values: dict[str, float] = {}
    metrics: dict[str, float] = {}
    monitor = phase = None
    best: tuple[str, float] | None = None
    for name, labels, value in samples(page):
        metric = f"{labels.get('split', '')}_{labels.get('name', '')}"
        if len(metric) > MAX_METRIC_NAME:
            continue
        if name == telemetry.METRIC:
            metrics[metric] = value
        elif name == telemetry.MONITOR and value == 1:
            monitor = metric
        elif name == telemetry.BEST_METRIC:
            best = metric, value
        elif name == telemetry.PHASE and value == 1:
            phase = labels.get("phase")
        elif 0 <= value <= MAX_COUNT:
            values[name] = value
    exact = values.get(telemetry.RESUME_EXACT)
    return Scrape(
        at=at,
        attempt=attempt,
        epoch=_whole(values.get(telemetry.EPOCH)),
        epochs_planned=_whole(values.get(telemetry.EPOCHS_PLANNED)),
        global_step=_whole(values.get(telemetry.GLOBAL_STEP)),
        steps_planned=_whole(values.get(telemetry.STEPS_PLANNED)),
        seconds_per_epoch=values.get(telemetry.SECONDS_PER_EPOCH),
        samples_per_second=values.get(telemetry.SAMPLES_PER_SECOND),
        phase=phase,
        heartbeat=values.get(telemetry.HEARTBEAT),
        metrics=metrics,
        monitor=monitor,
        best=best,
        best_epoch=_whole(values.get(telemetry.BEST_EPOCH)),
        checkpoint_step=_whole(values.get(telemetry.LAST_CHECKPOINT_STEP)),
        checkpoint_time=values.get(telemetry.LAST_CHECKPOINT_TIMESTAMP),
        checkpoint_blocked=values.get(telemetry.CHECKPOINT_BLOCKED) == 1,
        resumed_step=_whole(values.get(telemetry.RESUMED_STEP)),
        resume_exact=None if exact is None else exact == 1,
        damaged_checkpoints=_whole(values.get(telemetry.DAMAGED_CHECKPOINTS)),
        useful_seconds=values.get(telemetry.USEFUL_SECONDS),
    )


def samples(page: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Name, labels and value of each sample. Raises ValueError where it is no page of metrics."""
    try:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value
    except Exception as error:  # the parser has none of its own: broken labels end in an IndexError
        raise ValueError(f"not in Prometheus' text format: {error}") from error


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
