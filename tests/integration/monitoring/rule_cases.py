"""When each alert fires: series of a few hours, and the moments at which it must be silent or fire.

One sample a minute, from Unix time 0 on, in the notation of
https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trainingrun_api import telemetry
from trainingrun_monitoring import dcgm
from trainingrun_operator import metrics, run_series

RUN = {"namespace": "ml", "name": "digits"}
OPERATOR = {"namespace": "trainingrun-system"}


@dataclass(frozen=True)
class Case:
    """A story about one alert."""

    alert: str
    story: str
    series: Mapping[str, str]
    silent: tuple[str, ...] = ()
    fires: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: RUN)
    """Those that the alert has besides its name and severity."""
    value: str = ""
    """How its text shows its value, where it does."""


def of(family: str, labels: Mapping[str, str] | None = None, **more: str) -> str:
    """A series of the run, or with other labels, as the operator in pod a tells of it."""
    pairs = {"instance": "a", **(RUN if labels is None else labels), **more}
    return family + "{" + ", ".join(f'{label}="{value}"' for label, value in pairs.items()) + "}"


def phase(name: str) -> dict[str, str]:
    """The run is in a phase, all the time."""
    return {of(run_series.PHASE, phase=name): "1x300"}


def said(condition: str, status: str, reason: str) -> str:
    """The series of what a condition says."""
    return of(run_series.CONDITION, condition=condition, status=status, reason=reason)


def metric(name: str) -> str:
    """The series of a metric's value."""
    return of(run_series.METRIC, metric=name)


def pod(name: str, index: str = "0", run: str = "digits", node: str = "node-1") -> str:
    """The series that places a pod; its labels come from the operator and hide those of its own pod."""
    return of(run_series.POD_INFO, {"namespace": "ml", "name": run}, pod=name, node=node, index=index)


def device(family: str = dcgm.ENGINE_ACTIVE, gpu: str = "0", **more: str) -> str:
    """A series of dcgm-exporter about a GPU of node-1."""
    return of(family, {"Hostname": "node-1", "gpu": gpu, "UUID": f"GPU-{gpu}"}, **more)


EXPORTER = {"namespace": "gpu-operator", "pod": "dcgm-x"}
RENAMED = {**EXPORTER, "exported_namespace": "ml", "exported_pod": "digits-1-0"}
"""What a scrape without honorLabels makes of an exporter that knows the pod."""
HONOURED = {"namespace": "ml", "pod": "digits-1-0"}
PLACED = {**phase("Running"), pod("digits-1-0"): "1x300", of(run_series.GPUS): "2x300"}
"""A run with one pod on node-1."""

STALLED = said("Progressing", "False", "Stalled")
OUTDATED = said("CheckpointFresh", "False", "Outdated")
DIVERGED = of(run_series.LAST_FAILURE, reason="Diverged")
RESTARTS = {cause: of(run_series.RESTARTS, cause=cause) for cause in ("failure", "stall", "disruption")}
UNREACHABLE = said("Progressing", "Unknown", "Unreachable")
ERRORS, SUCCESSES = (
    of(f"{metrics.RECONCILE_SECONDS}_count", OPERATOR, result=result) for result in ("error", "success")
)
DATA_WAIT = of(telemetry.DATA_WAIT_SECONDS, {"namespace": "ml", "trainingrun": "digits"}, pod="digits-1-0")

