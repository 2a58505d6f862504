"""Two made-up hours of a small cluster, as Prometheus would have scraped them: runs that train, wait, stall,
fail and go on, with their trainers, their GPUs and their operator.

The operator's series come from its own collectors, fed with made-up statuses; the trainers' and the GPUs'
from the definitions of their families. So a dashboard that is drawn from it asks for what really exists.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.shell import run
from tests.helpers.prometheus import Prometheus, binary, serving
from tests.preview.answers import TimeRange
from tests.preview.stories import BEGIN, NAMESPACE, SECONDS, STORIES, Story, unix
from tests.preview.trainers import Line, gpus, node, pod_name, trainer_pages
from tests.unit.operator import builders
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_api.status import Best, Checkpoint, Condition, LastFailure, Metric, Progress, Restarts
from trainingrun_operator.metrics import OperatorMetrics
from trainingrun_operator.metrics_page import RunSeries
from trainingrun_operator.observed import Pod, pod_from
from trainingrun_operator.run_series import Shown
from trainingrun_operator.times import to_timestamp

STEP_SECONDS = 60.0
"""Between two scrapes."""
TIMES = TimeRange(unix(0), unix(SECONDS), STEP_SECONDS)
RESYNC_SECONDS = 300
OPERATOR = {
    "job": "trainingrun-operator",
    "instance": "10.244.1.5:8000",
    "endpoint": "metrics",
    "service": "trainingrun-operator",
    "container": "operator",
    "namespace": "trainingrun-system",
    "pod": "trainingrun-operator-x",
}
"""Labels of the target; `honorLabels` leaves the series of a run their own."""


@contextmanager
def made_up(folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that holds the history; ask it for TIMES. Raises as `serving` does."""
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "history.txt"
    with text.open("w") as stream:
        stream.writelines(open_metrics())
    run([binary("promtool"), "tsdb", "create-blocks-from", "openmetrics", text, folder / "data"])
    with serving(folder) as prometheus:
        yield prometheus


def open_metrics() -> Iterator[str]:
    """All samples with their times, in the text format that promtool reads."""
    history = History()
    for scrape in range(int(SECONDS / STEP_SECONDS) + 1):
        now = scrape * STEP_SECONDS
        for name, labels, value in history.page(now):
            inside = ",".join(f'{label}="{text}"' for label, text in labels.items())
            yield f"{name}{{{inside}}} {float(value)!r} {unix(now)!r}\n"
    yield "# EOF\n"


