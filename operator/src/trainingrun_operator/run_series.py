"""What Prometheus sees of the runs: live numbers, standing, and facts to join them by. Pure.

The series of a run are read off its latest status, exist as long as the run does, and vanish with it: values
of a run that ended stay to be seen, and no label holds an epoch, a step or anything else without bounds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from trainingrun_api import TrainingRunStatus
from trainingrun_api.exposition import MetricFamily, gauge
from trainingrun_api.reasons import Phase
from trainingrun_api.status import Progress, Restarts
from trainingrun_operator.observed import Pod, Run
from trainingrun_operator.times import from_timestamp

RUN_LABELS = ("namespace", "name")
"""Of every family here, before its own."""
UNNAMED_TASK = "command"
"""What stands for the task of a run without the built-in trainer."""

Samples = Iterator[tuple[list[str], float]]
"""Values of a family's own labels, and the value."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A run as it was at a moment."""

    run: Run
    status: TrainingRunStatus
    pods: tuple[Pod, ...]
    """Of the current attempt."""
    at: datetime

    @property
    def progress(self) -> Progress:
        """How far it is; of unknowns where nothing was told."""
        return self.status.progress or Progress()


def _info(run: Shown) -> Samples:
    spec = run.run.spec
    task = spec["training"].get("task", "") if spec.get("training") else UNNAMED_TASK
    yield [task, spec.get("project", ""), spec.get("queue", "")], 1.0


def _gpus(run: Shown) -> Samples:
    spec = run.run.spec
    yield [], float(spec.get("nodes", 1) * spec.get("resources", {}).get("gpus", 0))


def _phases(run: Shown) -> Samples:
    for phase in Phase:
        yield [phase], float(run.status.phase == phase)


def _reason(run: Shown) -> Samples:
    if run.status.reason:
        yield [run.status.reason], 1.0


def _conditions(run: Shown) -> Samples:
    for condition in run.status.conditions or ():
        yield [condition.type, condition.status, condition.reason], 1.0


def _restarts(run: Shown) -> Samples:
    counts = run.status.restarts or Restarts()
    for cause, count in (
        ("failure", counts.failures),
        ("stall", counts.stalls),
        ("disruption", counts.disruptions),
    ):
        yield [cause], float(count)


def _last_failure(run: Shown) -> Samples:
    if failure := run.status.last_failure:
        yield [failure.reason], 1.0


def _metrics(run: Shown) -> Samples:
    values = {metric.name: float(metric.value) for metric in run.status.metrics or ()}
    for name, value in values.items():
        yield [name], value


def _best(run: Shown) -> Samples:
    if best := run.status.best:
        yield [best.name], float(best.value)


def _pods(run: Shown) -> Samples:
    for pod in run.pods:
        yield [pod.name, pod.node, str(pod.index)], 1.0


def _progress_ratio(run: Shown) -> float | None:
    return None if run.progress.percent is None else run.progress.percent / 100


def _eta(run: Shown) -> float | None:
    end = from_timestamp(run.progress.estimated_completion_time)
    return max(0.0, (end - run.at).total_seconds()) if end else None


def _single(value: Callable[[Shown], float | str | None]) -> Callable[[Shown], Samples]:
    """A family without labels of its own; what is not known is not shown."""

    def samples(run: Shown) -> Samples:
        if (found := value(run)) is not None:
            yield [], float(found)

    return samples


def _moment(timestamp: Callable[[Shown], str | None]) -> Callable[[Shown], Samples]:
    """A family that tells a Unix time."""

    def unix(run: Shown) -> float | None:
        moment = from_timestamp(timestamp(run))
        return moment.timestamp() if moment else None

    return _single(unix)


