"""Starts a Failed run anew where somebody asks for it by the annotation `trainingrun.dev/retry`.

Only a text counts that is newer than the failure: the one that stood there when the run failed is recorded as
seen (see `outcome`), so a run that was created with the annotation does not restart for ever.
"""

from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_operator.conditions import Finding
from trainingrun_operator.plan import Plan, Situation, with_findings


def retry(situation: Situation) -> Plan | None:
    """The run as it was before its first failure: its budget and its time are whole, its attempts go on."""
    text, status = situation.run.retry, situation.status
    if status.phase != Phase.FAILED or situation.run.deleting or not text or text == status.retried:
        return None
    message = f"started anew on request ({text})"
    findings = {
        ConditionType.ACCEPTED: Finding("Unknown", Reason.RETRIED),
        ConditionType.RUNNING: Finding("False", Reason.RETRIED, message),
        ConditionType.RESTARTING: Finding("True", Reason.RETRIED, message),
        ConditionType.SUCCEEDED: Finding("Unknown", Reason.NOT_YET),
        ConditionType.FAILED: Finding("False", Reason.RETRIED, message),
    }
    fresh = {
        "retried": text,
        "budget": None,
        "active_seconds": None,
        "completion_time": None,
        "next_attempt_time": None,
        "stopping": None,
    }
    return Plan(why=message, status=with_findings(situation, findings, **fresh), requeue_after=0.0)
