"""Carries out `spec.suspend`: the pods go, with a checkpoint, and nothing is started until it is false again.

Suspension is one of the ends of an attempt, so resuming starts the next one; the counters stay as they are.
"""

from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_operator.conditions import Finding, holds
from trainingrun_operator.plan import Plan, Situation, with_findings
from trainingrun_operator.policies.stop import stop

MESSAGE = "spec.suspend is true: set it to false to go on from the newest checkpoint"
SUSPENDED = {
    ConditionType.QUOTA_RESERVED: Finding("False", Reason.SUSPENDED),
    ConditionType.RUNNING: Finding("False", Reason.SUSPENDED, MESSAGE),
    ConditionType.RESTARTING: Finding("False", Reason.SUSPENDED),
    ConditionType.SUSPENDED: Finding("True", Reason.SUSPENDED, MESSAGE),
    ConditionType.PROGRESSING: Finding("False", Reason.SUSPENDED),
}
"""What is true of a suspended run without pods."""
RESUMED = {
    ConditionType.RUNNING: Finding("False", Reason.RESUMED, "the next attempt is about to start"),
    ConditionType.SUSPENDED: Finding("False", Reason.RESUMED),
}


def suspend(situation: Situation) -> Plan | None:
    """The end of the attempt under way; one that just ended by itself is left to `finished`."""
    if not situation.spec.suspend or not situation.active:
        return None
    return stop(situation, Reason.SUSPENDED, MESSAGE)


def suspended(situation: Situation) -> Plan | None:
    """A gate: holds the next attempt back while the run is suspended, and says so when it no longer is."""
    if situation.spec.suspend and not situation.earlier_pods:
        return Plan(
            why=MESSAGE, status=with_findings(situation, SUSPENDED, next_attempt_time=None, waiting_for=None)
        )
    if not situation.spec.suspend and holds(situation.status, ConditionType.SUSPENDED):
        return Plan(
            why="spec.suspend is false again", status=with_findings(situation, RESUMED), requeue_after=0.0
        )
    return None
