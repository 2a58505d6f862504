"""What follows when a child of the run could not be created, or its spec not be read."""

from typing import Literal

from pydantic import ValidationError

from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_operator.conditions import Finding
from trainingrun_operator.errors import InvalidError, NameTakenError, RefusedError
from trainingrun_operator.plan import Plan, Standing, with_findings
from trainingrun_operator.policies.advice import RETRY
from trainingrun_operator.times import to_timestamp

INVALID = f"Correct the spec in a new run, or mend what refuses it, {RETRY}"
"""What to do where the API server will never take a child."""
RETRY_SECONDS = 10.0
"""How long after a refusal creation is tried again: quotas and permissions change without an event."""
PASSING_SECONDS = 2.0
"""The same while the garbage collector removes the children of an earlier run of the same name."""


def refused(standing: Standing, error: NameTakenError | InvalidError | RefusedError) -> Plan:
    """Pending where another try may succeed, Failed where it cannot."""
    match error:
        case NameTakenError(passing=True):
            return _pending(standing, "Unknown", Reason.CREATING, error.message, PASSING_SECONDS)
        case NameTakenError():
            return _failed(standing, Reason.NAME_CONFLICT, error.message)
        case InvalidError():
            return _failed(standing, Reason.REJECTED, f"{error.message.rstrip('.')}. {INVALID}")
        case RefusedError():
            return _pending(standing, "False", Reason.REJECTED, error.message, RETRY_SECONDS)


def unreadable(standing: Standing, error: ValidationError) -> Plan:
    """Pending where nothing was started; what another version of the operator started is left to it.

    The API server checks every spec, so one that cannot be read is of a newer definition. That comes before
    the newer operator in an upgrade, and its defaults appear in all runs at once.
    """
    problems = "; ".join(
        f"{'.'.join(str(part) for part in ('spec', *detail['loc']))}: {detail['msg']}"
        f" (found {detail['input']!r:.100})"
        for detail in error.errors(include_url=False)
    )
    message = (
        f"this version of the operator cannot read the spec: {problems}. Upgrade the operator, which goes on "
        "by itself then, or correct the spec in a new run"
    )
    if standing.status.attempt is None:
        return _pending(standing, "False", Reason.REJECTED, message, None)
    return Plan(why=message)


def _pending(
    standing: Standing,
    accepted: Literal["False", "Unknown"],
    reason: Reason,
    message: str,
    retry_after: float | None,
) -> Plan:
    findings = {
        ConditionType.ACCEPTED: Finding(accepted, reason, message),
        ConditionType.RUNNING: Finding("False", reason, message),
    }
    return Plan(why=message, status=with_findings(standing, findings), requeue_after=retry_after)


def _failed(standing: Standing, reason: Reason, message: str) -> Plan:
    findings = {
        ConditionType.ACCEPTED: Finding("False", reason, message),
        ConditionType.RUNNING: Finding("False", reason),
        ConditionType.RESTARTING: Finding("False", reason),
        ConditionType.SUCCEEDED: Finding("False", reason),
        ConditionType.FAILED: Finding("True", reason, message),
    }
    seen = {"completion_time": to_timestamp(standing.now), "retried": standing.run.retry or None}
    return Plan(why=message, status=with_findings(standing, findings, **seen))