RUN_CASES = (
    Case(
        "TrainingRunStalled",
        "the next attempt moves a minute later: seen for ten minutes all the same",
        {STALLED: "_x5 1 stale _x30"},
        silent=("4m", "16m"),
        fires=("5m", "14m"),
    ),
    Case(
        "TrainingRunStalled",
        "the run is Failed for it: an hour",
        {STALLED: "_x5 1x300", of(run_series.COMPLETED): "_x5 300x300"},
        silent=("4m", "66m", "200m"),
        fires=("5m", "65m"),
    ),
    Case(
        "TrainingRunStalled",
        "a heartbeat that nobody has told of is no stall",
        {said("Progressing", "False", "Finished"): "1x30", said("Progressing", "Unknown", "NotYet"): "1x30"},
        silent=("0m", "30m"),
    ),
    Case(
        "TrainingRunLossNotFinite",
        "NaN, until it is a number again",
        {metric("val_loss"): "0.5 NaN NaN 0.4x10"},
        silent=("0m", "3m"),
        fires=("1m", "2m"),
    ),
    Case("TrainingRunLossNotFinite", "inf", {metric("train_loss"): "0.5 Inf"}, silent=("0m",), fires=("1m",)),
    Case("TrainingRunLossNotFinite", "part of it", {metric("val_loss_dice"): "NaN"}, fires=("0m",)),
    Case(
        "TrainingRunLossNotFinite",
        "great is not infinite, and other metrics may be NaN where a class never occurs",
        {metric("val_loss"): "1e300x9", metric("val_dice"): "NaN NaN", metric("val_glossy"): "NaN NaN"},
        silent=("0m", "1m"),
    ),
    Case(
        "TrainingRunLossNotFinite",
        "the built-in trainer never shows such a loss: it ends the attempt",
        {DIVERGED: "_x5 1x300", RESTARTS["failure"]: "0x4 1x300"},
        silent=("4m", "66m"),
        fires=("5m", "63m"),
    ),
    Case(
        "TrainingRunLossNotFinite",
        "another failure followed",
        {DIVERGED: "_x5 1 1 stale", RESTARTS["failure"]: "0x4 1 1 2x300"},
        silent=("7m", "60m"),
        fires=("6m",),
    ),
    Case(
        "TrainingRunCheckpointStale",
        "for five minutes",
        {**phase("Running"), OUTDATED: "1x30"},
        silent=("4m",),
        fires=("5m", "30m"),
        labels={**RUN, "reason": "Outdated"},
    ),
    Case(
        "TrainingRunCheckpointStale",
        "a full volume counts too",
        {**phase("Running"), said("CheckpointFresh", "False", "VolumeFull"): "1x30"},
        fires=("5m",),
        labels={**RUN, "reason": "VolumeFull"},
    ),
    Case(
        "TrainingRunCheckpointStale",
        "a run that is over can lose nothing more",
        {**phase("Failed"), OUTDATED: "1x30"},
        silent=("5m", "30m"),
    ),
    Case(
        "TrainingRunRestartLoop",
        "three within an hour, whatever the causes",
        {
            RESTARTS["failure"]: "0x9 1x200",
            RESTARTS["stall"]: "0x19 1x200",
            RESTARTS["disruption"]: "0x29 1x200",
        },
        silent=("29m", "72m"),
        fires=("30m", "68m"),
        value="3",
    ),
    Case(
        "TrainingRunRestartLoop",
        "the operator was replaced meanwhile",
        {
            RESTARTS["failure"]: "2x5 stale",
            RESTARTS["failure"].replace('instance="a"', 'instance="b"'): "_x6 2x5 5x10",
        },
        silent=("11m",),
        fires=("12m",),
        value="3",
    ),
    Case(
        "TrainingRunRestartLoop",
        "three within more than an hour",
        {RESTARTS["failure"]: "0x9 1x34 2x34 3x100"},
        silent=("45m", "80m", "120m"),
    ),
    Case(
        "TrainingRunRestartLoop",
        "it came through",
        {RESTARTS["failure"]: "0x9 3x100", **phase("Completed")},
        silent=("10m", "30m"),
    ),
    Case(
        "TrainingRunPendingTooLong",
        "a quarter of an hour, over a restart of the operator",
        {
            of(run_series.PHASE, phase="Pending"): "1x7 stale",
            of(run_series.PHASE, phase="Pending", instance="b"): "_x8 1x30",
            of(run_series.REASON, reason="Unschedulable"): "1x30",
        },
        silent=("14m",),
        fires=("15m", "30m"),
    ),
    *(
        Case(
            "TrainingRunPendingTooLong",
            f"{reason} is meant to be",
            {**phase("Pending"), of(run_series.REASON, reason=reason): "1x300"},
            silent=("15m", "300m"),
        )
        for reason in ("Queued", "WaitingForProject", "Suspended", "BackOff")
    ),
    Case(
        "TrainingRunPendingTooLong",
        "the time in the queue does not count",
        {
            **phase("Pending"),
            of(run_series.REASON, reason="Queued"): "1x60 stale",
            of(run_series.REASON, reason="ImagePull"): "_x61 1x60",
        },
        silent=("60m", "75m"),
        fires=("76m",),
    ),
    *(
        Case(
            "TrainingRunGPUIdle",
            f"the exporter's labels are {scheme}",
            {**PLACED, device(**labels): "0.02x300"},
            silent=("14m",),
            fires=("15m",),
            value="2%",
        )
        for scheme, labels in {"renamed": RENAMED, "honoured": HONOURED, "of no pod": EXPORTER}.items()
    ),
    Case(
        "TrainingRunGPUIdle",
        "a device without profiling tells percent",
        {**PLACED, device(dcgm.UTILIZATION, **RENAMED): "4x300"},
        fires=("15m",),
        value="4%",
    ),
    Case(
        "TrainingRunGPUIdle", "a twentieth is work", {**PLACED, device(**RENAMED): "0.05x60"}, silent=("60m",)
    ),
    Case(
        "TrainingRunGPUIdle",
        "a pause of ten minutes",
        {**PLACED, device(**RENAMED): "0.9x20 0x10 0.9x60"},
        silent=("20m", "30m", "45m"),
    ),
    Case(
        "TrainingRunGPUIdle",
        "one of two that the pod holds",
        {**PLACED, device(**RENAMED): "0.9x60", device(gpu="1", **RENAMED): "0x60"},
        fires=("15m",),
        value="0%",
    ),
    Case(
        "TrainingRunGPUIdle",
        "one of two on the node, which another pod may hold",
        {**PLACED, device(**EXPORTER): "0.9x60", device(gpu="1", **EXPORTER): "0x60"},
        silent=("15m", "60m"),
    ),
    Case(
        "TrainingRunGPUIdle",
        "two runs on the node, and nobody knows whose device it is",
        {**PLACED, pod("other-1-0", run="other"): "1x300", device(**EXPORTER): "0x60"},
        silent=("15m", "60m"),
    ),
    Case(
        "TrainingRunGPUIdle",
        "a run on the CPU beside idle devices",
        {**PLACED, of(run_series.GPUS): "0x300", device(**EXPORTER): "0x60"},
        silent=("15m", "60m"),
    ),
    Case(
        "TrainingRunGPUIdle",
        "pods that start",
        {
            **PLACED,
            **phase("Pending"),
            of(run_series.PHASE, phase="Running"): "0x60",
            device(**RENAMED): "0x60",
        },
        silent=("15m", "60m"),
    ),
    Case(
        "TrainingRunLowGoodput",
        "half an hour, once the run is two hours old",
        {**phase("Running"), of(run_series.GOODPUT_RATIO): "0.49x300", of(run_series.STARTED): "0x300"},
        silent=("150m",),
        fires=("151m",),
        value="49%",
    ),
    Case(
        "TrainingRunLowGoodput",
        "half is enough",
        {**phase("Running"), of(run_series.GOODPUT_RATIO): "0.5x300", of(run_series.STARTED): "0x300"},
        silent=("151m", "300m"),
    ),
    Case(
        "TrainingRunLowGoodput",
        "it is over",
        {**phase("Failed"), of(run_series.GOODPUT_RATIO): "0.1x300", of(run_series.STARTED): "0x300"},
        silent=("151m", "300m"),
    ),
    Case(
        "TrainingRunDataBound",
        "a third of the time, for a quarter of an hour",
        {DATA_WAIT: "0+20x60"},
        silent=("19m",),
        fires=("20m", "60m"),
        value="33.33%",
    ),
    Case("TrainingRunDataBound", "less than 0.3", {DATA_WAIT: "0+17x60"}, silent=("20m", "60m")),
    Case(
        "TrainingRunDataBound",
        "a new attempt counts from 0",
        {DATA_WAIT: "0+6x30 0+6x30"},
        silent=("31m", "50m"),
    ),
)

