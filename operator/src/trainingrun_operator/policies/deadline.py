"""The deadlines of an attempt (`startupSeconds`) and of a run (`activeSeconds`). Passing one ends the run.

Time in a queue, suspended or between attempts counts in neither.
"""

from datetime import datetime, timedelta

from trainingrun_api.reasons import Phase, Reason
from trainingrun_api.status import LastFailure
from trainingrun_operator.conditions import PROBLEMS
from trainingrun_operator.observed import Job
from trainingrun_operator.plan import Plan, Situation
from trainingrun_operator.policies.advice import advice
from trainingrun_operator.policies.quota import held_until
from trainingrun_operator.policies.record import ran_from
from trainingrun_operator.policies.stop import stop
from trainingrun_operator.policies.waiting import why_waiting


def deadline(situation: Situation) -> Plan | None:
    """The end of an attempt that did not start in time, or of one whose run has had its time."""
    if (due := startup_due(situation)) and due <= situation.now:
        return _not_started(situation)
    if (due := active_due(situation)) and due <= situation.now:
        seconds = situation.spec.deadlines.active_seconds
        message = f"the run has been Running for {seconds} s, its deadlines.activeSeconds"
        return _stop(situation, Reason.DEADLINE_EXCEEDED, message)
    return None


def deadline_in(situation: Situation) -> float | None:
    """Seconds to the next deadline."""
    dues = [due for due in (startup_due(situation), active_due(situation)) if due]
    return max(0.0, (min(dues) - situation.now).total_seconds()) if dues else None


def startup_due(situation: Situation) -> datetime | None:
    """When all pods must run; None where they do, or did, or may not yet."""
    job = situation.job
    if job is None or not situation.active or job.suspended:
        return None
    if situation.started_at or situation.status.phase == Phase.RUNNING:
        return None
    # In a queue, the Job's start is its admission; until the Job controller has seen that, none is known.
    began = job.started_at or (_free_since(situation, job) if situation.spec.queue is None else None)
    return began + timedelta(seconds=situation.spec.deadlines.startup_seconds) if began else None


def _free_since(situation: Situation, job: Job) -> datetime | None:
    """Since when a Job without a queue may start: its creation, unless somebody held it back after that."""
    since = held_until(situation)
    return max(job.created, since) if since else None


def active_due(situation: Situation) -> datetime | None:
    """When the run will have had its time; None while it does not run, or has no limit."""
    limit = situation.spec.deadlines.active_seconds
    if limit is None or not situation.active:
        return None
    began = ran_from(situation)
    return began + timedelta(seconds=limit - (situation.status.active_seconds or 0)) if began else None


def _not_started(situation: Situation) -> Plan:
    found = why_waiting(situation)
    if found.verify:
        return Plan(why="deadlines.startupSeconds have passed", verify=found.verify)
    waiting = found.finding
    reason = waiting.reason if waiting.reason in PROBLEMS else Reason.DEADLINE_EXCEEDED
    seconds = situation.spec.deadlines.startup_seconds
    message = f"not all pods ran within {seconds} s (deadlines.startupSeconds): {waiting.message}"
    return _stop(situation, reason, message)


def _stop(situation: Situation, reason: Reason, message: str) -> Plan:
    failure = LastFailure(
        attempt=situation.attempt or 0, reason=reason, message=message, advice=advice(reason)
    )
    return stop(situation, reason, message, failure=failure)
