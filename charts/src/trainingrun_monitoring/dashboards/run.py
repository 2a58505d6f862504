"""One run: how far it is, what it learns, how fast, and what goes wrong with it."""

from trainingrun_api import telemetry
from trainingrun_api.reasons import ConditionType, Phase
from trainingrun_monitoring import dcgm
from trainingrun_monitoring.dashboards.grafana import dashboard, event, variable
from trainingrun_monitoring.dashboards.panels import Json, Query, stat, state_timeline, timeseries
from trainingrun_monitoring.dashboards.promql import (
    ON_RUN,
    PHASES,
    PROJECT,
    age,
    best,
    in_phase,
    metrics,
    monitored,
    of,
    phase,
    restarts,
    single,
)
from trainingrun_operator import run_series as runs

UID = "trainingrun-run"
RUN = ('namespace="$namespace"', 'name="$run"')
TRAINER = ('namespace="$namespace"', 'trainingrun="$run"')
"""Its trainers, see promql.py."""
ROW_LINK = {
    "Run": f"/d/{UID}?${{datasource:queryparam}}&var-namespace=${{__data.fields.Namespace}}"
    "&var-run=${__data.fields.Run}&${__url_time_range}"
}
"""From a row of a table with the columns Namespace and Run to this dashboard."""
NO_RUN = "no such run"
UNTOLD = "not told"
"""Of what only the built-in trainer tells, or tells later."""
NO_TRAINER = "trainers are not scraped"
NO_GPU = "no GPU, or dcgm-exporter is not scraped"
TRUTHS = {0: ("False", "red"), 1: ("True", "green"), 2: ("Unknown", "gray")}
ON = {1: ("yes", "blue")}
GOODPUT = ((None, "red"), (0.5, "yellow"), (0.8, "green"))
RESTARTS = ((None, "green"), (1, "yellow"), (5, "red"))
SPREAD = ((None, "green"), (1.1, "yellow"), (1.5, "red"))
WAIT = ((None, "green"), (0.1, "yellow"), (0.3, "red"))


STEP_RATE = f"max by (rank) (rate({of(telemetry.RANK_STEP_SECONDS, *TRAINER)}[$__rate_interval]))"
CHECKPOINTS = {
    suffix: of(f"{telemetry.CHECKPOINT_SECONDS}_{suffix}", *TRAINER) for suffix in ("sum", "count", "bucket")
}


def _wait(counter: str) -> str:
    return f"max(rate({of(counter, *TRAINER)}[$__rate_interval]))"


def _conditions() -> str:
    """Conditions as numbers of TRUTHS, while the run is Running: one that is over need not move."""
    shown = f'condition=~"{ConditionType.PROGRESSING}|{ConditionType.CHECKPOINT_FRESH}"'
    by_status = {
        number: of(runs.CONDITION, *RUN, shown, f'status="{status}"')
        for number, (status, _) in TRUTHS.items()
    }
    told = " or ".join(f"max by (condition) ({found}) * {number}" for number, found in by_status.items())
    return f"({told}) and on () {in_phase(Phase.RUNNING, *RUN)}"


