"""The operator itself: whether it keeps up, and whether what it knows of the cluster is true."""

from trainingrun_monitoring.dashboards.grafana import dashboard, variable
from trainingrun_monitoring.dashboards.panels import Json, Query, stat, timeseries
from trainingrun_monitoring.dashboards.promql import of
from trainingrun_operator import metrics
from trainingrun_operator.run_series import INFO

UID = "trainingrun-operator"
OPERATOR = ('job=~"$job"', 'instance=~"$instance"')
STARTED = "process_start_time_seconds"
CPU = "process_cpu_seconds_total"
MEMORY = "process_resident_memory_bytes"
OPEN_FILES, MOST_FILES = "process_open_fds", "process_max_fds"
"""Of prometheus_client's ProcessCollector."""
DOWN = "the operator is not scraped"
QUANTILES = {0.5: "half take less", 0.95: "95 of 100 take less", 0.99: "99 of 100 take less"}
NO_ANSWER = 'code=~"0|4..|5.."'
QUEUE = ((None, "green"), (10, "yellow"), (100, "red"))
LATENCY = ((None, "green"), (1, "yellow"), (10, "red"))


def _rate(family: str, *matchers: str, by: str) -> str:
    return f"sum by ({by}) (rate({of(family, *OPERATOR, *matchers)}[$__rate_interval]))"


def _share(family: str, *matchers: str) -> str:
    """Of all events of a family, the share that the matchers find; nothing while there are none."""
    found, every = (f"sum(rate({of(family, *OPERATOR, *some)}[$__rate_interval]))" for some in (matchers, ()))
    return f"({found} or 0 * {every}) / ({every} > 0)"


