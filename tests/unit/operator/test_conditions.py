"""Conditions are complete from the first write on, and the phase follows from them alone."""

from datetime import timedelta

import pytest

from tests.unit.operator.builders import NOW
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_api.status import LastFailure, Stopping, TrainingRunStatus
from trainingrun_operator.conditions import Finding, ended, phase_of, updated, urgent
from trainingrun_operator.times import to_timestamp

ACCEPTED = {ConditionType.ACCEPTED: Finding("True", Reason.OBJECTS_CREATED)}


def test_all_types_are_there_from_the_start() -> None:
    conditions = updated((), ACCEPTED, 3, NOW)
    assert [(c.type, c.status, c.reason) for c in conditions] == [
        ("Accepted", "True", "ObjectsCreated"),
        *((kind, "Unknown", "NotYet") for kind in list(ConditionType)[1:]),
    ]
    assert {c.observed_generation for c in conditions} == {3}


@pytest.mark.parametrize(
    ("finding", "moves"),
    [
        (Finding("True", Reason.OBJECTS_CREATED, "other words"), False),
        (Finding("True", Reason.REJECTED), False),
        (Finding("False", Reason.OBJECTS_CREATED), True),
        (None, False),
    ],
)
def test_the_transition_time_moves_with_the_status_alone(finding: Finding | None, moves: bool) -> None:
    before = updated((), ACCEPTED, 1, NOW)
    later = NOW + timedelta(hours=1)
    after = updated(before, {ConditionType.ACCEPTED: finding} if finding else {}, 2, later)
    assert after[0].last_transition_time == to_timestamp(later if moves else NOW)
    assert after[0].observed_generation == 2


@pytest.mark.parametrize(
    ("true", "false", "phase", "deciding"),
    [
        ([], [], Phase.PENDING, ConditionType.RUNNING),
        ([ConditionType.ACCEPTED], [ConditionType.RUNNING], Phase.PENDING, ConditionType.RUNNING),
        ([], [ConditionType.ACCEPTED], Phase.PENDING, ConditionType.ACCEPTED),
        ([ConditionType.RUNNING], [], Phase.RUNNING, ConditionType.RUNNING),
        ([ConditionType.SUCCEEDED], [ConditionType.RUNNING], Phase.COMPLETED, ConditionType.SUCCEEDED),
        ([ConditionType.FAILED], [ConditionType.SUCCEEDED], Phase.FAILED, ConditionType.FAILED),
        ([ConditionType.RUNNING, ConditionType.FAILED], [], Phase.FAILED, ConditionType.FAILED),
    ],
)
def test_the_phase_follows_from_the_conditions(
    true: list[ConditionType], false: list[ConditionType], phase: Phase, deciding: ConditionType
) -> None:
    findings = {kind: Finding("True", Reason.NOT_YET) for kind in true}
    findings |= {kind: Finding("False", Reason.NOT_YET) for kind in false}
    found, condition = phase_of(updated((), findings, 1, NOW))
    assert (found, condition.type) == (phase, deciding)


@pytest.mark.parametrize("phase", Phase)
def test_only_two_phases_are_ends(phase: Phase) -> None:
    assert ended(TrainingRunStatus(phase=phase)) == (phase in ("Completed", "Failed"))


PENDING = TrainingRunStatus(phase=Phase.PENDING, attempt=1, reason=Reason.AWAITING_PODS)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"phase": Phase.RUNNING}, True),
        ({"attempt": 2}, True),
        ({"last_failure": LastFailure(attempt=1, reason=Reason.EVICTED)}, True),
        ({"reason": Reason.UNSCHEDULABLE}, True),
        ({"stopping": Stopping(attempt=1, reason=Reason.STALLED, time=to_timestamp(NOW))}, True),
        ({"conditions": updated((), ACCEPTED, 1, NOW)}, True),
        ({"reason": Reason.PODS_STARTING}, False),
        ({"nodes_ready": "1/2"}, False),
        ({"message": "other words"}, False),
    ],
)
def test_what_a_person_waits_for_is_urgent(change: dict[str, object], expected: bool) -> None:
    assert urgent(PENDING, PENDING.model_copy(update=change)) == expected
    assert urgent(PENDING.model_copy(update=change), PENDING) == expected
