"""Runs of a project side by side: what they reached, at what cost, and how they got there."""

from trainingrun_monitoring.dashboards import run
from trainingrun_monitoring.dashboards.grafana import dashboard, variable
from trainingrun_monitoring.dashboards.panels import Column, Json, Query, state_timeline, table, timeseries
from trainingrun_monitoring.dashboards.promql import (
    BY_RUN,
    PHASES,
    PROJECT,
    best,
    metrics,
    monitored,
    of,
    phase,
    restarts,
    single,
    spent_seconds,
)
from trainingrun_operator import run_series as runs

UID = "trainingrun-compare"
RUNS = ('namespace="$namespace"', 'name=~"$run"')
"""Of the picked project, for All is the list that the variable shows."""
METRIC = 'metric=~"$metric"'
NO_RUNS = "no runs"
BY_NAME = "{{name}}"
RESULTS = (
    table(
        "Results",
        "Best value of each run's own metric of record, and what it took. A run's name leads to its "
        "dashboard.",
        {"namespace": "Namespace", "name": "Run"},
        [
            Column("Best", f"max {BY_RUN} ({of(runs.BEST_METRIC, *RUNS)})"),
            Column("Phase", phase(*RUNS), states=PHASES),
            Column("Epochs", single(runs.EPOCH, *RUNS)),
            Column("Planned", single(runs.EPOCHS_PLANNED, *RUNS)),
            Column("Time", spent_seconds(*RUNS), unit="s"),
            Column("Images a second", single(runs.SAMPLES_PER_SECOND, *RUNS), unit="short"),
            Column("GPUs", single(runs.GPUS, *RUNS)),
            Column("Restarts", restarts(*RUNS), thresholds=run.RESTARTS),
            Column("Goodput", single(runs.GOODPUT_RATIO, *RUNS), unit="percentunit", thresholds=run.GOODPUT),
        ],
        no_value=NO_RUNS,
        sort_by="Best",
        links=run.ROW_LINK,
    ),
    state_timeline(
        "Phases",
        "When each run waited, ran and ended. Of a project one run is active at a time.",
        Query(phase(*RUNS), BY_NAME),
        states=PHASES,
        no_value=NO_RUNS,
    ),
)
CURVES = (
    timeseries(
        "Metric of record",
        "The metric that picks each run's best epoch.",
        Query(monitored(*RUNS), "{{name}} {{metric}}"),
        unit="none",
        no_value=run.UNTOLD,
    ),
    timeseries(
        "Best so far",
        "The best value so far of that metric.",
        Query(best(*RUNS), "{{name}} {{metric}}"),
        unit="none",
        no_value=run.UNTOLD,
        steps=True,
    ),
    timeseries(
        "Training loss",
        "Loss in training.",
        Query(metrics(*RUNS, 'metric="train_loss"'), BY_NAME),
        unit="none",
        no_value=run.UNTOLD,
    ),
    timeseries(
        "Validation loss",
        "Loss in validation.",
        Query(metrics(*RUNS, 'metric="val_loss"'), BY_NAME),
        unit="none",
        no_value=run.UNTOLD,
    ),
    timeseries(
        "Picked metrics",
        "The last values of the metrics that are picked above.",
        Query(metrics(*RUNS, METRIC), "{{name}} {{metric}}"),
        unit="none",
        no_value=run.UNTOLD,
        width=24,
    ),
)
COST = (
    timeseries(
        "Epochs",
        "Epochs finished: the steeper, the faster.",
        Query(single(runs.EPOCH, *RUNS), BY_NAME),
        unit="none",
        no_value=run.UNTOLD,
        steps=True,
        width=8,
    ),
    timeseries(
        "Images a second",
        "Images that all ranks together trained on in each second of the last epoch.",
        Query(single(runs.SAMPLES_PER_SECOND, *RUNS), BY_NAME),
        unit="short",
        no_value=run.UNTOLD,
        width=8,
    ),
    timeseries(
        "Goodput",
        "Share of the time since all pods first ran that is in the result.",
        Query(single(runs.GOODPUT_RATIO, *RUNS), BY_NAME),
        unit="percentunit",
        no_value=run.UNTOLD,
        thresholds=run.GOODPUT,
        bounds=(0, 1),
        width=8,
    ),
)


def build() -> Json:
    """The dashboard's JSON."""
    return dashboard(
        UID,
        "TrainingRun / Compare",
        "Runs of a project side by side. Time goes along the clock: widen the range until it holds all of "
        "them.",
        variables=[
            variable("namespace", "Namespace", f"label_values({runs.INFO}, namespace)"),
            variable(
                "project",
                "Project",
                f"label_values({of(runs.INFO, RUNS[0])}, project)",
                several=True,
                all_value=".*",
            ),
            variable("run", "Run", f"label_values({of(runs.INFO, RUNS[0], PROJECT)}, name)", several=True),
            variable("metric", "Metric", f"label_values({of(runs.METRIC, *RUNS)}, metric)", several=True),
        ],
        rows={"Results": RESULTS, "Curves": CURVES, "Speed and cost": COST},
        since="now-7d",
    )