class History:
    """The samples of one scrape after the other."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._series = RunSeries()
        self._now = 0.0
        self._operator = OperatorMetrics(
            self._registry,
            leads=lambda: True,
            queue_depth=lambda: max(0.0, round(3 * math.sin(self._now / 500))),
            resynced_at=lambda: unix(self._now - self._now % RESYNC_SECONDS),
            resync_seconds=RESYNC_SECONDS,
        )

    def page(self, now: float) -> Iterator[Line]:
        """All samples of a moment; the moments must follow one another."""
        self._now = now
        for story in STORIES:
            if now >= story.created:
                self._series.publish(shown(story, now))
        self._work(now)
        yield from self._operator_page()
        for story in STORIES:
            if story.phase(now) is Phase.RUNNING:
                yield from trainer_pages(story, now)
            if story.started <= now < story.ended():
                yield from gpus(story, now)

    def _work(self, now: float) -> None:
        """What the operator did since the last scrape."""
        for number in range(12):
            self._operator.reconciled("success", 0.004 * (1 + number % 5))
        for verb, resource, count in (
            ("patch", "trainingruns", 9),
            ("create", "jobs", 1),
            ("list", "pods", 2),
        ):
            for _ in range(count):
                self._operator.count_request(verb, resource, 200)
        self._operator.count_scrape(answered=True)
        if now % 1200 == 0:
            self._operator.reconciled("error", 2.0)
            self._operator.count_request("patch", "trainingruns", 409)
            self._operator.count_scrape(answered=False)
            self._operator.count_mismatches(int(now == 4800))
        for story in STORIES:
            if 0 <= now - story.fault < STEP_SECONDS:
                self._operator.count_attempt("Failure", story.fault_reason)
            if 0 <= now - story.ended() < STEP_SECONDS:
                outcome = "Completed" if story.failed == math.inf else "Fatal"
                self._operator.count_attempt(outcome, "Completed" if outcome == "Completed" else "UserError")

    def _operator_page(self) -> Iterator[Line]:
        runs = text_string_to_metric_families(self._series.text().decode())
        for family in chain(self._registry.collect(), runs):
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    yield sample.name, {**OPERATOR, **sample.labels}, sample.value
        yield "up", OPERATOR, 1.0
        yield "process_cpu_seconds_total", OPERATOR, 0.02 * self._now
        yield "process_resident_memory_bytes", OPERATOR, 6e7 + 1e3 * self._now
        yield "process_open_fds", OPERATOR, 21.0
        yield "process_max_fds", OPERATOR, 1024.0
        yield "process_start_time_seconds", OPERATOR, unix(-86400)


def timestamp(seconds: float) -> str:
    return to_timestamp(BEGIN + timedelta(seconds=seconds))


def shown(story: Story, now: float) -> Shown:
    """The run as the operator shows it."""
    spec = {
        "nodes": story.nodes,
        "resources": {"gpus": story.gpus},
        "training": {"task": story.task},
        "project": story.project,
        "queue": story.queue,
    }
    meta = {"namespace": NAMESPACE, "name": story.name, "creationTimestamp": timestamp(story.created)}
    phase = story.phase(now)
    reason = {
        Phase.PENDING: story.waits_for if now < story.started else Reason.BACK_OFF,
        Phase.RUNNING: Reason.PODS_RUNNING,
        Phase.COMPLETED: Reason.COMPLETED,
        Phase.FAILED: story.fault_reason,
    }[phase]
    begun = now >= story.started
    return Shown(
        builders.run(spec, **meta),
        TrainingRunStatus(
            phase=phase,
            reason=reason,
            attempt=story.attempt(now),
            start_time=timestamp(story.started) if begun else None,
            completion_time=timestamp(story.ended()) if now >= story.ended() else None,
            **(progress(story, now) if begun else {}),
        ),
        tuple(pods(story, now)),
        BEGIN + timedelta(seconds=now),
    )


def progress(story: Story, now: float) -> dict[str, object]:
    """What the status of a run that started says of its training."""
    trained, saved = story.trained(now), story.saved(now)
    planned = story.epochs * story.seconds_per_epoch
    metrics = story.metrics(now)
    stalled = now > story.stalled + 300
    condition = Condition(
        type=ConditionType.PROGRESSING,
        status="False" if stalled else "True",
        reason=Reason.STALLED if stalled else Reason.STEPS_TAKEN,
        last_transition_time=timestamp(story.started),
    )
    faults = int(now >= story.fault)
    running = story.phase(now) is Phase.RUNNING
    return {
        "conditions": [condition],
        "progress": Progress(
            epoch=int(story.epoch(now)),
            total_epochs=story.epochs,
            global_step=story.steps(now),
            percent=int(100 * trained / planned),
            samples_per_second=f"{story.speed(now):.1f}",
            estimated_completion_time=timestamp(now + planned - trained) if running else None,
            last_heartbeat_time=timestamp(min(now, story.stalled)),
            useful_seconds=int(0.93 * trained),
        ),
        "metrics": [Metric(name=name, value=f"{value:.4g}") for name, value in metrics.items()],
        "best": Best(name="val_accuracy", value=f"{metrics['val_accuracy']:.4g}", epoch=1)
        if metrics
        else None,
        "checkpoint": Checkpoint(step=int(saved), time=timestamp(now - trained + saved)) if saved else None,
        "restarts": Restarts(failures=faults, total=faults),
        "last_failure": LastFailure(attempt=1, reason=story.fault_reason)
        if faults or now >= story.failed
        else None,
        "goodput": f"{0.93 * trained / max(1.0, min(now, story.ended()) - story.started):.3f}",
    }


def pods(story: Story, now: float) -> Iterator[Pod]:
    """Of the current attempt, while there is one."""
    if story.phase(now) is not Phase.RUNNING:
        return
    for index in range(story.nodes):
        attempt = story.attempt(now)
        meta = {"name": pod_name(story, now, index)}
        yield pod_from(builders.raw_pod(index, node=node(index), attempt=attempt, meta=meta))
