"""Conditions and what follows from them. Pure.

Conditions are the API, `phase` is their summary: one function derives it, so the two never disagree.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_api.status import Condition, TrainingRunStatus
from trainingrun_operator.times import to_timestamp

PROBLEMS = frozenset(
    {
        Reason.NAME_CONFLICT, Reason.REJECTED, Reason.UNSCHEDULABLE, Reason.IMAGE_PULL, Reason.VOLUME_UNBOUND,
        Reason.CONTAINER_CONFIG,
    }
)  # fmt: skip
"""Reasons for waiting that somebody should act on."""


URGENT = ("phase", "attempt", "last_failure", "stopping", "attempts", "retried", "waiting_for")
"""Fields of the status on which decisions rest, or for which people wait."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is now true of one condition."""

    status: Literal["True", "False", "Unknown"]
    reason: Reason
    message: str = ""


def updated(
    previous: Iterable[Condition], findings: Mapping[ConditionType, Finding], generation: int, now: datetime
) -> list[Condition]:
    """All conditions in the order of ConditionType; a type without a finding stays, or starts as not yet
    known.

    lastTransitionTime moves only where the status does.
    """
    before = {condition.type: condition for condition in previous}
    return [_updated(before.get(kind), kind, findings.get(kind), generation, now) for kind in ConditionType]


def _updated(
    old: Condition | None, kind: ConditionType, finding: Finding | None, generation: int, now: datetime
) -> Condition:
    if finding is None:
        if old is not None:
            return old.model_copy(update={"observed_generation": generation})
        finding = Finding("Unknown", Reason.NOT_YET)
    same = old is not None and old.status == finding.status
    return Condition(
        type=kind,
        status=finding.status,
        observed_generation=generation,
        last_transition_time=old.last_transition_time if old and same else to_timestamp(now),
        reason=finding.reason,
        message=finding.message,
    )


def phase_of(conditions: Iterable[Condition]) -> tuple[Phase, Condition]:
    """The phase, and the condition that decides it."""
    by_type = {condition.type: condition for condition in conditions}
    for kind, phase in (
        (ConditionType.FAILED, Phase.FAILED),
        (ConditionType.SUCCEEDED, Phase.COMPLETED),
        (ConditionType.RUNNING, Phase.RUNNING),
    ):
        if by_type[kind].status == "True":
            return phase, by_type[kind]
    accepted = by_type[ConditionType.ACCEPTED]
    return Phase.PENDING, accepted if accepted.status == "False" else by_type[ConditionType.RUNNING]


def holds(status: TrainingRunStatus, kind: ConditionType) -> bool:
    """Whether a condition is True."""
    return any(condition.type == kind and condition.status == "True" for condition in status.conditions or ())


def ended(status: TrainingRunStatus) -> bool:
    """Whether the run is over for good."""
    return status.phase in (Phase.COMPLETED, Phase.FAILED)


def urgent(old: TrainingRunStatus, new: TrainingRunStatus) -> bool:
    """Whether a change must be written at once; live numbers and benign reasons for waiting can be late."""
    if any(getattr(old, field) != getattr(new, field) for field in URGENT):
        return True
    if _statuses(old) != _statuses(new):
        return True
    if new.stopping and (old.progress, old.checkpoint) != (new.progress, new.checkpoint):
        return True  # last words of pods that are about to vanish
    return old.reason != new.reason and bool(PROBLEMS & {old.reason, new.reason})


def expected(status: TrainingRunStatus) -> bool:
    """Whether a run waits for nothing but its pods."""
    return status.phase == Phase.PENDING and status.reason in (Reason.AWAITING_PODS, Reason.PODS_STARTING)


def _statuses(status: TrainingRunStatus) -> dict[str, str]:
    return {condition.type: condition.status for condition in status.conditions or ()}
