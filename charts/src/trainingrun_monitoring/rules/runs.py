"""Alerts about runs: somebody should look, though the operator does what it can.

Each carries `namespace` and `name` of the run. Those that tell of a past event fire for as long as somebody
may want to know, and not until the run is deleted. Thresholds and false alarms: docs/runbooks.
"""

from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_monitoring.rules import recording
from trainingrun_monitoring.rules.rule import Alert
from trainingrun_operator import run_series

PENDING, RUNNING, COMPLETED = (
    f'{run_series.PHASE}{{phase="{phase}"}} == 1' for phase in (Phase.PENDING, Phase.RUNNING, Phase.COMPLETED)
)
LONG_OVER = f"time() - {run_series.COMPLETED} > 3600"
MEANT_TO_WAIT = "|".join((Reason.QUEUED, Reason.WAITING_FOR_PROJECT, Reason.SUSPENDED, Reason.BACK_OFF))
"""Reasons of Pending that somebody chose."""
WHICH = "{{ $labels.namespace }}/{{ $labels.name }}"
PERCENT = "{{ $value | humanizePercentage }}"


def condition(kind: ConditionType, status: str, reason: str = "") -> str:
    """The series of a condition that says this."""
    matchers = f'condition="{kind}", status="{status}"' + (f', reason="{reason}"' if reason else "")
    return f"{run_series.CONDITION}{{{matchers}}}"


RUN_ALERTS = (
    Alert(
        "TrainingRunStalled",
        "max by (namespace, name) (max_over_time(\n"
        f"  {condition(ConditionType.PROGRESSING, 'False', Reason.STALLED)}[10m]))\n"
        f"unless on (namespace, name) {LONG_OVER}",
        hold="0m",
        severity="warning",
        summary=f"{WHICH} stood still",
        description="No rank moved for deadlines.stallSeconds, so the operator ends the attempt and starts "
        "the next one from the newest checkpoint, as long as restart.maxFailures allows. status.silentRanks "
        "names the ranks, their pods and nodes.",
    ),
    Alert(
        "TrainingRunLossNotFinite",
        "(\n"
        "  max by (namespace, name) (\n"
        f'    {run_series.METRIC}{{metric=~"(.+_)?loss(_.+)?"}} * 0 != bool 0) == 1\n'
        "  or\n"
        f'  max by (namespace, name) ({run_series.LAST_FAILURE}{{reason="{Reason.DIVERGED}"}})\n'
        f"    and on (namespace, name) {recording.RECENT_RESTARTS.name} > 0\n"
        ")\n"
        f"unless on (namespace, name) {LONG_OVER}",
        hold="0m",
        severity="critical",
        summary=f"The loss of {WHICH} is NaN or infinite",
        description="Training diverged. The built-in trainer ends the attempt, and the next one goes on "
        "from the newest checkpoint; another program may go on and waste its GPUs.",
    ),
    Alert(
        "TrainingRunCheckpointStale",
        f"max by (namespace, name, reason) ({condition(ConditionType.CHECKPOINT_FRESH, 'False')})\n"
        f"and on (namespace, name) {RUNNING}",
        hold="5m",
        severity="warning",
        summary=f"{WHICH} has no fresh checkpoint: {{{{ $labels.reason }}}}",
        description="The next fault would cost more than one checkpoint interval. Training goes on "
        "meanwhile.",
    ),
    Alert(
        "TrainingRunRestartLoop",
        f"{recording.RECENT_RESTARTS.name} >= 3\nunless on (namespace, name) {COMPLETED}",
        hold="0m",
        severity="warning",
        summary=f"{WHICH} was restarted {{{{ $value }}}} times within an hour",
        description="Its attempts end soon after they begin, by failures, stalls or disruptions. "
        "status.attempts tells how each one ended.",
    ),
    Alert(
        "TrainingRunPendingTooLong",
        f"max by (namespace, name) ({PENDING})\n"
        f'unless on (namespace, name) {run_series.REASON}{{reason=~"{MEANT_TO_WAIT}"}} == 1',
        hold="15m",
        severity="warning",
        summary=f"{WHICH} has been Pending for a quarter of an hour",
        description="Nobody chose that it waits: it is neither suspended, nor behind its queue or project. "
        "Its condition Running says for what; after deadlines.startupSeconds it will be Failed.",
    ),
    Alert(
        "TrainingRunGPUIdle",
        "(\n"
        f'  min by (namespace, name) (avg_over_time({recording.GPU_ACTIVE.name}{{match="pod"}}[5m]))\n'
        "  or\n"
        f'  max by (namespace, name) (avg_over_time({recording.GPU_ACTIVE.name}{{match="node"}}[5m]))\n'
        ") < 0.05\n"
        f"and on (namespace, name) {RUNNING}",
        hold="15m",
        severity="warning",
        summary=f"{WHICH} runs and leaves a GPU idle",
        description=f"A GPU of the run has worked for {PERCENT} of the time. Nobody else can use it.",
    ),
    Alert(
        "TrainingRunLowGoodput",
        f"max by (namespace, name) ({run_series.GOODPUT_RATIO}) < 0.5\n"
        f"and on (namespace, name) {RUNNING}\n"
        f"and on (namespace, name) time() - {run_series.STARTED} > 7200",
        hold="30m",
        severity="warning",
        summary=f"Of the time of {WHICH} only {PERCENT} is in its result",
        description="The rest went into starting, preparing data, writing checkpoints, and steps that were "
        "lost with a fault.",
    ),
    Alert(
        "TrainingRunDataBound",
        f"{recording.DATA_WAIT.name} > 0.3",
        hold="15m",
        severity="warning",
        summary=f"{WHICH} waits for data for {PERCENT} of the time",
        description="Loading, not computing, sets the pace: its GPUs are idle for that long.",
    ),
)
