"""What Prometheus sees of the operator: the runs' live numbers and the operator's own work.

The series of a run are read off its latest status, exist as long as the run does, and vanish with it: no
label holds an epoch, a step or anything else without bounds.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import Phase
from trainingrun_api.status import Progress, Restarts
from trainingrun_operator.observed import Key, Pod
from trainingrun_operator.times import from_timestamp

RECONCILE_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)

Samples = Iterator[tuple[list[str], float]]
"""Label values after namespace and name, and the value."""


class OperatorMetrics:
    """The operator's own metrics."""

    def __init__(self, registry: CollectorRegistry, queue_depth: Callable[[], float]) -> None:
        self.reconcile_seconds = Histogram(
            "trainingrun_operator_reconcile_seconds",
            "Time of one step of one run",
            ["result"],
            buckets=RECONCILE_BUCKETS,
            registry=registry,
        )
        self.api_requests = Counter(
            "trainingrun_operator_api_requests_total",
            "Requests to the API server, repeated ones included; code 0 is no answer",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self.index_mismatches = Counter(
            "trainingrun_operator_index_audit_mismatches_total",
            "Objects that the index and the API server disagreed about",
            registry=registry,
        )
        depth = Gauge("trainingrun_operator_queue_depth", "Runs that wait for a worker", registry=registry)
        depth.set_function(queue_depth)

    def count_request(self, verb: str, resource: str, code: int) -> None:
        """One request to the API server."""
        self.api_requests.labels(verb, resource, str(code)).inc()


@dataclass(frozen=True, slots=True)
class _Shown:
    status: TrainingRunStatus
    pods: tuple[Pod, ...]
    at: datetime

    @property
    def progress(self) -> Progress:
        return self.status.progress or Progress()


class RunSeries(Collector):
    """Gauges of every existing run. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: dict[Key, _Shown] = {}

    def publish(self, key: Key, status: TrainingRunStatus, pods: tuple[Pod, ...], at: datetime) -> None:
        """Shows a run as it is at a moment."""
        with self._lock:
            self._shown[key] = _Shown(status, pods, at)

    def forget(self, key: Key) -> None:
        """Drops the series of a run that no longer exists."""
        with self._lock:
            self._shown.pop(key, None)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: without it the registry would collect once to learn the names."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All series of all runs."""
        with self._lock:
            shown = dict(self._shown)
        for name, text, labels, samples in FAMILIES:
            family = GaugeMetricFamily(name, text, labels=["namespace", "name", *labels])
            for key, run in shown.items():
                for values, value in samples(run):
                    family.add_metric([*key, *values], value)
            yield family


def _phases(run: _Shown) -> Samples:
    for phase in Phase:
        yield [phase], float(run.status.phase == phase)


def _epoch(run: _Shown) -> Samples:
    yield from _one(run.progress.epoch)


def _epochs_planned(run: _Shown) -> Samples:
    yield from _one(run.progress.total_epochs)


def _progress_ratio(run: _Shown) -> Samples:
    yield from _one(None if run.progress.percent is None else run.progress.percent / 100)


def _eta(run: _Shown) -> Samples:
    end = from_timestamp(run.progress.estimated_completion_time)
    yield from _one(max(0.0, (end - run.at).total_seconds()) if end else None)


def _heartbeat(run: _Shown) -> Samples:
    yield from _one(_unix(run.progress.last_heartbeat_time))


def _checkpoint(run: _Shown) -> Samples:
    yield from _one(_unix(run.status.checkpoint.time if run.status.checkpoint else None))


def _restarts(run: _Shown) -> Samples:
    counts = run.status.restarts or Restarts()
    for cause, count in (
        ("failure", counts.failures),
        ("stall", counts.stalls),
        ("disruption", counts.disruptions),
    ):
        yield [cause], float(count)


def _goodput(run: _Shown) -> Samples:
    yield from _one(float(run.status.goodput) if run.status.goodput else None)


def _metrics(run: _Shown) -> Samples:
    values = {metric.name: float(metric.value) for metric in run.status.metrics or ()}
    for name, value in values.items():
        yield [name], value


def _pods(run: _Shown) -> Samples:
    for pod in run.pods:
        yield [pod.name, pod.node, str(pod.index)], 1.0


FAMILIES: tuple[tuple[str, str, list[str], Callable[[_Shown], Samples]], ...] = (
    ("trainingrun_status_phase", "1 for the phase that a run is in, 0 for the others", ["phase"], _phases),
    ("trainingrun_epoch", "Epochs finished", [], _epoch),
    ("trainingrun_epochs_planned", "Epochs planned", [], _epochs_planned),
    ("trainingrun_progress_ratio", "Share of the planned work that is done, 0 to 1", [], _progress_ratio),
    ("trainingrun_eta_seconds", "Estimated seconds to the end of all planned epochs", [], _eta),
    ("trainingrun_metric", "Last value of a training metric", ["metric"], _metrics),
    ("trainingrun_restarts", "Attempts that ended too early", ["cause"], _restarts),
    ("trainingrun_goodput_ratio", "Share of the time since the start that is in the result", [], _goodput),
    ("trainingrun_heartbeat_timestamp_seconds", "Unix time when rank 0 last moved", [], _heartbeat),
    ("trainingrun_checkpoint_timestamp_seconds", "Unix time of the newest checkpoint", [], _checkpoint),
    ("trainingrun_pod_info", "1 for each pod of the current attempt", ["pod", "node", "index"], _pods),
)
"""Name, help, labels after namespace and name, and where the values come from."""


def _one(value: float | None) -> Samples:
    if value is not None:
        yield [], float(value)


def _unix(timestamp: str | None) -> float | None:
    moment = from_timestamp(timestamp)
    return moment.timestamp() if moment else None
