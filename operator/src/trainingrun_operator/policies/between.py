"""Between two attempts, and before the first: the next one starts once nothing holds it.

A gate is a policy that is asked only while no attempt is under way, so none of them has to look.
"""

from collections.abc import Callable

from trainingrun_api import TrainingRunStatus, names
from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_api.status import LastFailure
from trainingrun_operator.conditions import Finding
from trainingrun_operator.plan import Plan, Situation, with_findings
from trainingrun_operator.policies.gone import farewell
from trainingrun_operator.policies.outcome import failed
from trainingrun_operator.policies.project import project
from trainingrun_operator.policies.start import start
from trainingrun_operator.policies.suspend import suspended
from trainingrun_operator.times import from_timestamp

Gate = Callable[[Situation], Plan | None]


def between(situation: Situation) -> Plan | None:
    """What holds the next attempt, or its start."""
    if situation.attempt is not None and not situation.between_attempts:
        return None
    for gate in GATES:
        if (plan := gate(situation)) is not None:
            return plan
    return start(situation, (situation.attempt or 0) + 1)


def ending_pods(situation: Situation) -> Plan | None:
    """Two gangs must never run at once: one would wait for the other's GPUs, or write over its results."""
    if not (pods := situation.earlier_pods):
        return None
    leaving = farewell(pods, situation.spec.restart.node_lost_seconds, situation.now)
    first = pods[0]
    where = f" on node {first.node}" if first.node else ""
    more = f", and {len(pods) - 1} more" if len(pods) > 1 else ""
    message = f"waits for the end of pod {first.name}{where}{more}"
    return Plan(
        why=message,
        status=held(situation, Reason.ENDING_PODS, message),
        delete=leaving.delete,
        requeue_after=leaving.recheck_after,
    )


def backing_off(situation: Situation) -> Plan | None:
    """The pause after a failure."""
    due = from_timestamp(situation.status.next_attempt_time)
    if due is None or due <= situation.now:
        return None
    message = next(
        found.message for found in situation.status.conditions or () if found.type == ConditionType.RESTARTING
    )
    return Plan(
        why="the pause before the next attempt",
        status=held(situation, Reason.BACK_OFF, message),
        requeue_after=(due - situation.now).total_seconds(),
    )


def numbers_used_up(situation: Situation) -> Plan | None:
    """Names of Jobs have room for numbers of three digits."""
    if (situation.attempt or 0) < names.MAX_ATTEMPT:
        return None
    last = (situation.status.attempts or [])[-1]
    failure = LastFailure(
        attempt=last.number,
        reason=last.reason,
        message=f"attempt {names.MAX_ATTEMPT} was the last possible one: create a run of another name",
    )
    return failed(situation, failure, failure.message)


def held(situation: Situation, reason: Reason, message: str) -> TrainingRunStatus:
    """The status of a run that waits for something else than its pods."""
    return with_findings(situation, {ConditionType.RUNNING: Finding("False", reason, message)})


GATES: tuple[Gate, ...] = (numbers_used_up, suspended, project, ending_pods, backing_off)
