"""Ends an attempt in one status write: its record, what it costs, and whether another one follows.

Every way out of an attempt but success leads through here: a Job that failed or vanished, and a decision to
stop it.
"""

from collections.abc import Mapping
from datetime import timedelta

from trainingrun_api import names
from trainingrun_api.reasons import AttemptOutcome, ConditionType, Reason
from trainingrun_api.status import AttemptRecord, LastFailure, Restarts
from trainingrun_operator.conditions import Finding
from trainingrun_operator.plan import Plan, Situation, with_findings
from trainingrun_operator.policies.budget import backoff, charged, fruitless, refilled
from trainingrun_operator.policies.cost import CHARGED, repeats
from trainingrun_operator.policies.moving import resting
from trainingrun_operator.policies.outcome import failed, sentence
from trainingrun_operator.policies.quota import released
from trainingrun_operator.policies.record import record_of, with_record
from trainingrun_operator.policies.start import first_record
from trainingrun_operator.policies.steps import steps_of
from trainingrun_operator.policies.suspend import SUSPENDED
from trainingrun_operator.times import to_timestamp


def conclude(
    situation: Situation,
    failure: LastFailure,
    outcome: AttemptOutcome,
    fields: Mapping[str, object] | None = None,
) -> Plan:
    """The latest attempt is over; `failure` says why and `fields` are written with it."""
    status, restart = situation.status, situation.spec.restart
    steps = steps_of(situation)
    record = record_of(situation, failure, outcome, steps)
    budget = refilled(status.budget, steps.checkpoint)
    told = sentence(failure)
    if repeats(status.attempts or (), record):
        record = record.model_copy(update={"outcome": AttemptOutcome.FATAL})
        told = f"{told}. Attempt {record.number - 1} ended alike at the same step, so another one would too"
    if record.outcome in CHARGED:
        budget = charged(status.budget, steps.checkpoint, steps.last)
    ended = {
        **(fields or {}),
        **first_record(situation, record.number),
        **with_record(situation, record),
        "restarts": counted(status.restarts, record.outcome),
        "budget": budget,
        "stopping": None,
        "nodes_ready": f"0/{situation.spec.nodes}",
    }
    if record.outcome == AttemptOutcome.SUSPENSION:
        return _suspended(situation, record, ended)
    ended["last_failure"] = failure
    if record.outcome == AttemptOutcome.FATAL:
        return failed(situation, failure, told, ended)
    if record.outcome in CHARGED and budget and budget.failures > restart.max_failures:
        return failed(situation, failure, f"{told}. {_used_up(restart.max_failures)}", ended)
    if record.outcome in CHARGED and budget:
        charge = f"Failure {budget.failures} of at most {restart.max_failures}"
        return _restarting(situation, record, f"{told}. {charge}", backoff(restart, budget.failures), ended)
    pause = backoff(restart, fruitless(status, record, steps.checkpoint))
    return _restarting(situation, record, f"{told}. A disruption, which is free", pause, ended)


def counted(before: Restarts | None, outcome: AttemptOutcome) -> Restarts:
    """The counters after one more end. What was asked for, suspension and success, is none."""
    counts = before or Restarts()
    counter = {
        AttemptOutcome.FAILURE: "failures",
        AttemptOutcome.FATAL: "failures",
        AttemptOutcome.STALL: "stalls",
        AttemptOutcome.DISRUPTION: "disruptions",
    }.get(outcome)
    if counter is None:
        return counts
    return counts.model_copy(update={counter: getattr(counts, counter) + 1, "total": counts.total + 1})


def _restarting(
    situation: Situation, record: AttemptRecord, told: str, pause: int, ended: Mapping[str, object]
) -> Plan:
    when = f"in {pause} s" if pause else "at once"
    message = f"attempt {record.number} ended: {told}; attempt {record.number + 1} starts {when}"
    findings = {
        ConditionType.ACCEPTED: Finding("True", Reason.OBJECTS_CREATED),
        ConditionType.RUNNING: Finding("False", Reason.BACK_OFF, message),
        ConditionType.RESTARTING: Finding("True", Reason(record.reason), message),
        **resting(situation),
        **released(situation),
    }
    next_time = to_timestamp(situation.now + timedelta(seconds=pause))
    return Plan(
        why=f"attempt {record.number} ended: {record.reason}; the next one starts {when}",
        status=with_findings(situation, findings, **{**ended, "next_attempt_time": next_time}),
        requeue_after=pause,
    )


def _suspended(situation: Situation, record: AttemptRecord, ended: Mapping[str, object]) -> Plan:
    return Plan(
        why=f"attempt {record.number} is suspended",
        status=with_findings(situation, SUSPENDED, **{**ended, "next_attempt_time": None}),
        requeue_after=0.0,
    )


def _used_up(max_failures: int) -> str:
    return (
        f"restart.maxFailures ({max_failures}) is used up: to go on from the newest checkpoint, raise it and "
        f"set the annotation {names.RETRY_ANNOTATION} to a new text"
    )
