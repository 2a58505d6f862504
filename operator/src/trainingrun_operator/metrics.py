"""What Prometheus sees of the operator's own work. What it sees of the runs: run_series.py."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from trainingrun_api.exposition import counter, gauge, histogram

RECONCILE_SECONDS = histogram(
    "trainingrun_operator_reconcile_seconds",
    "time of one step of one run; `error` where it will be repeated",
    "result",
    unit="seconds",
)
RECONCILE_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
LEADER = gauge(
    "trainingrun_operator_leader", "1 where this operator works, 0 where it stands by for another one"
)
QUEUE_DEPTH = gauge(
    "trainingrun_operator_queue_depth", "runs that wait for a worker, or for the pods of others", unit="runs"
)
API_REQUESTS = counter(
    "trainingrun_operator_api_requests_total",
    "requests to the API server, repeated ones included; code 0 is no answer",
    "verb",
    "resource",
    "code",
)
INDEX_MISMATCHES = counter(
    "trainingrun_operator_index_audit_mismatches_total",
    "objects that the watch had wrong and a full list put right",
)
RESYNC_TIMESTAMP = gauge(
    "trainingrun_operator_resync_timestamp_seconds",
    "when the index was last compared with a full list, or the operator started",
    unit="Unix seconds",
)
RESYNC_INTERVAL = gauge(
    "trainingrun_operator_resync_interval_seconds",
    "time from one such comparison to the next, as set",
    unit="seconds",
)
SCRAPES = counter(
    "trainingrun_operator_scrapes_total",
    "times that a trainer was asked for its progress; `error` where it gave none",
    "result",
)
ATTEMPTS_ENDED = counter(
    "trainingrun_operator_attempts_ended_total",
    "attempts that ended, by outcome (`Completed`, `Failure`, `Stall`, `Disruption`, `Suspension`, `Fatal`) "
    "and cause",
    "outcome",
    "reason",
)
FAMILIES = (
    LEADER,
    RECONCILE_SECONDS,
    QUEUE_DEPTH,
    API_REQUESTS,
    INDEX_MISMATCHES,
    RESYNC_TIMESTAMP,
    RESYNC_INTERVAL,
    SCRAPES,
    ATTEMPTS_ENDED,
)


class OperatorMetrics:
    """The operator's own metrics."""

    def __init__(
        self,
        registry: CollectorRegistry,
        leads: Callable[[], bool],
        queue_depth: Callable[[], float],
        resynced_at: Callable[[], float],
        resync_seconds: float,
    ) -> None:
        """`resynced_at` is in Unix seconds, `resync_seconds` what is to lie between two of them."""
        self._reconciled = Histogram(
            RECONCILE_SECONDS,
            RECONCILE_SECONDS.help,
            RECONCILE_SECONDS.labels,
            buckets=RECONCILE_BUCKETS,
            registry=registry,
        )
        for family, value in ((LEADER, leads), (QUEUE_DEPTH, queue_depth), (RESYNC_TIMESTAMP, resynced_at)):
            Gauge(family, family.help, registry=registry).set_function(value)
        Gauge(RESYNC_INTERVAL, RESYNC_INTERVAL.help, registry=registry).set(resync_seconds)
        self._requests, self._mismatches, self._scrapes, self._attempts = (
            Counter(family, family.help, family.labels, registry=registry)
            for family in (API_REQUESTS, INDEX_MISMATCHES, SCRAPES, ATTEMPTS_ENDED)
        )

    def reconciled(self, result: str, seconds: float) -> None:
        """One step of one run, which was a `success` or an `error`."""
        self._reconciled.labels(result).observe(seconds)

    def count_request(self, verb: str, resource: str, code: int) -> None:
        """One request to the API server."""
        self._requests.labels(verb, resource, str(code)).inc()

    def count_mismatches(self, objects: int) -> None:
        """Objects that the index and the API server disagreed about."""
        self._mismatches.inc(objects)

    def count_scrape(self, answered: bool) -> None:
        """One question to a trainer."""
        self._scrapes.labels("success" if answered else "error").inc()

    def count_attempt(self, outcome: str, reason: str) -> None:
        """One attempt that ended."""
        self._attempts.labels(outcome, reason).inc()