INFO = gauge(
    "trainingrun_info",
    "1; the run's task (`command` where it brings its own), project and queue, empty where it has none",
    "task",
    "project",
    "queue",
)
GPUS = gauge("trainingrun_gpus", "devices that all nodes together ask for", unit="devices")
PHASE = gauge("trainingrun_status_phase", "1 for the phase that the run is in, 0 for the others", "phase")
REASON = gauge("trainingrun_status_reason", "1 for the reason of the phase", "reason")
CONDITION = gauge(
    "trainingrun_status_condition",
    "1 for what each condition says now: `status` is `True`, `False` or `Unknown`",
    "condition",
    "status",
    "reason",
)
CREATED = gauge("trainingrun_created_timestamp_seconds", "creation of the run", unit="Unix seconds")
STARTED = gauge("trainingrun_start_timestamp_seconds", "when all pods first ran", unit="Unix seconds")
COMPLETED = gauge(
    "trainingrun_completion_timestamp_seconds", "when the run was Completed or Failed", unit="Unix seconds"
)
ATTEMPT = gauge("trainingrun_attempt", "number of the current or last attempt, counted from 1")
EPOCH = gauge("trainingrun_epoch", "epochs finished", unit="epochs")
EPOCHS_PLANNED = gauge(
    "trainingrun_epochs_planned", "epochs planned; early stopping may end a run before", unit="epochs"
)
GLOBAL_STEP = gauge("trainingrun_global_step", "optimizer steps taken", unit="steps")
PROGRESS_RATIO = gauge(
    "trainingrun_progress_ratio", "share of the planned epochs that is done, 0 to 1", unit="ratio"
)
ETA = gauge("trainingrun_eta_seconds", "estimated time to the end of all planned epochs", unit="seconds")
SAMPLES_PER_SECOND = gauge(
    "trainingrun_samples_per_second",
    "images that all ranks together trained on in the last epoch",
    unit="images a second",
)
METRIC = gauge(
    "trainingrun_metric",
    "last value of a metric, named `<split>_<name>` such as `val_accuracy`; at most 64 a run",
    "metric",
)
BEST_METRIC = gauge("trainingrun_best_metric", "best value so far of the monitored metric", "metric")
RESTARTS = gauge(
    "trainingrun_restarts",
    "attempts that ended too early since the creation: `failure`, `stall` or `disruption`",
    "cause",
)
LAST_FAILURE = gauge("trainingrun_last_failure", "1 for what ended the last attempt that failed", "reason")
GOODPUT_RATIO = gauge(
    "trainingrun_goodput_ratio",
    "share of the time since all pods first ran that is in the result, 0 to 1; time suspended, queued or "
    "Failed does not count",
    unit="ratio",
)
USEFUL_SECONDS = gauge(
    "trainingrun_useful_seconds",
    "time of training, validation and testing that is in the result",
    unit="seconds",
)
HEARTBEAT = gauge(
    "trainingrun_heartbeat_timestamp_seconds",
    "when rank 0 last moved; not shown while no attempt runs",
    unit="Unix seconds",
)
CHECKPOINT = gauge(
    "trainingrun_checkpoint_timestamp_seconds", "end of the newest complete checkpoint", unit="Unix seconds"
)
POD_INFO = gauge("trainingrun_pod_info", "1 for each pod of the current attempt", "pod", "node", "index")

FAMILIES: dict[MetricFamily, Callable[[Shown], Samples]] = {
    INFO: _info,
    GPUS: _gpus,
    PHASE: _phases,
    REASON: _reason,
    CONDITION: _conditions,
    CREATED: _moment(lambda run: run.run.created),
    STARTED: _moment(lambda run: run.status.start_time),
    COMPLETED: _moment(lambda run: run.status.completion_time),
    ATTEMPT: _single(lambda run: run.status.attempt),
    EPOCH: _single(lambda run: run.progress.epoch),
    EPOCHS_PLANNED: _single(lambda run: run.progress.total_epochs),
    GLOBAL_STEP: _single(lambda run: run.progress.global_step),
    PROGRESS_RATIO: _single(_progress_ratio),
    ETA: _single(_eta),
    SAMPLES_PER_SECOND: _single(lambda run: run.progress.samples_per_second),
    METRIC: _metrics,
    BEST_METRIC: _best,
    RESTARTS: _restarts,
    LAST_FAILURE: _last_failure,
    GOODPUT_RATIO: _single(lambda run: run.status.goodput),
    USEFUL_SECONDS: _single(lambda run: run.progress.useful_seconds),
    HEARTBEAT: _moment(lambda run: run.progress.last_heartbeat_time),
    CHECKPOINT: _moment(lambda run: run.status.checkpoint.time if run.status.checkpoint else None),
    POD_INFO: _pods,
}
"""Each family, and where its values come from."""
