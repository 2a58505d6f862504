"""The story of a run on one screen: state, why, progress, attempts, checkpoint, and what to do. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from trainingrun_api.reasons import Phase, Reason
from trainingrun_api.status import AttemptRecord, TrainingRunStatus
from trainingrun_client import epochs as history
from trainingrun_client.cli import screen, words
from trainingrun_client.cli.listing import suspended
from trainingrun_client.run import Epoch, TrainingRun
from trainingrun_operator.policies.advice import BY_REASON, RETRY
from trainingrun_operator.times import human_duration

Row = tuple[str, str | Text]

MOST_METRICS = 5
FIRST_LOOK = (
    "val_loss", "train_loss", "val_accuracy", "val_auroc", "val_dice", "val_iou", "val_map", "val_f1"
)  # fmt: skip
"""Metrics that people look at first, after the monitored one."""
HANDED_ON = {
    Reason.UNSCHEDULABLE,
    Reason.IMAGE_PULL,
    Reason.VOLUME_UNBOUND,
    Reason.CONTAINER_CONFIG,
    Reason.REJECTED,
}
"""Reasons to be Pending that somebody must do something about."""


def story(run: TrainingRun, epochs: Sequence[Epoch], now: datetime) -> list[Row]:
    """Labels and texts, in the order in which somebody asks."""
    return [
        *_state(run, now),
        *progress(run),
        *_metrics(run, epochs),
        *_attempts(run.status, now),
        *_kept(run.status, now),
        *_advice(run),
        ("Next", next_step(run)),
    ]


def _state(run: TrainingRun, now: datetime) -> list[Row]:
    status, spec = run.status, run.raw["spec"]
    phase = screen.phase("Suspended" if suspended(run) else str(run.phase))
    if run.finished and status.completion_time:
        phase.append(f", {words.age(status.completion_time, now)} ago", "")
    elif status.start_time:
        phase.append(f", started {words.age(status.start_time, now)} ago", "")
    gpus, nodes = (spec.get("resources") or {}).get("gpus", 1), spec.get("nodes", 1)
    what = _what(spec)
    rows: list[Row] = [
        ("Run", f"{run.namespace}/{run.name}, created {words.age(run.created, now)} ago"),
        ("Trains", f"{what} on {_many(nodes, 'node')} with {_many(gpus, 'GPU')} each"),
        ("Phase", phase),
    ]
    if run.reason:
        rows.append(("Why", f"{run.reason}: {run.message}" if run.message else run.reason))
    if status.waiting_for:
        rows.append(
            ("Waits for", f"{status.waiting_for}, which is active in the project {spec.get('project')}")
        )
    if status.next_attempt_time:
        rows.append(("Next try", status.next_attempt_time))
    for rank in status.silent_ranks or ():
        said = f"rank {rank.rank} ({rank.pod} on {rank.node}): {rank.phase}, step {rank.step}"
        rows.append(("Silent", f"{said}, last moved {rank.last_heartbeat_time}"))
    return rows


def _what(spec: Mapping[str, Any]) -> str:
    training = spec.get("training")
    if training is None:
        command = " ".join(spec.get("command") or ()).splitlines() or [""]
        return command[0] + (" ..." if len(command) > 1 else "")
    model, data = training.get("model") or {}, training.get("data") or {}
    return f"{training.get('task')}, {model.get('architecture', 'a default network')}, {data.get('path')}"


def progress(run: TrainingRun) -> list[Row]:
    """Bar, epoch and time to the end; nothing where the program tells nothing."""
    told, shown = run.status.progress, run.status.columns
    if told is None or told.percent is None:
        return []
    bar = words.bar(
        told.percent,
        done=screen.glyphs(words.DONE, words.PLAIN_DONE),
        to_do=screen.glyphs(words.TO_DO, words.PLAIN_TO_DO),
    )
    parts = [f"{bar} {told.percent}%"]
    if shown and shown.epoch:
        parts.append(f"epoch {shown.epoch}")
    if shown and shown.eta:
        parts.append(f"ETA {shown.eta}")
    if told.trainer_phase and not run.finished:
        parts.append(told.trainer_phase)
    if told.samples_per_second and not run.finished:
        parts.append(f"{float(told.samples_per_second):.0f} images/s")
    return [("Progress", "  ".join(parts))]


def _metrics(run: TrainingRun, epochs: Sequence[Epoch]) -> list[Row]:
    values, best = run.metrics, run.status.best
    levels = screen.glyphs(words.LEVELS, words.PLAIN_LEVELS)
    rows: list[Row] = []
    for name in chosen(list(values), best.name if best else None)[:MOST_METRICS]:
        text = f"{name} {words.number(values[name])}"
        if best and best.name == name:
            text += f" (best {words.number(float(best.value))} in epoch {best.epoch})"
        course = words.sparkline(history.series(epochs, name), levels=levels)
        rows.append(("" if rows else "Metrics", f"{text}  {course}".rstrip()))
    return rows


def chosen(names: Sequence[str], monitor: str | None) -> list[str]:
    """The metrics that tell most, the monitored one first; at the end those of the test split."""
    first = [monitor] if monitor in names else []
    known = [name for name in FIRST_LOOK if name in names and name != monitor]
    test = sorted(name for name in names if name.startswith("test_") and "_class_" not in name)
    return [*(name for name in first if name), *known, *test]


def _attempts(status: TrainingRunStatus, now: datetime) -> list[Row]:
    if status.attempt is None:
        return []
    restarts = status.restarts
    said = f"{status.attempt}"
    if restarts and restarts.total:
        counts = (
            (restarts.failures, "failure"), (restarts.stalls, "stall"), (restarts.disruptions, "disruption")
        )  # fmt: skip
        said += f", after {', '.join(_many(count, what) for count, what in counts if count)}"
    rows: list[Row] = [("Attempt", said)]
    rows += [("", _attempt(record, now)) for record in status.attempts or ()]
    return rows


def _attempt(record: AttemptRecord, now: datetime) -> str:
    cause = "" if record.reason == record.outcome else f": {record.reason}"
    parts = [f"#{record.number} {record.outcome}{cause}"]
    if record.node:
        parts.append(f"on {record.node}")
    if record.duration_seconds is not None:
        parts.append(f"after {human_duration(record.duration_seconds)}")
    if record.to_step is not None:
        parts.append(f"steps {record.from_step or 0} to {record.to_step}")
    if record.lost_steps:
        parts.append(f"{record.lost_steps} of them lost")
    if record.end_time:
        parts.append(f"{words.age(record.end_time, now)} ago")
    return ", ".join(parts)


def _kept(status: TrainingRunStatus, now: datetime) -> list[Row]:
    rows: list[Row] = []
    if status.checkpoint:
        kept = status.checkpoint
        epoch = "" if kept.epoch is None else f", epoch {kept.epoch}"
        old = f", {words.age(kept.time, now)} ago" if kept.time else ""
        rows.append(("Checkpoint", f"step {kept.step}{epoch}{old}"))
    if status.checkpoint_claim:
        rows.append(("Results", f"{status.run_directory} in the claim {status.checkpoint_claim}"))
    if status.goodput:
        rows.append(("Goodput", f"{float(status.goodput):.0%} of the time since the start is in the result"))
    return rows


def _advice(run: TrainingRun) -> list[Row]:
    failure = run.status.last_failure
    if run.phase == Phase.PENDING and run.reason in HANDED_ON:
        return [("Advice", BY_REASON[Reason(run.reason)].removesuffix(f", {RETRY}"))]
    if failure is None or run.phase == Phase.COMPLETED:
        return []
    where = ", ".join(
        part
        for part in (
            failure.pod and f"pod {failure.pod}",
            failure.node and f"node {failure.node}",
            None if failure.rank is None else f"rank {failure.rank}",
            None if failure.exit_code is None else f"exit code {failure.exit_code}",
        )
        if part
    )
    said = f"attempt {failure.attempt}, {failure.reason}: {failure.message}"
    rows: list[Row] = [("Last failure", f"{said} ({where})" if where else said)]
    if failure.advice:
        rows.append(("Advice", failure.advice))
    return rows


def next_step(run: TrainingRun) -> str:
    """The command that somebody is likely to want now."""
    name = named(run)
    if run.phase == Phase.COMPLETED:
        verb = "artifacts get" if run.status.checkpoint_claim else "logs"
        return f"kubectl trainingrun {verb} {name}"
    if run.phase == Phase.FAILED:
        return f"kubectl trainingrun logs {name} --tail 30; then kubectl trainingrun retry {name}"
    if suspended(run):
        return f"kubectl trainingrun resume {name}"
    if run.phase == Phase.RUNNING:
        return f"kubectl trainingrun watch {name}"
    return f"kubectl trainingrun wait {name}; if it does not move: kubectl trainingrun doctor"


def named(run: TrainingRun) -> str:
    """As a command line names it."""
    return run.name if run.namespace == "default" else f"{run.name} -n {run.namespace}"


def _many(count: object, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
