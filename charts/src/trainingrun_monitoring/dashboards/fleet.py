"""All runs: how many in which phase, what waits and what stands still, and what time was spent on."""

from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_monitoring import dcgm
from trainingrun_monitoring.dashboards import run
from trainingrun_monitoring.dashboards.grafana import dashboard, variable
from trainingrun_monitoring.dashboards.panels import Column, Json, Query, stat, table, timeseries
from trainingrun_monitoring.dashboards.promql import (
    BY_RUN,
    ON_RUN,
    PHASES,
    PROJECT,
    age,
    in_phase,
    of,
    phase,
    restarts,
    single,
    spent_seconds,
    whether,
)
from trainingrun_operator import run_series as runs

UID = "trainingrun-fleet"
NAMESPACES = 'namespace=~"$namespace"'
PICKED = of(runs.INFO, NAMESPACES, PROJECT)
"""One series for each run that the variables pick."""
NO_RUNS = "no runs"
NOTHING = "none"
LABELS = {"namespace": "Namespace", "name": "Run", "project": "Project", "queue": "Queue"}
"""Columns of the tables, by label."""
STARTING = ((None, "green"), (900, "yellow"), (3600, "red"))
SECONDS_PER_HOUR = 3600


def picked(expr: str) -> str:
    """What is told of the runs that the variables pick."""
    return f"({expr}) and {ON_RUN} {PICKED}"


def described(expr: str) -> str:
    """The same, with the labels `project` and `queue`: `none` for a run without."""
    facts = f"max by (namespace, name, project, queue) ({PICKED})"
    for label in ("project", "queue"):
        facts = f'label_replace({facts}, "{label}", "none", "{label}", "")'
    return f"({expr}) * {ON_RUN} group_left (project, queue) {facts}"


PHASE = f"max by (namespace, name, phase) ({of(runs.PHASE, NAMESPACES)})"
UNFINISHED = f'phase=~"{Phase.PENDING}|{Phase.RUNNING}"'
ACTIVE = f"max by (namespace, name, phase) ({of(runs.PHASE, NAMESPACES, UNFINISHED)})"
RUNNING = in_phase(Phase.RUNNING, NAMESPACES)
STILL = single(
    runs.CONDITION,
    NAMESPACES,
    f'condition="{ConditionType.PROGRESSING}"',
    'status="False"',
    f'reason="{Reason.STALLED}"',
)
STALLED = f"{STILL} and {ON_RUN} {RUNNING}"
"""A run that has Failed for it keeps the condition."""
USEFUL = single(runs.USEFUL_SECONDS, NAMESPACES)
SPENT = f"{spent_seconds(NAMESPACES)} and {ON_RUN} {USEFUL}"
"""Of the runs that tell their useful seconds."""
GPUS_AT_WORK = f"{single(runs.GPUS, NAMESPACES)} and {ON_RUN} {RUNNING}"
SUSPENDED = of(runs.REASON, NAMESPACES, f'reason="{Reason.SUSPENDED}"')
WAITED = (
    f"{single(runs.STARTED, NAMESPACES)} - {single(runs.CREATED, NAMESPACES)}"
    f" or ({age(runs.CREATED, NAMESPACES)} and {ON_RUN} {in_phase(Phase.PENDING, NAMESPACES)})"
    f" unless {ON_RUN} {SUSPENDED}"
)
"""Seconds from the creation to the start, or to now for those that may start and did not yet."""
LAST_FAILURE = f"max by (namespace, name, reason) ({of(runs.LAST_FAILURE, NAMESPACES)})"
RESTARTS = f"max by (namespace, name, cause) ({of(runs.RESTARTS, NAMESPACES)})"
HOLDERS = f"max by (namespace, pod, name) ({of(runs.POD_INFO, NAMESPACES)})"
GPU_USE = f"avg {BY_RUN} ({dcgm.with_pod(dcgm.ACTIVE)} * on (namespace, pod) group_left (name) {HOLDERS})"


def _gpu_hours(seconds: str) -> str:
    """Of all picked runs, by the seconds of each."""
    return f"sum({picked(f'{single(runs.GPUS, NAMESPACES)} * {seconds}')}) / {SECONDS_PER_HOUR}"


USEFUL_HOURS = _gpu_hours(USEFUL)
LOST_HOURS = _gpu_hours(f"clamp_min(({SPENT}) - {USEFUL}, 0)")


def _count(name: Phase, colour: str) -> Json:
    return stat(
        name,
        f"Runs that are {name} now.",
        Query(f"sum({picked(whether(name, NAMESPACES))})", name),
        unit="none",
        no_value=NO_RUNS,
        thresholds=((None, "text"), (1, colour)),
    )


