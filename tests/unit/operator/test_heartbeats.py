"""The page of a pod's main process, and which rank holds the others up."""

import pytest

from trainingrun_api import telemetry
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_operator.heartbeats import Beat, parse, suspects
from trainingrun_trainer import heartbeat, heartbeat_page

TRAINING, VALIDATING = TrainerPhase.TRAINING.value, TrainerPhase.VALIDATING.value


def beat(
    rank: int,
    time: float | None = 100.0,
    step: int | None = 5,
    phase: str = TRAINING,
    *,
    stopped: bool = False,
) -> Beat:
    return Beat(rank, time, step, phase, stopped)


def mute(rank: int) -> Beat:
    """A rank whose pod did not answer."""
    return Beat(rank)


def test_what_the_trainer_serves_is_what_the_operator_reads() -> None:
    heartbeats = heartbeat.Heartbeats(range(2, 4))
    rank = heartbeat.Heartbeat.from_environment({heartbeat.FILE_VARIABLE: heartbeats.path}, 3, 1)
    rank.enter(TrainerPhase.VALIDATING)
    rank.stepped(12)
    first, second = parse(heartbeat_page.text(heartbeats.read()))
    assert (first.rank, first.step, first.phase, first.stopped) == (2, 0, TrainerPhase.STARTING, False)
    assert (second.rank, second.step, second.phase, second.stopped) == (3, 12, VALIDATING, False)
    assert second.time == pytest.approx(rank.time, abs=0.001)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("", id="nothing"),
        pytest.param("up 1\n", id="another program"),
        pytest.param(f"{telemetry.RANK_HEARTBEAT} 5\n", id="no rank"),
        pytest.param(f'{telemetry.RANK_HEARTBEAT}{{rank="x"}} 5\n', id="a rank that is no number"),
        pytest.param(f'{telemetry.RANK_HEARTBEAT}{{rank="{"9" * 5000}"}} 5\n', id="an endless number"),
        pytest.param(f'{telemetry.RANK_HEARTBEAT}{{rank="0"}} NaN\n', id="no time"),
        pytest.param(f'{telemetry.RANK_HEARTBEAT}{{rank="0"}} -1\n', id="before all time"),
        pytest.param(f'{telemetry.RANK_GLOBAL_STEP}{{rank="0"}} 3\n', id="a step without a time"),
    ],
)
def test_what_is_no_heartbeat_is_left_out(page: str) -> None:
    assert parse(page) == ()


def test_a_broken_page_is_an_error() -> None:
    with pytest.raises(ValueError, match="Prometheus"):
        parse('trainer{rank="0" 5\n')


@pytest.mark.parametrize(
    ("beats", "ranks"),
    [
        pytest.param([beat(0), mute(1), beat(2)], [1], id="its pod does not answer"),
        pytest.param([beat(0), beat(1, stopped=True)], [1], id="its process is stopped"),
        pytest.param([beat(0, step=6), beat(1, step=5), beat(2, step=6)], [1], id="it took fewer steps"),
        pytest.param([beat(0, step=5), beat(1, step=6), beat(2, step=6)], [0], id="rank 0 took fewer"),
        pytest.param(
            [beat(0), beat(1, phase=VALIDATING), beat(2)], [1], id="it is at something else than the others"
        ),
        pytest.param([beat(0, 100), beat(1, 90)], [1], id="it fell silent first"),
        pytest.param([beat(0, 100), beat(1, 99)], [0, 1], id="they fell silent together"),
        pytest.param([beat(0), beat(1, phase=VALIDATING)], [0, 1], id="each at something else"),
        pytest.param([beat(0, stopped=True), beat(1, stopped=True)], [0, 1], id="all are stopped"),
        pytest.param([mute(0), mute(1)], [0, 1], id="nobody answers"),
        pytest.param([beat(0)], [0], id="there is one rank alone"),
        pytest.param(
            [beat(0, 50), beat(1, stopped=True), beat(2, step=4)], [1], id="what is certain comes first"
        ),
    ],
)
def test_the_rank_that_holds_the_others_up_is(beats: list[Beat], ranks: list[int]) -> None:
    assert [found.rank for found in suspects(beats)] == ranks
