"""A network that is broken between operator and pods stops no run, and is not charged to any."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.unit.operator.builders import condition, situation, status_after
from tests.unit.operator.test_stall import (
    CHILDREN,
    PROGRAM,
    SPEC,
    STALL,
    asked,
    pulse,
    silent_for,
    stalled,
)
from trainingrun_api import TrainingRunStatus, names
from trainingrun_api.reasons import AttemptOutcome, ConditionType, Phase, Reason
from trainingrun_operator.decide import decide
from trainingrun_operator.events import news
from trainingrun_operator.heartbeats import Pulse
from trainingrun_operator.plan import Plan, Situation, Verify
from trainingrun_operator.policies.stall import NODE_VERDICT_SECONDS
from trainingrun_operator.policies.unreachable import HELD_SECONDS, RECHECK_SECONDS

MUTE = Pulse()
LATE = STALL + NODE_VERDICT_SECONDS


def deaf(seconds: float, spec: dict[str, object] = SPEC) -> Situation:
    """A silent run of an operator that no trainer answers."""
    return replace(silent_for(seconds, spec=spec), hears=False)


def status_of(plan: Plan) -> TrainingRunStatus:
    assert plan.status
    return plan.status


@pytest.mark.parametrize("spec", [SPEC, PROGRAM], ids=["trainer", "program"])
def test_while_nobody_answers_a_silent_run_goes_on(spec: dict[str, object]) -> None:
    plan = asked(deaf(LATE, spec), MUTE)
    status = status_of(plan)
    told = condition(status, ConditionType.PROGRESSING)
    assert (told.status, told.reason) == ("Unknown", Reason.UNREACHABLE)
    assert str(names.METRICS_PORT) in told.message
    assert (status.phase, status.stopping) == (Phase.RUNNING, None)
    assert plan.requeue_after == RECHECK_SECONDS
    assert not plan.delete


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        pytest.param(silent_for(LATE), MUTE, id="another trainer answers"),
        pytest.param(deaf(LATE), pulse(), id="its pods answer"),
        pytest.param(
            deaf(LATE), pulse(heartbeat=None, mute=(CHILDREN[1]["metadata"]["name"],)), id="a pod does"
        ),
    ],
)
def test_where_anybody_answers_a_silent_run_is_stalled(found: Situation, answer: Pulse) -> None:
    assert stalled(asked(found, answer))


def test_a_run_whose_turn_to_be_asked_has_not_come_stays_as_it_is() -> None:
    for known in (status_after(*CHILDREN, spec=SPEC), status_of(asked(deaf(LATE), MUTE))):
        found = replace(deaf(LATE), status=known, verified=frozenset({Verify.PULSE}))
        status = status_of(decide(found))
        assert status.stopping is None
        before, after = (
            [each for each in told.conditions or () if each.type == ConditionType.PROGRESSING]
            for told in (known, status)
        )
        assert before == after


def test_when_the_network_is_back_the_run_progresses_again() -> None:
    before = status_of(asked(deaf(LATE), MUTE))
    back = replace(silent_for(0), status=before)
    assert condition(status_of(decide(back)), ConditionType.PROGRESSING).reason == Reason.STEPS_TAKEN


def test_after_an_hour_the_attempt_is_ended_free_of_charge_and_may_save() -> None:
    assert not status_of(asked(deaf(STALL + HELD_SECONDS - 1), MUTE)).stopping
    found = deaf(STALL + HELD_SECONDS)
    status = status_of(asked(found, MUTE))
    assert status.stopping
    assert status.stopping.reason == Reason.UNREACHABLE
    assert status.last_failure
    assert "NetworkPolicy" in status.last_failure.advice
    stopping = replace(found, status=status)
    assert {gone.grace_seconds for gone in decide(stopping).delete} == {None}
    over = status_of(decide(replace(stopping, children=situation(spec=SPEC).children)))
    assert [record.outcome for record in over.attempts or ()] == [AttemptOutcome.DISRUPTION]
    assert over.restarts
    assert (over.restarts.stalls, over.restarts.failures) == (0, 0)


def test_the_loss_of_the_network_is_told_once() -> None:
    def told(old: TrainingRunStatus, new: TrainingRunStatus) -> Sequence[str]:
        return [event.reason for event in news(old, new) if event.type == "Warning"]

    before = status_after(*CHILDREN, spec=SPEC)
    held = status_of(asked(deaf(LATE), MUTE))
    assert told(before, held) == [Reason.UNREACHABLE]
    assert told(held, held) == []
