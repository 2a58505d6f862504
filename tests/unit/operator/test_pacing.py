"""New runs start a few at a time, and nothing that does not come holds them up for long."""

import pytest

from tests.unit.operator.builders import NAMESPACE, raw_job, raw_pod, raw_run
from trainingrun_operator.observed import Key, job_from, pod_from, run_from
from trainingrun_operator.pacing import MOST_STARTING, PATIENCE_SECONDS, Pacing
from trainingrun_operator.view import View

NEW = View(run_from(raw_run({"image": "x", "command": ["x"], "nodes": 2})))
STARTED = View(NEW.run, (job_from(raw_job()),))
ONE_POD = View(NEW.run, STARTED.jobs, (pod_from(raw_pod(0)),))
BOTH_PODS = View(NEW.run, STARTED.jobs, (pod_from(raw_pod(0)), pod_from(raw_pod(1))))
FAILED = View(NEW.run, (job_from(raw_job("Failed")),))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def key(number: int) -> Key:
    return NAMESPACE, f"run-{number}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def full(clock: Clock) -> Pacing:
    """As many runs as may are starting; two more wait."""
    pacing = Pacing(clock)
    for number in range(MOST_STARTING):
        assert pacing.wait(key(number), NEW) is None
        pacing.started(key(number))
    for number in (100, 101):
        assert pacing.wait(key(number), NEW) == PATIENCE_SECONDS
    return pacing


@pytest.mark.parametrize(
    ("view", "fresh", "peopled"),
    [(NEW, True, False), (STARTED, False, False), (ONE_POD, False, False), (BOTH_PODS, False, True),
     (FAILED, False, True)],
)  # fmt: skip
def test_what_a_view_tells(view: View, fresh: bool, peopled: bool) -> None:
    assert (view.fresh, view.peopled) == (fresh, peopled)


def test_a_recorded_run_is_not_new_though_its_job_is_gone() -> None:
    assert not View(run_from(raw_run(status={"attempt": 1}))).fresh


@pytest.mark.parametrize("field", [{"suspend": True}, {"queue": "team"}])
def test_nor_is_one_that_will_get_no_pods_yet(field: dict[str, object]) -> None:
    assert not View(run_from(raw_run({"image": "x", "command": ["x"], **field}))).fresh


@pytest.mark.parametrize("view", [BOTH_PODS, FAILED, None])
def test_a_run_that_has_its_pods_or_is_over_makes_room_for_the_next(full: Pacing, view: View | None) -> None:
    assert list(full.released(key(0), view)) == [key(100)]
    assert full.wait(key(100), NEW) is None
    full.started(key(100))
    assert full.wait(key(101), NEW) == PATIENCE_SECONDS
    assert full.waiting == 1


@pytest.mark.parametrize("view", [STARTED, ONE_POD])
def test_one_that_lacks_pods_makes_none(full: Pacing, view: View) -> None:
    assert list(full.released(key(0), view)) == []
    assert full.wait(key(100), NEW) == PATIENCE_SECONDS


def test_pods_that_do_not_come_hold_nobody_up_for_long(full: Pacing, clock: Clock) -> None:
    clock.now = PATIENCE_SECONDS - 0.1
    assert full.wait(key(100), NEW) == PATIENCE_SECONDS
    clock.now = PATIENCE_SECONDS
    assert full.wait(key(100), NEW) is None
    assert full.wait(key(101), NEW) is None
    assert full.waiting == 0


def test_a_run_under_way_is_never_held(full: Pacing) -> None:
    assert full.wait(key(200), STARTED) is None
    assert full.wait(key(200), BOTH_PODS) is None


def test_one_that_is_deleted_waits_no_more(full: Pacing) -> None:
    assert list(full.released(key(100), None)) == []
    assert full.waiting == 1
    assert list(full.released(key(0), BOTH_PODS)) == [key(101)]


def test_those_far_behind_look_again_when_it_may_be_their_turn(full: Pacing) -> None:
    waits = [full.wait(key(number), NEW) for number in range(102, 102 + 2 * MOST_STARTING)]
    assert waits[MOST_STARTING - 3 :][:2] == [PATIENCE_SECONDS, 2 * PATIENCE_SECONDS]
    assert full.wait(key(101 + 2 * MOST_STARTING), NEW) == PATIENCE_SECONDS
