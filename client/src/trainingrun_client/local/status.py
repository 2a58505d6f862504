"""The status of a run on this machine, in the operator's own words, made by its own pure code.

Nothing restarts a run here, so a failure of any kind ends it until somebody tries again.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trainingrun_api import TrainingRunStatus, names
from trainingrun_api.reasons import AttemptOutcome, ConditionType, Phase, Reason
from trainingrun_api.status import MAX_ATTEMPT_RECORDS, AttemptRecord, LastFailure, Restarts, Stopping
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator import goodput, progress
from trainingrun_operator.conditions import Finding, phase_of, updated
from trainingrun_operator.observed import pod_from
from trainingrun_operator.policies.cause import cause, error_line, error_of
from trainingrun_operator.policies.cost import outcome_of
from trainingrun_operator.policies.suspend import SUSPENDED
from trainingrun_operator.scrape import Scrape
from trainingrun_operator.times import from_timestamp, seconds_between, to_timestamp

Findings = Mapping[ConditionType, Finding]
SIGNAL_EXIT_BASE = 128
GO_ON = "The same call goes on from the newest checkpoint"
NOT_YET = Finding("Unknown", Reason.NOT_YET)
PENDING: Findings = {
    ConditionType.ACCEPTED: Finding("True", Reason.OBJECTS_CREATED),
    ConditionType.RUNNING: Finding("False", Reason.CREATING, "the launcher is about to start"),
}


@dataclass(frozen=True, slots=True)
class Ended:
    """What is known of the end of an attempt."""

    attempt: int
    at: datetime
    message: TerminationMessage | None
    tail: str
    """The end of its log."""
    log: Path
    scrape: Scrape
    """How far its files say that it came."""


def started(
    status: TrainingRunStatus, attempt: int, directory: Path, processes: int, now: datetime
) -> TrainingRunStatus:
    """An attempt has begun."""
    many = "1 process trains" if processes == 1 else f"{processes} processes train"
    findings = {
        ConditionType.ACCEPTED: Finding("True", Reason.OBJECTS_CREATED),
        ConditionType.QUOTA_RESERVED: Finding("True", Reason.NO_QUEUE),
        ConditionType.RUNNING: Finding("True", Reason.PODS_RUNNING, f"{many} on this machine"),
        ConditionType.RESTARTING: Finding("False", Reason.PODS_RUNNING),
        ConditionType.SUSPENDED: Finding("False", Reason.RESUMED),
        ConditionType.PROGRESSING: Finding("Unknown", Reason.NO_HEARTBEAT),
        ConditionType.SUCCEEDED: NOT_YET,
        ConditionType.FAILED: Finding("False", Reason.RETRIED) if status.last_failure else NOT_YET,
    }
    begun = with_findings(
        status,
        findings,
        now,
        attempt=attempt,
        run_directory=str(directory),
        start_time=status.start_time or to_timestamp(now),
        completion_time=None,
        active_seconds=None if status.phase == Phase.FAILED else status.active_seconds,
        nodes_ready="1/1",
        stopping=None,
    )
    return begun.model_copy(update={"paused_seconds": goodput.paused_seconds(begun)})


def living(status: TrainingRunStatus, told: Scrape) -> TrainingRunStatus:
    """The attempt goes on."""
    fields = progress.live(status, told)
    if told.heartbeat is None:
        return status.model_copy(update=fields)
    moving = {ConditionType.PROGRESSING: Finding("True", Reason.STEPS_TAKEN)}
    return with_findings(status, moving, told.at, **fields)


def stopping(status: TrainingRunStatus, attempt: int, message: str, now: datetime) -> TrainingRunStatus:
    """The attempt was asked to end."""
    asked = Stopping(attempt=attempt, reason=Reason.SUSPENDED, message=message, time=to_timestamp(now))
    return status.model_copy(update={"stopping": asked})


def over(status: TrainingRunStatus, ended: Ended, *, suspend: bool) -> TrainingRunStatus:
    """The attempt has ended; `suspend` says whether it was to."""
    told = ended.message
    fields = dict(progress.live(status, ended.scrape)) if told is None else {}
    known = status.model_copy(update=fields)
    fields |= progress.silent(known) if told is None else progress.final(known, told, ended.at)
    if told is not None and told.outcome == "completed":
        done = LastFailure(attempt=ended.attempt, reason=Reason.COMPLETED, message=_summary(told))
        findings: Findings = {
            ConditionType.SUCCEEDED: Finding("True", Reason.COMPLETED, done.message),
            ConditionType.FAILED: Finding("False", Reason.COMPLETED),
        }
        return _final(known, ended, findings, done, AttemptOutcome.COMPLETED, fields)
    if suspend and (told is None or told.outcome == "interrupted"):
        asked = LastFailure(attempt=ended.attempt, reason=Reason.SUSPENDED, message="suspended")
        record = _records(known, ended, asked, AttemptOutcome.SUSPENSION)
        return with_findings(known, SUSPENDED, ended.at, **{**fields, **record})
    failure = _failure(ended)
    message = f"{failure.message.rstrip('.')}. {failure.advice}".strip()
    findings = {
        ConditionType.SUCCEEDED: Finding("False", Reason(failure.reason)),
        ConditionType.FAILED: Finding("True", Reason(failure.reason), message),
    }
    return _final(known, ended, findings, failure, outcome_of(failure), {**fields, "last_failure": failure})


def with_findings(
    status: TrainingRunStatus, findings: Findings, now: datetime, **fields: object
) -> TrainingRunStatus:
    """The status with new conditions, the phase that follows from them, and other changed fields."""
    conditions = updated(status.conditions or (), findings, 1, now)
    phase, deciding = phase_of(conditions)
    return status.model_copy(
        update={
            "phase": phase,
            "observed_generation": 1,
            "conditions": conditions,
            "reason": deciding.reason,
            "message": deciding.message,
            **fields,
        }
    )


def _final(
    status: TrainingRunStatus,
    ended: Ended,
    findings: Findings,
    why: LastFailure,
    outcome: AttemptOutcome,
    fields: Mapping[str, object],
) -> TrainingRunStatus:
    finished = Finding("False", Reason.FINISHED)
    resting = dict.fromkeys(
        (ConditionType.RUNNING, ConditionType.RESTARTING, ConditionType.PROGRESSING), finished
    )
    record = _records(status, ended, why, outcome)
    return with_findings(
        status,
        {**resting, **findings},
        ended.at,
        completion_time=to_timestamp(ended.at),
        **{**fields, **record},
    )


def _records(
    status: TrainingRunStatus, ended: Ended, why: LastFailure, outcome: AttemptOutcome
) -> dict[str, object]:
    running = next((each for each in status.conditions or () if each.type == ConditionType.RUNNING), None)
    began = from_timestamp(running.last_transition_time) if running else None
    told = ended.message
    record = AttemptRecord(
        number=ended.attempt,
        outcome=outcome,
        reason=why.reason,
        message=why.message,
        start_time=to_timestamp(began) if began else None,
        end_time=to_timestamp(ended.at),
        duration_seconds=max(0, round(seconds_between(began, ended.at))) if began else None,
        to_step=told.global_step if told else ended.scrape.global_step,
    )
    before = status.restarts or Restarts()
    failed = int(outcome in (AttemptOutcome.FAILURE, AttemptOutcome.FATAL))
    stopped = int(outcome == AttemptOutcome.DISRUPTION)
    restarts = Restarts(
        failures=before.failures + failed,
        disruptions=before.disruptions + stopped,
        total=before.total + failed + stopped,
    )
    return {
        "attempts": [*(status.attempts or ()), record][-MAX_ATTEMPT_RECORDS:],
        "active_seconds": (status.active_seconds or 0) + (record.duration_seconds or 0),
        "restarts": restarts if restarts.total else status.restarts,
        "stopping": None,
    }


def _failure(ended: Ended) -> LastFailure:
    """Why the attempt ended, by its termination message or, where it left none, by its log."""
    told = ended.message
    code = _exit_code(told)
    pod = pod_from(
        {
            "metadata": {
                "name": "",
                "uid": "",
                "resourceVersion": "",
                "labels": {},
                "creationTimestamp": to_timestamp(ended.at),
            },
            "status": {
                "phase": "Failed",
                "containerStatuses": [
                    {
                        "name": names.CONTAINER_NAME,
                        "state": {
                            "terminated": {
                                "exitCode": code,
                                "message": ended.tail if told is None else told.encode().decode(),
                            }
                        },
                    }
                ],
            },
        }
    )
    assert pod.exit is not None
    error, reason = error_of(pod.exit), cause(pod)
    line = error_line(ended.tail) or "it wrote nothing"
    if error:
        line = error.message if error.type == reason else f"{error.type}: {error.message}"
    advice = GO_ON if reason == Reason.INTERRUPTED else (error and error.advice)
    return LastFailure(
        attempt=ended.attempt,
        rank=told.rank if told else None,
        exit_code=code,
        reason=reason,
        message=line if told else f"the launcher ended without a word; its last line: {line}",
        advice=advice or f"The whole log is in {ended.log}",
    )


def _exit_code(told: TerminationMessage | None) -> int:
    """Of the launcher, which nobody may have waited for."""
    if told is None:  # it could not
        return SIGNAL_EXIT_BASE + signal.SIGKILL
    if told.outcome == "interrupted":
        return names.EXIT_INTERRUPTED
    kind = told.error.type if told.error else ""
    if kind in signal.Signals.__members__:
        return SIGNAL_EXIT_BASE + signal.Signals[kind]
    return {"BadData": names.EXIT_BAD_DATA, "BadConfig": names.EXIT_BAD_CONFIG}.get(kind, 1)


def _summary(told: TerminationMessage) -> str:
    parts = [f"{told.epochs} epochs"]
    if told.early_stopped:
        parts.append("stopped early")
    if told.best:
        parts.append(f"best {told.best.name} {told.best.value} in epoch {told.best.epoch}")
    return ", ".join(parts)
