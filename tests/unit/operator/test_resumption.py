"""What an attempt's first answer says of the one before it."""

from typing import Any

import pytest

from tests.unit.operator.builders import NOW, at
from trainingrun_api.reasons import AttemptOutcome
from trainingrun_api.status import AttemptRecord, Checkpoint, TrainingRunStatus
from trainingrun_operator.progress import live
from trainingrun_operator.resumption import last_checkpoint, resumed
from trainingrun_operator.scrape import Scrape


def record(number: int, to_step: int | None, lost: int | None = None) -> AttemptRecord:
    return AttemptRecord(
        number=number, outcome=AttemptOutcome.FAILURE, reason="Killed", to_step=to_step, lost_steps=lost
    )


def answer(**told: Any) -> Scrape:
    return Scrape(at=NOW, heartbeat=1.0, **told)


@pytest.mark.parametrize(
    ("records", "step", "lost"),
    [
        ([record(1, 130)], 100, [30]),
        ([record(1, 100)], 100, [0]),
        ([record(1, 90)], 100, [0]),
        ([record(1, 130)], 0, [130]),
        ([record(1, 130)], None, [None]),
        ([record(1, None)], 100, [None]),
        ([record(1, 130, 30)], 40, [30]),
        ([record(1, 130, 30), record(2, 220)], 200, [30, 20]),
        ([record(1, 130), record(2, None)], 100, [30, None]),
        ([record(1, 130), record(2, 0)], 100, [30, None]),
        ([record(1, 130), record(2, 220)], 200, [None, 20]),
    ],
)
def test_the_steps_beyond_the_checkpoint_are_lost(
    records: list[AttemptRecord], step: int | None, lost: list[int | None]
) -> None:
    status = TrainingRunStatus(attempts=records)
    fields = live(status, answer(resumed_step=step))
    after = status.model_copy(update=fields).attempts or []
    assert [found.lost_steps for found in after] == lost


def test_a_checkpoint_proves_its_steps() -> None:
    fields = live(TrainingRunStatus(attempts=[record(1, 27)]), answer(resumed_step=36))
    assert fields["attempts"] == [record(1, 36, 0)]


def test_status_tells_where_the_attempt_went_on_from_and_what_that_cost() -> None:
    status = TrainingRunStatus(
        attempts=[record(1, 130)], checkpoint=Checkpoint(step=100, path="/c/last.ckpt")
    )
    resumed_at = live(status, answer(resumed_step=100))
    status = status.model_copy(update=resumed_at)
    assert status.checkpoint == Checkpoint(
        step=100, path="/c/last.ckpt", resumed_from_step=100, lost_steps=30
    )
    saved = live(status, answer(resumed_step=100, checkpoint_step=150, checkpoint_time=NOW.timestamp()))
    assert saved["checkpoint"] == Checkpoint(
        step=150, time=at(0), path="/c/last.ckpt", resumed_from_step=100, lost_steps=30
    )
    assert "attempts" not in saved


def test_a_damaged_checkpoint_is_not_the_newest_one() -> None:
    status = TrainingRunStatus(attempts=[record(1, 130)], checkpoint=Checkpoint(step=100, time=at(-60)))
    fields = live(status, answer(resumed_step=50, damaged_checkpoints=1))
    assert fields["checkpoint"] == Checkpoint(step=50, resumed_from_step=50, lost_steps=80)


KNOWN = Checkpoint(step=100, time=at(-9), path="/c/last.ckpt", resumed_from_step=50, lost_steps=3)


@pytest.mark.parametrize(
    ("known", "told", "after"),
    [
        (None, Checkpoint(step=100), Checkpoint(step=100)),
        (KNOWN, Checkpoint(step=100), KNOWN),
        (KNOWN, Checkpoint(step=120), Checkpoint(step=120, resumed_from_step=50, lost_steps=3)),
        (KNOWN, Checkpoint(step=100, epoch=2), KNOWN.model_copy(update={"epoch": 2})),
    ],
)
def test_a_shorter_word_takes_nothing_away(
    known: Checkpoint | None, told: Checkpoint, after: Checkpoint
) -> None:
    assert last_checkpoint(known, told) == after


@pytest.mark.parametrize(
    ("scrape", "said"),
    [
        (answer(), ""),
        (answer(resumed_step=0, resume_exact=True), ""),
        (answer(resumed_step=120, resume_exact=True), "went on from step 120"),
        (answer(resumed_step=120), "went on from step 120"),
        (answer(resumed_step=120, resume_exact=False), "went on from step 120, not bit for bit"),
    ],
)
def test_a_resume_that_is_not_exact_says_so(scrape: Scrape, said: str) -> None:
    assert resumed(scrape) == said
