"""What QuotaReserved says of an attempt: waiting in its queue, admitted, or in need of no queue."""

from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_operator.conditions import Finding
from trainingrun_operator.plan import Situation

Findings = dict[ConditionType, Finding]


def admitted(situation: Situation) -> bool:
    """Whether the latest attempt was allowed to run at some time."""
    recorded = situation.status.attempt == situation.attempt
    return (recorded and _says_reserved(situation)) or bool(situation.pods)


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
        message = f"waits for quota in LocalQueue {name}" + (f": {told}" if told else "")
    held = Finding("False", Reason.QUEUED, message)
    return {ConditionType.QUOTA_RESERVED: held, ConditionType.RUNNING: held}


def _says_reserved(situation: Situation) -> bool:
    conditions = situation.status.conditions or ()
    return any(c.type == ConditionType.QUOTA_RESERVED and c.status == "True" for c in conditions)
