"""The steps of an attempt: whoever knew most is believed."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.builders import COMMAND, NOW, at, dead_pod, raw_job, raw_pod, situation
from trainingrun_api.status import Checkpoint, Progress, SilentRank, Stopping, TrainingRunStatus
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator.policies.steps import Steps, steps_of
from trainingrun_operator.scrape import Scrape

PAIR = {**COMMAND, "nodes": 2}
WRITTEN = TrainingRunStatus(
    progress=Progress(global_step=110), checkpoint=Checkpoint(step=100, resumed_from_step=50)
)
TOLD = (
    TerminationMessage(outcome="failed", global_step=130, checkpoint=Checkpoint(step=120)).encode().decode()
)


@pytest.mark.parametrize(("reason", "last"), [("Stalled", 130), ("Suspended", 110)])
def test_silent_ranks_tell_of_the_attempt_that_stalled(reason: str, last: int) -> None:
    stopping = Stopping(attempt=1, reason=reason, message="", time=at(0))
    silent = [SilentRank(rank=1, pod="chest-1-1-x", step=130)]
    status = WRITTEN.model_copy(update={"stopping": stopping, "silent_ranks": silent})
    assert steps_of(situation(raw_job(), spec=PAIR, status=status)).last == last


@pytest.mark.parametrize(
    ("status", "scrape", "pod", "steps"),
    [
        (TrainingRunStatus(), {}, raw_pod(1), Steps(None, None, None)),
        (WRITTEN, {}, raw_pod(1), Steps(50, 110, 100)),
        (WRITTEN, {"global_step": 115, "checkpoint_step": 112}, raw_pod(1), Steps(50, 115, 112)),
        (WRITTEN, {}, dead_pod(1, message=TOLD), Steps(50, 130, 120)),
        (WRITTEN, {"global_step": 115}, dead_pod(1, message="Killed"), Steps(50, 115, 100)),
        (WRITTEN.model_copy(update={"progress": None}), {}, raw_pod(1), Steps(50, 50, 100)),
        (TrainingRunStatus(), {"resumed_step": 0, "global_step": 3}, raw_pod(1), Steps(0, 3, None)),
    ],
)
def test_the_furthest_word_counts(
    status: TrainingRunStatus, scrape: dict[str, Any], pod: dict[str, Any], steps: Steps
) -> None:
    then = situation(raw_job(), raw_pod(0), pod, spec=PAIR, status=status)
    assert steps_of(replace(then, scrape=Scrape(at=NOW, **scrape))) == steps
    if not scrape:
        assert steps_of(then) == steps
