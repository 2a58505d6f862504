"""How the end of a run is written down; shared by the policies that end one."""

from collections.abc import Mapping

from trainingrun_api.reasons import AttemptOutcome, ConditionType, Reason
from trainingrun_api.status import Checkpoint, LastFailure
from trainingrun_operator.conditions import Finding
from trainingrun_operator.plan import Plan, Situation, with_findings
from trainingrun_operator.policies.freshness import newest
from trainingrun_operator.policies.moving import at_the_end
from trainingrun_operator.policies.record import ended_at, record_of, with_record
from trainingrun_operator.policies.start import first_record
from trainingrun_operator.policies.steps import steps_of
from trainingrun_operator.times import to_timestamp


def completed(situation: Situation, attempt: int, message: str, fields: Mapping[str, object]) -> Plan:
    """The run reached its goal."""
    done = LastFailure(attempt=attempt, reason=Reason.COMPLETED, message=message)
    record = record_of(situation, done, AttemptOutcome.COMPLETED, steps_of(situation))
    known = situation.status.last_failure
    kept = fields.get("checkpoint", situation.status.checkpoint)
    return _ended(
        situation,
        attempt,
        "the Job is complete",
        {
            ConditionType.PROGRESSING: Finding("False", Reason.FINISHED),
            ConditionType.CHECKPOINT_FRESH: newest(kept if isinstance(kept, Checkpoint) else None),
            ConditionType.SUCCEEDED: Finding("True", Reason.COMPLETED, message),
            ConditionType.FAILED: Finding("False", Reason.COMPLETED),
        },
        {
            **fields,
            **with_record(situation, record),
            "budget": None,
            "last_failure": known if known and known.attempt != attempt else None,
        },
    )


def failed(
    situation: Situation, failure: LastFailure, message: str, fields: Mapping[str, object] | None = None
) -> Plan:
    """The run ended without reaching its goal."""
    reason = Reason(failure.reason)
    return _ended(
        situation,
        failure.attempt,
        f"attempt {failure.attempt} failed: {reason}",
        {
            ConditionType.SUCCEEDED: Finding("False", reason),
            ConditionType.FAILED: Finding("True", reason, message),
        },
        {**(fields or {}), "last_failure": failure, "retried": situation.run.retry or None},
    )


def sentence(failure: LastFailure) -> str:
    """One line that explains a failure without any other object."""
    where = [
        text
        for text, known in (
            (f"index {failure.index}", failure.index is not None),
            (f"rank {failure.rank}", failure.rank is not None),
            (f"node {failure.node}", bool(failure.node)),
        )
        if known
    ]
    end = "" if failure.exit_code is None else f" ended with exit code {failure.exit_code}"
    pod = f"pod {failure.pod} ({', '.join(where)}){end}: " if failure.pod else ""
    advice = f". {failure.advice[:1].upper()}{failure.advice[1:]}" if failure.advice else ""
    return f"{pod}{failure.message.rstrip('.')}{advice.rstrip('.')}"


def _ended(
    situation: Situation,
    attempt: int,
    why: str,
    findings: Mapping[ConditionType, Finding],
    fields: Mapping[str, object],
) -> Plan:
    final = {
        ConditionType.ACCEPTED: Finding("True", Reason.OBJECTS_CREATED),
        ConditionType.RUNNING: Finding("False", Reason.FINISHED),
        ConditionType.RESTARTING: Finding("False", Reason.FINISHED),
        **at_the_end(situation),
        **findings,
    }
    started_at = to_timestamp(situation.started_at) if situation.started_at else None
    record = {
        **first_record(situation, attempt),
        "nodes_ready": f"{situation.pods_ready}/{situation.spec.nodes}",
        "start_time": situation.status.start_time or started_at,
        "completion_time": to_timestamp(ended_at(situation)),
        "next_attempt_time": None,
    }
    return Plan(why=why, status=with_findings(situation, final, **{**record, **fields}))
