"""Recording rules and alerts, from the definitions of the metrics: what the chart installs for Prometheus."""

from trainingrun_monitoring.rules.operators import OPERATOR_ALERTS
from trainingrun_monitoring.rules.recording import RECORDS
from trainingrun_monitoring.rules.rule import Alert, Group, Record, document
from trainingrun_monitoring.rules.runs import RUN_ALERTS

GROUPS = (
    Group("trainingrun.recording", RECORDS),
    Group("trainingrun.runs", RUN_ALERTS),
    Group("trainingrun.operator", OPERATOR_ALERTS),
)

__all__ = ["GROUPS", "Alert", "Group", "Record", "document"]
