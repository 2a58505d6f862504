"""A run that stands still is noticed, its silent ranks are named, and one that is only slow is left alone."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    NOW,
    condition,
    dead_pod,
    raw_job,
    raw_pod,
    situation,
    status_after,
)
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import AttemptOutcome, ConditionType, Phase, Reason
from trainingrun_api.status import Progress
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_operator.decide import decide
from trainingrun_operator.heartbeats import Beat, Pulse
from trainingrun_operator.plan import Plan, Situation, Verify
from trainingrun_operator.policies.stall import NODE_VERDICT_SECONDS, RECHECK_SECONDS, SLOW_RECHECK_SECONDS
from trainingrun_operator.scrape import Scrape

STALL, STARTUP, NODE_LOST = 60, 300, 20
SPEC: dict[str, Any] = {
    "training": {"task": "classification", "data": {"format": "zip", "path": "/data/a.zip"}},
    "volumes": [{"claim": "data", "mountPath": "/data"}],
    "checkpoints": {"claim": "results"},
    "resources": {"gpus": 0},
    "nodes": 2,
    "deadlines": {"stallSeconds": STALL, "startupSeconds": STARTUP},
    "restart": {"nodeLostSeconds": NODE_LOST},
}
PROGRAM = {**COMMAND, "nodes": 2, "deadlines": SPEC["deadlines"]}
CHILDREN = (raw_job(), raw_pod(0, created=-1000), raw_pod(1, node="n2", created=-1000))
PODS = [child["metadata"]["name"] for child in CHILDREN[1:]]
HEARTBEAT = 1700000000.0
UNREACHABLE = {"type": "Ready", "status": "False"}


def silent_for(
    seconds: float,
    *,
    spec: dict[str, Any] = SPEC,
    phase: str | None = TrainerPhase.TRAINING,
    heartbeat: float | None = HEARTBEAT,
    known: Progress | None = None,
    children: tuple[dict[str, Any], ...] = CHILDREN,
) -> Situation:
    """A run whose newest heartbeat was first seen so long ago."""
    status = status_after(*CHILDREN, spec=spec).model_copy(update={"progress": known})
    seen = NOW - timedelta(seconds=seconds)
    scrape = Scrape(at=NOW, heartbeat_seen_at=seen, heartbeat=heartbeat, phase=phase)
    return replace(situation(*children, spec=spec, status=status), scrape=scrape)


def asked(found: Situation, pulse: Pulse) -> Plan:
    """The decision after all pods were asked."""
    return decide(replace(found, pulse=pulse, verified=frozenset({Verify.PULSE})))


def ago(seconds: float) -> float:
    return NOW.timestamp() - seconds


def pulse(
    *,
    heartbeat: float | None = HEARTBEAT,
    stopped: bool = False,
    mute: tuple[str, ...] = (),
    phase: str | None = TrainerPhase.TRAINING,
) -> Pulse:
    """Both pods answer, or the mute ones do not; rank 1 may be stopped."""
    beats = {
        PODS[0]: (Beat(0, ago(62), 120, phase),),
        PODS[1]: (Beat(1, ago(63), 120, phase, stopped),),
    }
    return Pulse(heartbeat, {name: told for name, told in beats.items() if name not in mute})


def stalled(plan: Plan) -> bool:
    return bool(plan.status and plan.status.stopping and plan.status.stopping.reason == Reason.STALLED)


def ended(plan: Plan) -> TrainingRunStatus:
    assert plan.status
    assert stalled(plan)
    return plan.status


@pytest.mark.parametrize(
    ("phase", "limit"),
    [
        *(
            (phase, STALL)
            for phase in ("preparing-data", "training", "validating", "checkpointing", "testing")
        ),
        *((phase, STARTUP) for phase in ("starting", "warming-up", None)),
    ],
)
def test_each_phase_may_be_silent_for_its_time(phase: str | None, limit: int) -> None:
    assert decide(silent_for(STALL - 1, phase=phase)).verify is None
    early, late = silent_for(limit - 1, phase=phase), silent_for(limit, phase=phase)
    answer = pulse(stopped=True, phase=phase)
    assert not stalled(asked(early, answer))
    assert decide(late).verify == Verify.PULSE
    assert stalled(asked(late, answer))


@pytest.mark.parametrize("last_word", [None, "starting", "warming-up"])
def test_what_the_pods_tell_is_newer_than_the_last_word_of_rank_0(last_word: str | None) -> None:
    """A rank that stopped before it could say that it trains has no time to start any more."""
    heartbeat = HEARTBEAT if last_word else None
    late = silent_for(STALL, phase=last_word, heartbeat=heartbeat)
    assert decide(late).verify == Verify.PULSE
    status = ended(asked(late, pulse(heartbeat=None, stopped=True)))
    assert "deadlines.stallSeconds" in condition(status, ConditionType.PROGRESSING).message


def test_a_slow_phase_is_watched_without_haste() -> None:
    plan = asked(silent_for(STALL, phase="warming-up"), pulse(phase="warming-up"))
    assert not stalled(plan)
    assert plan.requeue_after == SLOW_RECHECK_SECONDS


def test_a_run_is_looked_at_again_when_its_silence_is_too_long() -> None:
    assert decide(silent_for(10)).requeue_after == STALL - 10


def test_a_limit_for_stalls_above_that_for_the_start_holds_for_all_phases() -> None:
    spec = {**SPEC, "deadlines": {"stallSeconds": 400, "startupSeconds": 300}}
    assert decide(silent_for(399, spec=spec, phase="starting")).verify is None
    assert decide(silent_for(400, spec=spec, phase="starting")).verify == Verify.PULSE


def test_a_run_that_moved_since_the_last_answer_is_left_alone() -> None:
    plan = asked(silent_for(STALL), pulse(heartbeat=HEARTBEAT + 1, stopped=True))
    assert not stalled(plan)
    assert plan.requeue_after == RECHECK_SECONDS


@pytest.mark.parametrize(("seconds", "moves"), [(STALL - 1, True), (STALL + 1, False)])
def test_where_rank_0_is_late_to_answer_its_pod_says_whether_it_moves(seconds: float, moves: bool) -> None:
    late = pulse(heartbeat=None)
    told = {**late.beats, PODS[0]: (Beat(0, ago(seconds), 130, "testing"),)}
    assert stalled(asked(silent_for(STALL), replace(late, beats=told))) is not moves


def test_the_silent_rank_is_named_with_what_it_did_last() -> None:
    status = ended(asked(silent_for(STALL), pulse(stopped=True)))
    assert status.silent_ranks
    (silent,) = status.silent_ranks
    assert (silent.rank, silent.pod, silent.node) == (1, PODS[1], "n2")
    assert (silent.phase, silent.step, silent.last_heartbeat_time) == (
        "training",
        120,
        "2026-01-02T03:03:02Z",
    )
    told = condition(status, ConditionType.PROGRESSING)
    assert (told.status, told.reason) == ("False", Reason.STALLED)
    assert told.message == (
        f"no progress for 60 s (deadlines.stallSeconds): rank 1 (pod {PODS[1]}, node n2) last moved "
        "1m03s ago: training, step 120, its process is stopped"
    )
    assert status.last_failure
    failure = status.last_failure
    assert (failure.attempt, failure.pod, failure.index, failure.rank, failure.node) == (
        1,
        PODS[1],
        1,
        1,
        "n2",
    )
    assert failure.reason == Reason.STALLED
    assert failure.message.startswith("last moved 1m03s ago: training, step 120")


def test_the_stall_is_charged_and_the_gang_restarts() -> None:
    found = silent_for(STALL)
    stopping = replace(found, status=ended(asked(found, pulse(stopped=True))))
    graces = {gone.kind: gone.grace_seconds for gone in decide(stopping).delete}
    assert graces == {"Pod": 5, "Job": None}
    over = replace(stopping, children=situation(spec=SPEC).children)
    status = decide(over).status
    assert status
    assert [record.outcome for record in status.attempts or ()] == [AttemptOutcome.STALL]
    assert (status.phase, status.restarts and status.restarts.stalls) == (Phase.PENDING, 1)
    assert condition(status, ConditionType.PROGRESSING).reason == Reason.STALLED


def test_where_nothing_tells_them_apart_all_ranks_are_named() -> None:
    status = ended(asked(silent_for(STALL), pulse()))
    assert [silent.rank for silent in status.silent_ranks or ()] == [0, 1]
    assert "; 1 more ranks alike" in (status.last_failure.message if status.last_failure else "")


@pytest.mark.parametrize(
    ("conditions", "patience"),
    [
        pytest.param([], NODE_VERDICT_SECONDS, id="nobody knows yet whether its node is lost"),
        pytest.param([UNREACHABLE], NODE_VERDICT_SECONDS + NODE_LOST, id="its node may come back"),
    ],
)
def test_a_pod_that_does_not_answer_is_given_the_time_to_be_found_lost(
    conditions: list[dict[str, str]], patience: int
) -> None:
    """A lost node costs no failure."""
    pod = raw_pod(1, node="n2", created=-1000, conditions=conditions)
    children = (*CHILDREN[:2], pod)
    answer = pulse(mute=(PODS[1],))
    assert not stalled(asked(silent_for(STALL + patience - 1, children=children), answer))
    status = ended(asked(silent_for(STALL + patience, children=children), answer))
    assert [(silent.rank, silent.phase) for silent in status.silent_ranks or ()] == [(1, None)]
    assert "rank 1" in condition(status, ConditionType.PROGRESSING).message
    assert "does not answer" in condition(status, ConditionType.PROGRESSING).message


def test_a_pod_that_has_ended_is_neither_waited_for_nor_named() -> None:
    children = (*CHILDREN[:2], dead_pod(1, code=0, node="n2"))
    plan = asked(silent_for(STALL, children=children), pulse(mute=(PODS[1],)))
    assert [silent.rank for silent in ended(plan).silent_ranks or ()] == [0]


BEATEN = Progress(last_heartbeat_time="2026-01-02T03:00:00Z", trainer_phase="training")


@pytest.mark.parametrize(
    ("spec", "heartbeat", "known", "suspected"),
    [
        pytest.param(PROGRAM, HEARTBEAT, None, True, id="a program that keeps the contract"),
        pytest.param(PROGRAM, None, None, False, id="a program that never showed a heartbeat"),
        pytest.param(PROGRAM, None, BEATEN, True, id="one that showed it to an operator before this one"),
        pytest.param(SPEC, None, BEATEN, True, id="a trainer that stopped answering before this operator"),
        pytest.param(SPEC, None, None, True, id="a trainer that never answered"),
    ],
)
def test_who_is_suspected(
    spec: dict[str, Any], heartbeat: float | None, known: Progress | None, suspected: bool
) -> None:
    phase = TrainerPhase.TRAINING if heartbeat else None
    plan = decide(silent_for(STARTUP, spec=spec, heartbeat=heartbeat, phase=phase, known=known))
    assert (plan.verify == Verify.PULSE) is suspected
    if not suspected:
        assert plan.requeue_after is None


def test_a_program_whose_pods_tell_of_no_ranks_is_restarted_without_names() -> None:
    status = ended(asked(silent_for(STALL, spec=PROGRAM), Pulse()))
    assert status.silent_ranks is None
    assert condition(status, ConditionType.PROGRESSING).message == (
        "no progress for 60 s (deadlines.stallSeconds)"
    )


@pytest.mark.parametrize(
    ("heartbeat", "answer", "hint"),
    [
        pytest.param(None, Pulse(), True, id="nobody ever answered"),
        pytest.param(HEARTBEAT, Pulse(), False, id="rank 0 did once"),
        pytest.param(None, pulse(heartbeat=None, mute=(PODS[0],)), False, id="a pod does now"),
    ],
)
def test_where_nobody_ever_answered_the_way_to_the_pods_is_looked_at(
    heartbeat: float | None, answer: Pulse, hint: bool
) -> None:
    found = silent_for(STARTUP + NODE_VERDICT_SECONDS, heartbeat=heartbeat, phase=None)
    failure = ended(asked(found, answer)).last_failure
    assert failure
    assert ("NetworkPolicy" in failure.advice) is hint
    assert (f"kubectl logs {failure.pod}" in failure.advice) is hint


def test_nobody_is_suspected_before_the_first_answer() -> None:
    plan = decide(replace(silent_for(STARTUP), scrape=None))
    assert (plan.verify, plan.requeue_after) == (None, None)


def test_a_stall_is_shown_until_the_next_attempt_moves() -> None:
    found = silent_for(STALL)
    before = ended(asked(found, pulse(stopped=True))).model_copy(update={"stopping": None})
    quiet = replace(found, status=before, scrape=None)
    moving = replace(silent_for(1), status=before)
    shown = [plan.status for plan in (decide(quiet), decide(moving)) if plan.status]
    assert [condition(status, ConditionType.PROGRESSING).reason for status in shown] == [
        Reason.STALLED,
        Reason.STEPS_TAKEN,
    ]