NOW = (
    stat(
        "Phase",
        "Pending, Running, Completed or Failed.",
        Query(phase(*RUN), "phase"),
        unit="none",
        no_value=NO_RUN,
        states=PHASES,
    ),
    stat(
        "Why",
        "The reason of the phase in one word; `kubectl describe` has the sentence.",
        Query(f"max by (reason) ({of(runs.REASON, *RUN)})", "{{reason}}"),
        unit="none",
        no_value=UNTOLD,
        text="name",
    ),
    stat(
        "Epochs",
        "Epochs finished, and epochs planned. Early stopping may end a run before.",
        Query(single(runs.EPOCH, *RUN), "finished"),
        Query(single(runs.EPOCHS_PLANNED, *RUN), "planned"),
        unit="none",
        no_value=UNTOLD,
        text="value_and_name",
    ),
    stat(
        "Progress",
        "Share of the planned epochs that is done.",
        Query(single(runs.PROGRESS_RATIO, *RUN), "progress"),
        unit="percentunit",
        no_value=UNTOLD,
    ),
    stat(
        "Time left",
        "Estimated time to the end of all planned epochs, from the measured rate, validation included.",
        Query(single(runs.ETA, *RUN), "time left"),
        unit="s",
        no_value=UNTOLD,
    ),
    stat(
        "Best",
        "Best value so far of the metric that picks the best epoch.",
        Query(best(*RUN), "{{metric}}"),
        unit="none",
        no_value=UNTOLD,
        text="value_and_name",
    ),
    stat(
        "Restarts",
        "Attempts that ended too early since the creation of the run, for whatever cause.",
        Query(restarts(*RUN), "restarts"),
        unit="none",
        no_value=NO_RUN,
        thresholds=RESTARTS,
    ),
    stat(
        "Goodput",
        "Share of the time since all pods first ran that is in the result.",
        Query(single(runs.GOODPUT_RATIO, *RUN), "goodput"),
        unit="percentunit",
        no_value=UNTOLD,
        thresholds=GOODPUT,
    ),
)
LEARNING = (
    timeseries(
        "Loss",
        "Loss in training against loss in validation. Where the second turns up while the first falls on, "
        "the network learns its training images by heart.",
        Query(metrics(*RUN, 'metric=~"(train|val)_loss"'), "{{metric}}"),
        unit="none",
        no_value=UNTOLD,
    ),
    timeseries(
        "Metric of record",
        "The metric that picks the best epoch: its last value, and the best so far.",
        Query(monitored(*RUN), "{{metric}}"),
        Query(best(*RUN), "best {{metric}}"),
        unit="none",
        no_value=UNTOLD,
    ),
    timeseries(
        "All metrics",
        "The last value of every metric, named by split and metric. Click a name to see it alone.",
        Query(metrics(*RUN), "{{metric}}"),
        unit="none",
        no_value=UNTOLD,
    ),
    timeseries(
        "Learning rate",
        "Learning rate in the last epoch.",
        Query(f"max by (namespace, trainingrun) ({of(telemetry.LEARNING_RATE, *TRAINER)})", "learning rate"),
        unit="sci",
        no_value=NO_TRAINER,
    ),
)
SPEED = (
    timeseries(
        "Images a second",
        "Images that all ranks together trained on in each second of the last epoch.",
        Query(single(runs.SAMPLES_PER_SECOND, *RUN), "images a second"),
        unit="short",
        no_value=UNTOLD,
        width=8,
    ),
    timeseries(
        "Waiting for data",
        "Share of the time that ranks wait for batches. High: loading, not computing, sets the pace; raise "
        "`data.numWorkers`, or put the images on a faster volume.",
        Query(_wait(telemetry.RANK_DATA_WAIT_SECONDS), "rank that waits most"),
        Query(_wait(telemetry.DATA_WAIT_SECONDS), "rank 0"),
        unit="percentunit",
        no_value=NO_TRAINER,
        thresholds=WAIT,
        bounds=(0, None),
        width=8,
    ),
    timeseries(
        "Straggler spread",
        "Time that the slowest rank needs for its own part of the steps, over that of the fastest: 1 is "
        "even. All ranks wait for the slowest. Validation and saves show nothing here.",
        Query(
            f"max({STEP_RATE}) / (min({STEP_RATE}) > 0)",
            "slowest over fastest rank",
        ),
        unit="none",
        no_value=NO_TRAINER,
        thresholds=SPREAD,
        bounds=(1, None),
        width=8,
    ),
)
GPU_NAME = "{{Hostname}} GPU {{gpu}} {{GPU_I_ID}}"
GPUS = (
    timeseries(
        "GPU use",
        "Share of the time in which each GPU of the run worked. Found by the run's pods; where the exporter "
        "does not tell pods, all GPUs of the run's nodes stand here.",
        Query(f"max by (Hostname, gpu, GPU_I_ID) ({dcgm.of_pods(dcgm.ACTIVE, ', '.join(RUN))})", GPU_NAME),
        unit="percentunit",
        no_value=NO_GPU,
        bounds=(0, 1),
    ),
    timeseries(
        "GPU memory",
        "Memory in use on each GPU of the run, found as in the panel beside.",
        Query(
            f"max by (Hostname, gpu, GPU_I_ID) ({dcgm.of_pods(dcgm.MEMORY_USED, ', '.join(RUN))})", GPU_NAME
        ),
        unit="mbytes",
        no_value=NO_GPU,
        bounds=(0, None),
    ),
)
FAULTS = (
    timeseries(
        "Age of the newest checkpoint",
        "Time since the newest complete checkpoint, while the run is Running: what a fault would cost now. "
        "The condition CheckpointFresh below says whether that is too much.",
        Query(f"{age(runs.CHECKPOINT, *RUN)} and {ON_RUN} {in_phase(Phase.RUNNING, *RUN)}", "age"),
        unit="s",
        no_value="no checkpoint, or not Running",
        width=6,
    ),
    timeseries(
        "Time a checkpoint takes",
        "Time that writing a checkpoint held training up: over all checkpoints of the attempt, for they are "
        "rare.",
        Query(f"sum({CHECKPOINTS['sum']}) / (sum({CHECKPOINTS['count']}) > 0)", "mean"),
        Query(
            f"histogram_quantile(0.95, sum by (le) ({CHECKPOINTS['bucket']}))",
            "95 of 100 take less",
        ),
        unit="s",
        no_value=NO_TRAINER,
        width=6,
    ),
    timeseries(
        "Restarts",
        "Attempts that ended too early since the creation, by cause. A disruption costs nothing of "
        "`restart.maxFailures`.",
        Query(f"max by (cause) ({of(runs.RESTARTS, *RUN)})", "{{cause}}"),
        unit="none",
        no_value=NO_RUN,
        steps=True,
        width=6,
    ),
    timeseries(
        "Goodput",
        "Share of the time since all pods first ran that is in the result. Start-up, lost steps and saves "
        "that hold training up lower it.",
        Query(single(runs.GOODPUT_RATIO, *RUN), "goodput"),
        unit="percentunit",
        no_value=UNTOLD,
        bounds=(0, 1),
        width=6,
    ),
    state_timeline(
        "Health",
        "Whether training moves (Progressing), and whether a fault would cost no more than one checkpoint "
        "interval (CheckpointFresh), while the run is Running.",
        Query(_conditions(), "{{condition}}"),
        states=TRUTHS,
        no_value="not Running",
        width=12,
    ),
    timeseries(
        "Silence of the ranks",
        "Time since each rank last moved. In a hang all lines climb; the rank that began to climb first "
        "holds the others up.",
        Query(f"time() - max by (rank) ({of(telemetry.RANK_HEARTBEAT, *TRAINER)})", "rank {{rank}}"),
        unit="s",
        no_value=NO_TRAINER,
    ),
    state_timeline(
        "What the trainer does",
        "The trainer's own phase, from starting to finished.",
        Query(f"max by (phase) ({of(telemetry.PHASE, *TRAINER)}) == 1", "{{phase}}"),
        states=ON,
        no_value=NO_TRAINER,
    ),
)


def build() -> Json:
    """The dashboard's JSON."""
    return dashboard(
        UID,
        "TrainingRun / Run",
        "One training run: progress, curves, speed, GPUs, checkpoints and restarts.",
        variables=[
            variable("namespace", "Namespace", f"label_values({runs.INFO}, namespace)"),
            variable(
                "project",
                "Project",
                f"label_values({of(runs.INFO, RUN[0])}, project)",
                several=True,
                all_value=".*",
            ),
            variable("run", "Run", f"label_values({of(runs.INFO, RUN[0], PROJECT)}, name)"),
        ],
        events=[
            event(
                "Restarts",
                f"max by (cause) (changes({of(runs.RESTARTS, *RUN)}[$__rate_interval])) > 0",
                title="An attempt ended: {{cause}}",
                colour="red",
            ),
            event(
                "Resumes",
                f"max by (name) (changes({of(runs.ATTEMPT, *RUN)}[$__rate_interval])) > 0",
                title="The next attempt goes on",
                colour="green",
            ),
        ],
        rows={
            "Now": NOW,
            "Learning": LEARNING,
            "Speed": SPEED,
            "GPUs": GPUS,
            "Checkpoints, restarts and health": FAULTS,
        },
    )
