"""How far training is: from rank 0's metrics while it runs, from the termination message when it ended.
Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from trainingrun_api import telemetry
from trainingrun_api.status import (
    MAX_COUNT,
    MAX_METRIC_NAME,
    MAX_METRICS,
    Best,
    Checkpoint,
    Columns,
    Metric,
    Progress,
    TrainingRunStatus,
)
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator.times import human_duration, to_timestamp

LAST_MOMENT = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""RFC 3339 has no later day."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """What rank 0 said of itself; None where it said nothing."""

    at: datetime
    """When it was asked."""
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

    @property
    def empty(self) -> bool:
        """Whether the page held nothing of the trainer contract."""
        return self == Scrape(at=self.at)

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


def parse(page: str, at: datetime) -> Scrape:
    """A page in Prometheus' text format. What is no number, or no name, of the trainer contract is left out.

    Raises ValueError where it is none.
    """
    values: dict[str, float] = {}
    metrics: dict[str, float] = {}
    monitor = phase = None
    best: tuple[str, float] | None = None
    for name, labels, value in _samples(page):
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
    return Scrape(
        at=at,
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
    )


def live(status: TrainingRunStatus, scrape: Scrape) -> dict[str, object]:
    """Status fields of a run under way; what the trainer did not say stays as it was."""
    left = scrape.seconds_left
    end = None if left is None else _unix(scrape.at.timestamp() + left)
    fields: dict[str, object] = {
        "progress": Progress(
            epoch=scrape.epoch,
            total_epochs=scrape.epochs_planned,
            global_step=scrape.global_step,
            percent=scrape.percent,
            samples_per_second=None
            if scrape.samples_per_second is None
            else number(scrape.samples_per_second),
            estimated_completion_time=end,
            last_heartbeat_time=_unix(scrape.heartbeat),
            trainer_phase=scrape.phase,
        )
    }
    if scrape.metrics:
        fields["metrics"] = [Metric(name=name, value=number(value)) for name, value in _bounded(scrape)]
    if scrape.best and scrape.best_epoch is not None:
        name, value = scrape.best
        fields["best"] = Best(name=name, value=number(value), epoch=scrape.best_epoch)
    if scrape.checkpoint_step is not None:
        path = status.checkpoint.path if status.checkpoint else None
        fields["checkpoint"] = Checkpoint(
            step=scrape.checkpoint_step, time=_unix(scrape.checkpoint_time), path=path
        )
    monitored = scrape.metrics.get(scrape.monitor) if scrape.monitor else None
    fields["columns"] = Columns(
        epoch=_of(scrape.epoch, scrape.epochs_planned),
        metric=None if monitored is None else f"{scrape.monitor}={number(monitored, digits=4)}",
        progress=None if scrape.percent is None else f"{scrape.percent}%",
        eta=None if left is None or end is None else human_duration(left),
    )
    return fields


def final(status: TrainingRunStatus, message: TerminationMessage) -> dict[str, object]:
    """Status fields of a run that ended; the metric column shows the best epoch, which is the model that
    is kept."""
    done = message.outcome == "completed"
    before = status.progress or Progress()
    told = {
        "epoch": message.epochs,
        "total_epochs": message.total_epochs,
        "global_step": message.global_step,
        "percent": 100 if done else None,
        "trainer_phase": telemetry.TrainerPhase.FINISHED.value if done else None,
    }
    fields: dict[str, object] = {
        "progress": before.model_copy(
            update={name: value for name, value in told.items() if value is not None}
            | {"estimated_completion_time": None}
        ),
    }
    for name in ("metrics", "best", "checkpoint"):
        if (value := getattr(message, name)) is not None:
            fields[name] = value
    columns = status.columns or Columns()
    best = message.best or status.best
    fields["columns"] = Columns(
        epoch=_of(message.epochs, message.total_epochs) or columns.epoch,
        metric=f"{best.name}={number(float(best.value), digits=4)}" if best else columns.metric,
        progress="100%" if done else columns.progress,
    )
    return fields


def without_estimate(status: TrainingRunStatus) -> dict[str, object]:
    """Status fields of a run that ended without a word: what was last known, and no estimate."""
    fields: dict[str, object] = {}
    if status.progress:
        fields["progress"] = status.progress.model_copy(update={"estimated_completion_time": None})
    if status.columns:
        fields["columns"] = status.columns.model_copy(update={"eta": None})
    return fields


def number(value: float, digits: int = 6) -> str:
    """A value as text with so many significant digits."""
    return f"{value:.{digits}g}"


def _samples(page: str) -> Iterator[tuple[str, dict[str, str], float]]:
    try:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value
    except Exception as error:  # the parser has none of its own: broken labels end in an IndexError
        raise ValueError(f"not in Prometheus' text format: {error}") from error


def _bounded(scrape: Scrape) -> list[tuple[str, float]]:
    """At most MAX_METRICS metrics, the monitored one first to stay."""
    ranked = sorted(scrape.metrics.items(), key=lambda item: (item[0] != scrape.monitor, item[0]))
    return sorted(ranked[:MAX_METRICS])


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _unix(seconds: float | None) -> str | None:
    if seconds is None or seconds > LAST_MOMENT:
        return None
    return to_timestamp(datetime.fromtimestamp(seconds, UTC))


def _of(done: int | None, planned: int | None) -> str | None:
    return None if done is None or planned is None else f"{done}/{planned}"
