"""What QuotaReserved says of an attempt: waiting in its queue, admitted, or in need of no queue."""

from datetime import datetime

from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_operator.conditions import Finding, holds
from trainingrun_operator.plan import Situation
from trainingrun_operator.times import from_timestamp

Findings = dict[ConditionType, Finding]


def admitted(situation: Situation) -> bool:
    """Whether the latest attempt was allowed to run at some time.

    Without a queue nobody waits for a permission (see `reserved`), but somebody may hold the Job back all the
    same: Kueue suspends every Job where it is told to. Then only pods, or that they ran, prove it.
    """
    if situation.pods:
        return True
    if situation.status.attempt != situation.attempt:
        return False
    if situation.spec.queue is None:
        return holds(situation.status, ConditionType.RUNNING)
    return _says_reserved(situation)


def reserved(situation: Situation) -> Findings:
    """While the Job may run."""
    name = situation.spec.queue
    if name is None:
        return {ConditionType.QUOTA_RESERVED: Finding("True", Reason.NO_QUEUE)}
    return {ConditionType.QUOTA_RESERVED: Finding("True", Reason.ADMITTED, f"admitted by LocalQueue {name}")}


def released(situation: Situation) -> Findings:
    """After the end of an attempt, whose Job needs its quota no longer; a reason given before stays."""
    if situation.spec.queue is None or not _says_reserved(situation):
        return {}
    return {ConditionType.QUOTA_RESERVED: Finding("False", Reason.NOT_YET, "the next attempt queues anew")}


def awaited(situation: Situation) -> Findings:
    """While the Job is suspended and no pod of it ran."""
    name = situation.spec.queue
    told = situation.workload.waiting if situation.workload else ""
    if name is None:
        message = "somebody suspended the Job; the run goes on when it is resumed"
    else:
        message = f"waits for quota in LocalQueue {name}"
    message = f"{message}: {told}" if told else message
    held = Finding("False", Reason.QUEUED, message)
    return {ConditionType.QUOTA_RESERVED: held, ConditionType.RUNNING: held}


def held_until(situation: Situation) -> datetime | None:
    """Until when the latest Job was held back; None while it still is, or nobody saw it let go."""
    for condition in situation.status.conditions or ():
        if condition.type == ConditionType.QUOTA_RESERVED and condition.status == "True":
            return from_timestamp(condition.last_transition_time)
    return None


def _says_reserved(situation: Situation) -> bool:
    return holds(situation.status, ConditionType.QUOTA_RESERVED)