ATTEMPTS = of(metrics.ATTEMPTS_ENDED, *OPERATOR)
ENDED = f"{ATTEMPTS} unless {ATTEMPTS} offset $__rate_interval or increase({ATTEMPTS}[$__rate_interval])"
"""A cause is not counted before it first happens, and no increase is seen where a series begins: what such a
series tells is new as a whole."""
RECONCILE_BUCKETS = _rate(f"{metrics.RECONCILE_SECONDS}_bucket", by="le")
NOW = (
    stat(
        "At work",
        "Operators that work. Exactly one should; others stand by for it.",
        Query(f"sum({of(metrics.LEADER, *OPERATOR)})", "operators"),
        unit="none",
        no_value=DOWN,
        thresholds=((None, "red"), (1, "green"), (2, "red")),
    ),
    stat(
        "Up for",
        "Time since the operator's process started.",
        Query(f"time() - {of(STARTED, *OPERATOR)}", "{{instance}}"),
        unit="s",
        no_value=DOWN,
    ),
    stat(
        "Runs",
        "Runs that the operator knows.",
        Query(f"count({of(INFO, *OPERATOR)})", "runs"),
        unit="none",
        no_value="no runs",
    ),
    stat(
        "Queue",
        "Runs that wait for a worker.",
        Query(f"sum({of(metrics.QUEUE_DEPTH, *OPERATOR)})", "runs"),
        unit="none",
        no_value=DOWN,
        thresholds=QUEUE,
    ),
    stat(
        "Failed steps",
        "Share of the steps that ended with an error and will be repeated.",
        Query(_share(f"{metrics.RECONCILE_SECONDS}_count", 'result="error"'), "failed"),
        unit="percentunit",
        no_value="no steps",
        thresholds=((None, "green"), (0.01, "yellow"), (0.1, "red")),
    ),
    stat(
        "Failed requests",
        "Share of the requests to the API server that were refused or not answered. A few conflicts (409) "
        "and objects that are gone (404) belong to the work.",
        Query(_share(metrics.API_REQUESTS, NO_ANSWER), "failed"),
        unit="percentunit",
        no_value="no requests",
        thresholds=((None, "green"), (0.05, "yellow"), (0.25, "red")),
    ),
    stat(
        "Last resync",
        "Time since the index was last compared with a full list.",
        Query(f"time() - max({of(metrics.RESYNC_TIMESTAMP, *OPERATOR)})", "resync"),
        unit="s",
        no_value=DOWN,
    ),
    stat(
        "Index mismatches",
        "Objects that the watches had wrong in the time shown. They come from watches that lose events, "
        "mostly through a load balancer that cuts idle connections.",
        Query(f"sum(increase({of(metrics.INDEX_MISMATCHES, *OPERATOR)}[$__range]))", "objects"),
        unit="none",
        no_value=DOWN,
        thresholds=((None, "green"), (1, "yellow")),
    ),
)
LOOP = (
    timeseries(
        "Time of a step",
        "Time that one step of one run takes.",
        *(
            Query(f"histogram_quantile({quantile}, {RECONCILE_BUCKETS})", legend)
            for quantile, legend in QUANTILES.items()
        ),
        unit="s",
        no_value="no steps",
        thresholds=LATENCY,
        width=8,
    ),
    timeseries(
        "Steps a second",
        "Steps by result; one with an error will be repeated.",
        Query(_rate(f"{metrics.RECONCILE_SECONDS}_count", by="result"), "{{result}}"),
        unit="ops",
        no_value="no steps",
        width=8,
    ),
    timeseries(
        "Queue",
        "Runs that wait for a worker. A queue that only grows: more workers, or an API server that is slow.",
        Query(f"sum({of(metrics.QUEUE_DEPTH, *OPERATOR)})", "runs"),
        unit="none",
        no_value=DOWN,
        thresholds=QUEUE,
        width=8,
    ),
    timeseries(
        "Trainers asked",
        "Questions to trainers for their progress, by whether one answered.",
        Query(_rate(metrics.SCRAPES, by="result"), "{{result}}"),
        unit="ops",
        no_value="nothing runs",
    ),
    timeseries(
        "Attempts ended",
        "Attempts that ended in the time that one point stands for, by outcome and cause.",
        Query(f"sum by (outcome, reason) ({ENDED})", "{{outcome}} {{reason}}"),
        unit="none",
        no_value="none ended",
        stacked=True,
    ),
)
CLUSTER = (
    timeseries(
        "Requests to the API server",
        "Requests by verb and resource, repeated ones included.",
        Query(_rate(metrics.API_REQUESTS, by="verb, resource"), "{{verb}} {{resource}}"),
        unit="reqps",
        no_value="no requests",
        stacked=True,
    ),
    timeseries(
        "Failed requests",
        "Requests that were refused or not answered, by status code; 0 is no answer.",
        Query(
            _rate(metrics.API_REQUESTS, NO_ANSWER, by="code, verb, resource"),
            "{{code}} {{verb}} {{resource}}",
        ),
        unit="reqps",
        no_value="none failed",
    ),
    timeseries(
        "Index mismatches",
        "Objects that the watches had wrong and a full list put right.",
        Query(f"sum(increase({of(metrics.INDEX_MISMATCHES, *OPERATOR)}[$__rate_interval]))", "objects"),
        unit="none",
        no_value=DOWN,
    ),
    timeseries(
        "Time since the last resync",
        "Time since the index was last compared with a full list, and from when on that is overdue.",
        Query(f"time() - max({of(metrics.RESYNC_TIMESTAMP, *OPERATOR)})", "resync"),
        Query(f"2 * max({of(metrics.RESYNC_INTERVAL, *OPERATOR)})", "overdue"),
        unit="s",
        no_value=DOWN,
    ),
)
PROCESS = (
    timeseries(
        "CPU",
        "Cores that the operator's process uses.",
        Query(f"rate({of(CPU, *OPERATOR)}[$__rate_interval])", "{{instance}}"),
        unit="none",
        no_value=DOWN,
        width=8,
    ),
    timeseries(
        "Memory",
        "Memory of the operator's process, to be held against the limit of its container.",
        Query(of(MEMORY, *OPERATOR), "{{instance}}"),
        unit="bytes",
        no_value=DOWN,
        width=8,
    ),
    timeseries(
        "Open files",
        "Open files and connections, over the most that the process may have.",
        Query(f"{of(OPEN_FILES, *OPERATOR)} / {of(MOST_FILES, *OPERATOR)}", "{{instance}}"),
        unit="percentunit",
        no_value=DOWN,
        thresholds=((None, "green"), (0.8, "red")),
        width=8,
    ),
)


def build() -> Json:
    """The dashboard's JSON."""
    return dashboard(
        UID,
        "TrainingRun / Operator",
        "Whether the operator keeps up: its queue, its steps, its requests, and the truth of its index.",
        variables=[
            variable("job", "Job", f"label_values({metrics.QUEUE_DEPTH}, job)", several=True),
            variable(
                "instance",
                "Instance",
                f"label_values({of(metrics.QUEUE_DEPTH, OPERATOR[0])}, instance)",
                several=True,
            ),
        ],
        rows={"Now": NOW, "Work": LOOP, "API server and index": CLUSTER, "Process": PROCESS},
        since="now-3h",
    )
