"""How far training is: from rank 0's metrics while it runs, from the termination message when it ended.
Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from trainingrun_api import telemetry
from trainingrun_api.model import Report
from trainingrun_api.status import MAX_METRICS, Best, Columns, Metric, Progress, TrainingRunStatus
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator import resumption
from trainingrun_operator.goodput import goodput
from trainingrun_operator.scrape import Scrape
from trainingrun_operator.times import human_duration, unix_timestamp

R = TypeVar("R", bound=Report)


def live(status: TrainingRunStatus, scrape: Scrape) -> dict[str, object]:
    """Status fields of a run under way; what the trainer did not say stays as it was."""
    if scrape.empty:
        return {}
    left = scrape.seconds_left
    end = None if left is None else unix_timestamp(scrape.at.timestamp() + left)
    rate = scrape.samples_per_second
    fields: dict[str, object] = {
        "progress": _told(
            status.progress or Progress(),
            {
                "epoch": scrape.epoch,
                "total_epochs": scrape.epochs_planned,
                "global_step": scrape.global_step,
                "percent": scrape.percent,
                "samples_per_second": None if rate is None else number(rate),
                "last_heartbeat_time": unix_timestamp(scrape.heartbeat),
                "trainer_phase": scrape.phase,
                "useful_seconds": None if scrape.useful_seconds is None else int(scrape.useful_seconds),
            },
            estimated_completion_time=end,
        )
    }
    if scrape.metrics:
        fields["metrics"] = [Metric(name=name, value=number(value)) for name, value in _bounded(scrape)]
    if scrape.best and scrape.best_epoch is not None:
        name, value = scrape.best
        fields["best"] = Best(name=name, value=number(value), epoch=scrape.best_epoch)
    records = status.attempts or []
    if updated := resumption.with_lost_steps(records, scrape.resumed_step):
        fields["attempts"] = records = updated
    if checkpoint := resumption.checkpoint(status, scrape, records):
        fields["checkpoint"] = checkpoint
    if (share := goodput(status, scrape.useful_seconds, scrape.at)) is not None:
        fields["goodput"] = share
    monitored = scrape.metrics.get(scrape.monitor) if scrape.monitor else None
    fields["columns"] = _told(
        status.columns or Columns(),
        {
            "epoch": _of(scrape.epoch, scrape.epochs_planned),
            "metric": None if monitored is None else f"{scrape.monitor}={number(monitored, digits=4)}",
            "progress": None if scrape.percent is None else f"{scrape.percent}%",
        },
        eta=None if left is None or end is None else human_duration(left),
    )
    return fields


def final(status: TrainingRunStatus, message: TerminationMessage, ended_at: datetime) -> dict[str, object]:
    """Status fields of an attempt that ended; the metric column shows the best epoch, which is the model that
    is kept."""
    done = message.outcome == "completed"
    before = status.progress or Progress()
    percent = 100 if done else before.percent
    if percent is None and message.epochs is not None and message.total_epochs:
        percent = min(100, 100 * message.epochs // message.total_epochs)
    told = {
        "epoch": message.epochs,
        "total_epochs": message.total_epochs,
        "global_step": message.global_step,
        "percent": percent,
        "samples_per_second": message.samples_per_second,
        "useful_seconds": message.useful_seconds,
    }
    fields: dict[str, object] = {
        "progress": _told(
            before,
            told,
            trainer_phase=telemetry.TrainerPhase.FINISHED if done else None,
            last_heartbeat_time=None,
            estimated_completion_time=None,
        ),
    }
    if message.metrics:
        fields["metrics"] = _completed(message.metrics, status.metrics or ())
    if message.best:
        fields["best"] = message.best
    if message.checkpoint:
        fields["checkpoint"] = resumption.last_checkpoint(status.checkpoint, message.checkpoint)
    if (share := goodput(status, message.useful_seconds, ended_at)) is not None:
        fields["goodput"] = share
    columns = status.columns or Columns()
    best = message.best or status.best
    fields["columns"] = Columns(
        epoch=_of(message.epochs, message.total_epochs) or columns.epoch,
        metric=f"{best.name}={number(float(best.value), digits=4)}" if best else columns.metric,
        progress=columns.progress if percent is None else f"{percent}%",
    )
    return fields


def silent(status: TrainingRunStatus) -> dict[str, object]:
    """Status fields of an attempt that ended without a word: what was last known, and nothing that moves."""
    fields: dict[str, object] = {}
    if status.progress:
        fields["progress"] = _told(
            status.progress, {}, trainer_phase=None, last_heartbeat_time=None, estimated_completion_time=None
        )
    if status.columns:
        fields["columns"] = _told(status.columns, {}, eta=None)
    return fields


def number(value: float, digits: int = 6) -> str:
    """A value as text with so many significant digits."""
    return f"{value:.{digits}g}"


def _told(before: R, told: Mapping[str, object], **settled: object) -> R:
    """A report with what was told of it anew, and with fields that are settled, known or not."""
    known = {name: value for name, value in told.items() if value is not None}
    return type(before).model_validate({**dict(before), **known, **settled})


def _bounded(scrape: Scrape) -> list[tuple[str, float]]:
    """At most MAX_METRICS metrics, the monitored one first to stay."""
    ranked = sorted(scrape.metrics.items(), key=lambda item: (item[0] != scrape.monitor, item[0]))
    return sorted(ranked[:MAX_METRICS])


def _completed(last: Sequence[Metric], known: Sequence[Metric]) -> list[Metric]:
    """The last values, and those known of metrics for which the message had no room."""
    told = {metric.name for metric in last}
    return [*last, *(metric for metric in known if metric.name not in told)][:MAX_METRICS]


def _of(done: int | None, planned: int | None) -> str | None:
    return None if done is None or planned is None else f"{done}/{planned}"
