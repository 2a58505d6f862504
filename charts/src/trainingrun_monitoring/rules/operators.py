"""Alerts about the operator: runs go on without it, but nobody looks after them.

Those of an operator's own series carry its `namespace`. Thresholds and false alarms: docs/runbooks.
"""

from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_monitoring.rules import recording
from trainingrun_monitoring.rules.rule import Alert
from trainingrun_monitoring.rules.runs import PERCENT, condition
from trainingrun_operator import metrics

WHERE = "The operator in {{ $labels.namespace }}"

OPERATOR_ALERTS = (
    Alert(
        "TrainingRunOperatorDown",
        f"absent({metrics.LEADER} == 1)",
        hold="5m",
        severity="critical",
        summary="No operator of TrainingRuns is at work",
        description="It is down, none of several holds their Lease, or Prometheus does not reach it. Pods "
        "train on, but no run starts, restarts or ends, and hardly an alert of a run can fire.",
    ),
    Alert(
        "TrainingRunOperatorQueueBacklog",
        f"max by (namespace) (min_over_time({metrics.QUEUE_DEPTH}[10m])) > 10",
        hold="5m",
        severity="warning",
        summary=f"{WHERE} is behind: {{{{ $value }}}} runs or more wait for a worker",
        description="Its queue does not drain, so starts, restarts and ends come late.",
    ),
    Alert(
        "TrainingRunOperatorResyncOverdue",
        f"max by (namespace) (time() - {metrics.RESYNC_TIMESTAMP} - 2 * {metrics.RESYNC_INTERVAL}) > 60",
        hold="1m",
        severity="warning",
        summary=f"{WHERE} does not compare what it knows with the API server",
        description="The full comparison is overdue by more than an interval: it fails or hangs. What its "
        "watches lose is not put right. Where it hangs for three intervals, the liveness probe restarts the "
        "operator.",
    ),
    Alert(
        "TrainingRunOperatorReconcileErrors",
        f"{recording.RECONCILE_ERRORS.name} > 0.1",
        hold="10m",
        severity="warning",
        summary=f"{WHERE} fails in {PERCENT} of its steps",
        description="Each is repeated after a pause of at most 20 s; until one succeeds, its run is not "
        "looked after.",
    ),
    Alert(
        "TrainingRunTrainersUnreachable",
        "count by (namespace) (max by (namespace, name) (\n"
        f"  {condition(ConditionType.PROGRESSING, 'Unknown', Reason.UNREACHABLE)} == 1))",
        hold="2m",
        severity="critical",
        summary="No trainer answers the operator: {{ $value }} runs in {{ $labels.namespace }} go unwatched",
        description="The network between operator and training pods is broken. The runs are left alone for "
        "an hour, for they may be training; then their attempts are ended, with time to save a checkpoint.",
    ),
)