OPERATOR_CASES = (
    Case(
        "TrainingRunOperatorDown",
        "it was scraped, then not",
        {of(metrics.LEADER, OPERATOR): "1x5 stale"},
        silent=("5m", "10m"),
        fires=("11m",),
        labels={},
    ),
    Case("TrainingRunOperatorDown", "it was never scraped", {}, silent=("4m",), fires=("5m",), labels={}),
    Case(
        "TrainingRunOperatorDown",
        "it was replaced within five minutes",
        {
            of(metrics.LEADER, OPERATOR): "1x5 stale",
            of(metrics.LEADER, OPERATOR, instance="b"): "_x10 1x30",
        },
        silent=("9m", "11m", "30m"),
    ),
    Case(
        "TrainingRunOperatorDown",
        "another one takes over",
        {
            of(metrics.LEADER, OPERATOR): "1x5 0x30",
            of(metrics.LEADER, OPERATOR, instance="b"): "0x6 1x30",
        },
        silent=("9m", "30m"),
    ),
    Case(
        "TrainingRunOperatorDown",
        "both stand by, and nobody works",
        {
            of(metrics.LEADER, OPERATOR): "1x5 0x30",
            of(metrics.LEADER, OPERATOR, instance="b"): "0x40",
        },
        silent=("10m",),
        fires=("11m",),
        labels={},
    ),
    Case(
        "TrainingRunOperatorQueueBacklog",
        "eleven, all the time",
        {of(metrics.QUEUE_DEPTH, OPERATOR): "11x30"},
        silent=("4m",),
        fires=("5m",),
        labels=OPERATOR,
        value="11",
    ),
    Case(
        "TrainingRunOperatorQueueBacklog",
        "ten are no backlog",
        {of(metrics.QUEUE_DEPTH, OPERATOR): "10x60"},
        silent=("5m", "60m"),
    ),
    Case(
        "TrainingRunOperatorQueueBacklog",
        "each resync brings up a thousand runs, and they are worked off",
        {of(metrics.QUEUE_DEPTH, OPERATOR): "1000 400 3 0 0 1000 500 0 0 0 1000 400 2 0 0 1000"},
        silent=("5m", "10m", "15m"),
    ),
    Case(
        "TrainingRunOperatorResyncOverdue",
        "two intervals and a minute, and a minute more",
        {of(metrics.RESYNC_TIMESTAMP, OPERATOR): "0x60", of(metrics.RESYNC_INTERVAL, OPERATOR): "300x60"},
        silent=("11m", "12m"),
        fires=("13m",),
        labels=OPERATOR,
    ),
    Case(
        "TrainingRunOperatorResyncOverdue",
        "a long interval is no fault",
        {of(metrics.RESYNC_TIMESTAMP, OPERATOR): "0x60", of(metrics.RESYNC_INTERVAL, OPERATOR): "3600x60"},
        silent=("13m", "60m"),
    ),
    Case(
        "TrainingRunOperatorReconcileErrors",
        "one step of nine",
        {ERRORS: "0+1x60", SUCCESSES: "0+8x60"},
        silent=("10m",),
        fires=("11m",),
        labels=OPERATOR,
        value="11.11%",
    ),
    Case(
        "TrainingRunOperatorReconcileErrors",
        "one step of eleven",
        {ERRORS: "0+1x60", SUCCESSES: "0+10x60"},
        silent=("11m", "60m"),
    ),
    Case("TrainingRunOperatorReconcileErrors", "none", {SUCCESSES: "0+10x60"}, silent=("11m", "60m")),
    Case(
        "TrainingRunTrainersUnreachable",
        "two runs, for two minutes",
        {UNREACHABLE: "1x30", UNREACHABLE.replace("digits", "other"): "1x30"},
        silent=("1m",),
        fires=("2m",),
        labels={"namespace": "ml"},
        value="2",
    ),
    Case(
        "TrainingRunTrainersUnreachable",
        "a program that tells nothing is no fault of the network",
        {said("Progressing", "Unknown", "NoHeartbeat"): "1x30"},
        silent=("2m", "30m"),
    ),
)

