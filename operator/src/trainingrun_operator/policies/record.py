"""The record of an attempt that ended: how, where, how long, and between which steps."""

from datetime import datetime

from trainingrun_api.reasons import AttemptOutcome, ConditionType
from trainingrun_api.status import MAX_ATTEMPT_RECORDS, AttemptRecord, LastFailure
from trainingrun_operator.plan import Situation
from trainingrun_operator.policies.steps import Steps
from trainingrun_operator.times import from_timestamp, seconds_between, to_timestamp


def record_of(
    situation: Situation, failure: LastFailure, outcome: AttemptOutcome, steps: Steps
) -> AttemptRecord:
    """What is kept of the latest attempt; a complete one has a failure without any trouble in it."""
    began, end = ran_from(situation), ended_at(situation)
    return AttemptRecord(
        number=failure.attempt,
        outcome=outcome,
        reason=failure.reason,
        message=failure.message,
        pod=failure.pod,
        node=failure.node,
        start_time=to_timestamp(began) if began else None,
        end_time=to_timestamp(end),
        duration_seconds=max(0, round(seconds_between(began, end))) if began else None,
        from_step=steps.first,
        to_step=steps.last,
    )


def with_record(situation: Situation, record: AttemptRecord) -> dict[str, object]:
    """Status fields that hold the record."""
    status = situation.status
    return {
        "start_time": status.start_time or record.start_time,
        "attempts": [*(status.attempts or ()), record][-MAX_ATTEMPT_RECORDS:],
        "active_seconds": (status.active_seconds or 0) + (record.duration_seconds or 0),
    }


def ran_from(situation: Situation) -> datetime | None:
    """When all pods of the latest attempt ran: by the pods, or by the condition where they are gone."""
    if situation.started_at:
        return situation.started_at
    for condition in situation.status.conditions or ():
        if condition.type == ConditionType.RUNNING and condition.status == "True":
            return from_timestamp(condition.last_transition_time)
    return None


def ended_at(situation: Situation) -> datetime:
    """When the latest attempt ended: by the decision to end it, by its Job, or now where that is gone.

    Not when the operator looked: it may have been away.
    """
    if situation.stopping:
        return from_timestamp(situation.stopping.time) or situation.now
    return (situation.job and situation.job.ended_at) or situation.now
