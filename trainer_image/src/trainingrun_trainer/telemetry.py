"""What rank 0 serves to Prometheus and to the operator. Names and meanings: trainingrun_api.telemetry."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from trainingrun_api import telemetry as names
from trainingrun_api.exposition import MetricFamily
from trainingrun_api.listening import every_address
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_trainer.heartbeat import Heartbeat
from trainingrun_trainer.metrics import most_telling

CHECKPOINT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


@dataclass(frozen=True)
class BestEpoch:
    """The best epoch by the monitored metric."""

    value: float
    epoch: int
    """Counted from 1."""


class Telemetry:
    """Gauges of one training process, served once `serve` was called."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self.registry = CollectorRegistry()
        self._metric = self._gauge(names.METRIC)
        self._scores: dict[str, float] = {}
        """What is shown of all metrics."""
        self._best = self._gauge(names.BEST_METRIC)
        self._monitor = self._gauge(names.MONITOR)
        self._follow(names.HEARTBEAT, lambda: heartbeat.time)
        self._follow(names.USEFUL_SECONDS, lambda: heartbeat.useful_seconds)
        phases = self._gauge(names.PHASE)
        for phase in TrainerPhase:
            phases.labels(phase).set_function(partial(_holds, heartbeat, phase))
        self._heartbeat = heartbeat
        self._single: dict[str, Gauge] = {}
        self.registry.register(_Grown(names.DATA_WAIT_SECONDS, lambda: heartbeat.data_wait_seconds))
        self._checkpoint_seconds = Histogram(
            names.CHECKPOINT_SECONDS,
            names.CHECKPOINT_SECONDS.help,
            buckets=CHECKPOINT_BUCKETS,
            registry=self.registry,
        )
        self._checkpoint_failures = self._counter(names.CHECKPOINT_FAILURES)

    def _gauge(self, family: MetricFamily) -> Gauge:
        return Gauge(family, family.help, family.labels, registry=self.registry)

    def _counter(self, family: MetricFamily) -> Counter:
        return Counter(family, family.help, family.labels, registry=self.registry)

    def _follow(self, family: MetricFamily, value: Callable[[], float]) -> None:
        """A gauge without labels that is read when somebody asks."""
        self._gauge(family).set_function(value)

    def _set(self, family: MetricFamily, value: float) -> None:
        """Set a gauge without labels, which appears with its first value."""
        if family not in self._single:
            self._single[family] = self._gauge(family)
        self._single[family].set(value)

    def serve(self, port: int, address: str | None = None) -> None:
        """Answer at that address, or at every one, from a daemon thread."""
        start_http_server(port, address or every_address(), self.registry)

    def plan(
        self, *, epochs: int, steps: int, done: int, monitor: str, seconds_per_epoch: float | None = None
    ) -> None:
        """Say how much is to be done at most, how many epochs are done already, and how long one takes, where
        that is known."""
        self._set(names.EPOCHS_PLANNED, epochs)
        self._set(names.STEPS_PLANNED, steps)
        self._set(names.EPOCH, done)
        self._follow(names.GLOBAL_STEP, lambda: self._heartbeat.step)
        self._monitor.labels(*split_and_name(monitor)).set(1)
        self._set_pace(seconds_per_epoch)

    def epoch(
        self,
        *,
        epoch: int,
        metrics: Mapping[str, float],
        monitor: str,
        best: BestEpoch,
        seconds_per_epoch: float | None,
        samples_per_second: float,
        learning_rate: float,
    ) -> None:
        """Say how an epoch ended; epoch counts those that are finished."""
        self.metrics(metrics, monitor)
        self._set(names.EPOCH, epoch)
        self._set_pace(seconds_per_epoch)
        self._set(names.SAMPLES_PER_SECOND, samples_per_second)
        self._set(names.LEARNING_RATE, learning_rate)
        self._set(names.BEST_EPOCH, best.epoch)
        self._best.labels(*split_and_name(monitor)).set(best.value)

    def _set_pace(self, seconds_per_epoch: float | None) -> None:
        if seconds_per_epoch is not None:
            self._set(names.SECONDS_PER_EPOCH, seconds_per_epoch)

    def metrics(self, metrics: Mapping[str, float], monitor: str) -> None:
        """Show the most telling of these metrics and those that are shown."""
        chosen = most_telling({**self._scores, **metrics}, monitor)
        for metric in self._scores.keys() - chosen:
            self._metric.remove(*split_and_name(metric))
        for metric, value in chosen.items():
            self._metric.labels(*split_and_name(metric)).set(value)
        self._scores = chosen

    def checkpoint(self, seconds: float, step: int) -> None:
        """Say that a checkpoint is complete."""
        self._checkpoint_seconds.observe(seconds)
        self._set(names.LAST_CHECKPOINT_STEP, step)
        self._set(names.LAST_CHECKPOINT_TIMESTAMP, time.time())
        self._set(names.CHECKPOINT_BLOCKED, 0)

    def checkpoint_failed(self) -> None:
        """Say that a checkpoint that is due could not be written."""
        self._checkpoint_failures.inc()
        self._set(names.CHECKPOINT_BLOCKED, 1)

    def resumed(self, step: int, *, exact: bool, damaged: int) -> None:
        """Say from which checkpoint this attempt goes on; step 0 is a fresh start."""
        self._set(names.RESUMED_STEP, step)
        self._set(names.RESUME_EXACT, exact)
        self._set(names.DAMAGED_CHECKPOINTS, damaged)


class _Grown(Collector):
    """A counter without labels that is read when somebody asks."""

    def __init__(self, family: MetricFamily, value: Callable[[], float]) -> None:
        self._family = family
        self._value = value

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(self._family, self._family.help, self._value())


def _holds(heartbeat: Heartbeat, phase: TrainerPhase) -> float:
    return float(heartbeat.phase is phase)


def split_and_name(metric: str) -> tuple[str, str]:
    """val_accuracy -> (val, accuracy): the labels of a metric."""
    split, _, name = metric.partition("_")
    return split, name