CASES = RUN_CASES + OPERATOR_CASES

GOOD_RUN = {
    **PLACED,
    of(run_series.PHASE, phase="Pending"): "0x300",
    of(run_series.REASON, reason="PodsRunning"): "1x300",
    said("Progressing", "True", "StepsTaken"): "1x300",
    said("CheckpointFresh", "True", "Saved"): "1x300",
    metric("train_loss"): "2-0.005x300",
    metric("val_loss"): "2-0.004x300",
    RESTARTS["failure"]: "0x300",
    RESTARTS["disruption"]: "0x100 1x200",
    of(run_series.LAST_FAILURE, reason="Evicted"): "_x101 1x200",
    of(run_series.GOODPUT_RATIO): "0.2+0.01x70 0.9x230",
    of(run_series.STARTED): "0x300",
    device(**RENAMED): "0.97x300",
    DATA_WAIT: "0+2x300",
    of(metrics.LEADER, OPERATOR): "1x300",
    of(metrics.QUEUE_DEPTH, OPERATOR): "0x300",
    of(metrics.RESYNC_TIMESTAMP, OPERATOR): "0+60x300",
    of(metrics.RESYNC_INTERVAL, OPERATOR): "300x300",
    ERRORS: "0+0.05x300",
    SUCCESSES: "0+6x300",
}
"""Five hours, an eviction included, with the operator that looks after it."""
