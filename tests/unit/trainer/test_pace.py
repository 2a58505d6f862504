"""What an epoch is said to take, over the lives of a run: the estimate of what is left rests on it."""

from dataclasses import dataclass

import pytest

from trainingrun_trainer.pace import EPOCHS, Pace

BATCHES, STEP, VALIDATION, SAVE = 10, 2.0, 5.0, 3.0
EPOCH = BATCHES * STEP + VALIDATION
COMPILATION = 600.0


@dataclass(frozen=True)
class Life:
    """An attempt: where it begins, and how many batches and ends of epochs it comes to."""

    epochs: int
    start: int = 0
    """Batches of its first epoch that an earlier attempt trained."""
    slower: float = 1.0
    save: float = SAVE


def lived(life: Life, earlier: float | None = None, batches: int = BATCHES) -> list[float | None]:
    """What it says at its start, and after each epoch."""
    now = 0.0
    pace = Pace(lambda: now)
    pace.go_on(earlier)
    said = [pace.seconds_per_epoch]
    now += COMPILATION
    for epoch in range(life.epochs):
        for place in range(life.start if epoch == 0 else 0, batches):
            now += STEP * life.slower
            pace.batch_done(place)
        pace.training_done()
        now += VALIDATION * life.slower
        pace.epoch_done(batches)
        said.append(pace.seconds_per_epoch)
        now += life.save
    return said


FULL = EPOCH + SAVE
"""An epoch with the save at its end, which is known from the second one on."""


@pytest.mark.parametrize(
    ("life", "earlier", "said"),
    [
        pytest.param(Life(0), None, [None], id="nothing is known before the first epoch"),
        pytest.param(Life(1), None, [None, EPOCH], id="the first epoch, without start and first step"),
        pytest.param(Life(3), None, [None, EPOCH, FULL, FULL], id="then from epoch to epoch, saves included"),
        pytest.param(Life(0), 7.0, [7.0], id="what earlier attempts measured stands after a restart"),
        pytest.param(
            Life(2, slower=2), 7.0, [7.0, 2 * EPOCH, 2 * EPOCH + SAVE], id="until an epoch of its own"
        ),
        pytest.param(Life(2, start=4), 7.0, [7.0, 7.0, FULL], id="the rest of an epoch is none"),
        pytest.param(Life(2, start=4), None, [None, EPOCH, FULL], id="but tells where nothing else does"),
        pytest.param(Life(2, start=9), None, [None, None, FULL], id="a last batch tells nothing"),
    ],
)
def test_the_pace(life: Life, earlier: float | None, said: list[float | None]) -> None:
    assert lived(life, earlier) == pytest.approx(said)


def test_an_epoch_of_which_only_validation_was_left_does_not_count() -> None:
    """The first step comes in the epoch after it."""
    assert lived(Life(3, start=BATCHES), 7.0) == pytest.approx([7.0, 7.0, EPOCH, FULL])


def test_epochs_of_one_batch_are_measured_from_the_second_on() -> None:
    assert lived(Life(2), batches=1) == pytest.approx([None, None, STEP + VALIDATION + SAVE])


def test_the_pace_follows_a_change_within_some_epochs() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    said = []
    for seconds in [10.0] * (EPOCHS + 2) + [40.0] * EPOCHS:
        pace.batch_done(0)
        now += seconds
        pace.training_done()
        pace.epoch_done(2)
        said.append(pace.seconds_per_epoch)
    assert said[EPOCHS + 1] == 10
    assert said[EPOCHS + 1 :] == sorted(said[EPOCHS + 1 :], key=lambda pace: pace or 0)
    assert said[-1] == 40