NOW = (
    _count(Phase.RUNNING, "green"),
    _count(Phase.PENDING, "blue"),
    _count(Phase.COMPLETED, "purple"),
    _count(Phase.FAILED, "red"),
    stat(
        "Stalled",
        "Runs whose training stands still now; the table below names them.",
        Query(f"sum({picked(STALLED)}) or 0 * sum({picked(whether(Phase.RUNNING, NAMESPACES))})", "stalled"),
        unit="none",
        no_value=NO_RUNS,
        thresholds=((None, "green"), (1, "red")),
    ),
    stat(
        "GPUs",
        "Devices that the runs which are Running ask for.",
        Query(f"sum({picked(GPUS_AT_WORK)})", "GPUs"),
        unit="none",
        no_value="nothing runs",
    ),
    stat(
        "Goodput",
        "Share of the time of all runs since their start that is in their results, of the runs that tell it.",
        Query(f"sum({picked(USEFUL)}) / (sum({picked(SPENT)}) > 0)", "goodput"),
        unit="percentunit",
        no_value=run.UNTOLD,
        thresholds=run.GOODPUT,
    ),
    stat(
        "GPU-hours lost",
        "Time of GPUs since the start of each run that is in no result: start-up, lost steps, restarts, and "
        "saves that hold training up. Of the runs that exist and tell their useful time.",
        Query(LOST_HOURS, "lost"),
        unit="none",
        no_value=run.UNTOLD,
    ),
)
WORK = (
    timeseries(
        "Runs by phase",
        "Runs that exist in each phase.",
        Query(f"sum by (phase) ({picked(PHASE)})", "{{phase}}"),
        unit="none",
        no_value=NO_RUNS,
        stacked=True,
        colours=dict(PHASES.values()),
        width=8,
    ),
    timeseries(
        "Runs by queue",
        "Runs that wait or run, by the queue of Kueue that they name.",
        Query(f"sum by (queue, phase) ({described(ACTIVE)})", "{{queue}} {{phase}}"),
        unit="none",
        no_value=NO_RUNS,
        stacked=True,
        width=8,
    ),
    timeseries(
        "Runs by project",
        "Runs that wait or run, by project.",
        Query(f"sum by (project, phase) ({described(ACTIVE)})", "{{project}} {{phase}}"),
        unit="none",
        no_value=NO_RUNS,
        stacked=True,
        width=8,
    ),
    table(
        "Runs",
        "Every run that exists. A run's name leads to its own dashboard.",
        LABELS,
        [
            Column("Phase", described(phase(NAMESPACES)), states=PHASES),
            Column("Progress", described(single(runs.PROGRESS_RATIO, NAMESPACES)), unit="percentunit"),
            Column("Time left", described(single(runs.ETA, NAMESPACES)), unit="s"),
            Column("GPUs", described(single(runs.GPUS, NAMESPACES))),
            Column("Restarts", described(restarts(NAMESPACES)), thresholds=run.RESTARTS),
            Column(
                "Goodput",
                described(single(runs.GOODPUT_RATIO, NAMESPACES)),
                unit="percentunit",
                thresholds=run.GOODPUT,
            ),
        ],
        no_value=NO_RUNS,
        sort_by="Progress",
        links=run.ROW_LINK,
        height=10,
    ),
)
SPENDING = (
    timeseries(
        "GPU-hours",
        "Time of GPUs since the start of each run, by whether it is in the result. Of the runs that exist "
        "and tell their useful time: a run that is deleted takes its hours along.",
        Query(USEFUL_HOURS, "useful"),
        Query(LOST_HOURS, "lost"),
        unit="none",
        no_value=run.UNTOLD,
        stacked=True,
        colours={"useful": "green", "lost": "red"},
        width=8,
    ),
    timeseries(
        "Goodput by project",
        "Share of the time of a project's runs since their start that is in their results.",
        Query(
            f"sum by (project) ({described(USEFUL)}) / (sum by (project) ({described(SPENT)}) > 0)",
            "{{project}}",
        ),
        unit="percentunit",
        no_value=run.UNTOLD,
        thresholds=run.GOODPUT,
        bounds=(0, 1),
        width=8,
    ),
    timeseries(
        "GPU use by run",
        "Share of the time in which the GPUs of each run's pods worked, on average. Needs a dcgm-exporter "
        "that tells pods.",
        Query(picked(GPU_USE), "{{namespace}}/{{name}}"),
        unit="percentunit",
        no_value="no GPUs, or dcgm-exporter does not tell pods",
        bounds=(0, 1),
        width=8,
    ),
)
FAULTS = (
    timeseries(
        "Failures by cause",
        "Runs by what ended their last attempt that failed.",
        Query(f"count by (reason) ({picked(LAST_FAILURE)})", "{{reason}}"),
        unit="none",
        no_value=NOTHING,
        stacked=True,
        steps=True,
    ),
    timeseries(
        "Restarts by cause",
        "Attempts that ended too early, of the runs that exist.",
        Query(f"sum by (cause) ({picked(RESTARTS)})", "{{cause}}"),
        unit="none",
        no_value=NO_RUNS,
        stacked=True,
        steps=True,
    ),
    table(
        "Stalled now",
        "Runs whose training stands still, and for how long rank 0 has not moved.",
        LABELS,
        [
            Column("Attempt", described(f"{single(runs.ATTEMPT, NAMESPACES)} and {ON_RUN} {STALLED}")),
            Column(
                "Silent for", described(f"{age(runs.HEARTBEAT, NAMESPACES)} and {ON_RUN} {STALLED}"), unit="s"
            ),
        ],
        no_value=NOTHING,
        sort_by="Silent for",
        links=run.ROW_LINK,
        width=12,
    ),
    table(
        "Slowest to start",
        "The ten runs that took longest from their creation until all pods ran, or wait for it now. "
        "Suspended runs do not count.",
        LABELS,
        [Column("Waited", f"topk(10, {described(WAITED)})", unit="s", thresholds=STARTING)],
        no_value=NO_RUNS,
        sort_by="Waited",
        links=run.ROW_LINK,
        width=12,
    ),
)


def build() -> Json:
    """The dashboard's JSON."""
    return dashboard(
        UID,
        "TrainingRun / Fleet",
        "All training runs: phases, queues and projects, goodput and GPU-hours, failures, what waits or "
        "stalls.",
        variables=[
            variable(
                "namespace",
                "Namespace",
                f"label_values({runs.INFO}, namespace)",
                several=True,
                all_value=".*",
            ),
            variable(
                "project",
                "Project",
                f"label_values({of(runs.INFO, NAMESPACES)}, project)",
                several=True,
                all_value=".*",
            ),
        ],
        rows={
            "Now": NOW,
            "Runs": WORK,
            "What the time was spent on": SPENDING,
            "Failures and waits": FAULTS,
        },
        since="now-24h",
    )
