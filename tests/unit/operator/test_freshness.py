"""CheckpointFresh: what the next fault would cost, read off the trainer's last answer."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.builders import COMMAND, NOW, raw_job, raw_pod, situation
from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_api.status import Checkpoint, TrainingRunStatus
from trainingrun_operator.policies.freshness import freshness
from trainingrun_operator.scrape import Scrape

SPEC = {**COMMAND, "checkpoints": {"claim": "results", "everySeconds": 300}}
BY_EPOCH = {**COMMAND, "checkpoints": {"claim": "results", "everySeconds": 0}}
LONG_AGO = NOW.timestamp() - 601


def found(spec: dict[str, Any], began: float, known: int | None, told: dict[str, Any]) -> Any:
    checkpoint = None if known is None else Checkpoint(step=known)
    status = TrainingRunStatus(checkpoint=checkpoint, checkpoint_claim="results")
    then = situation(raw_job(), raw_pod(created=began - 5), spec=spec, status=status)
    answer = Scrape(at=NOW, heartbeat=1.0, phase=told.pop("phase", "training"), **told)
    return freshness(replace(then, scrape=answer))[ConditionType.CHECKPOINT_FRESH]


@pytest.mark.parametrize(
    ("spec", "began", "known", "told", "expected", "words"),
    [
        (SPEC, -60, None, {}, ("Unknown", Reason.NO_CHECKPOINT), "no checkpoint"),
        (SPEC, -60, 90, {}, ("True", Reason.SAVED), "step 90"),
        (SPEC, -9000, 90, {"checkpoint_step": 120, "checkpoint_time": NOW.timestamp() - 9},
         ("True", Reason.SAVED), "step 120"),
        (SPEC, -9000, 90, {"checkpoint_step": 120, "checkpoint_time": LONG_AGO},
         ("False", Reason.OUTDATED), "step 120, is older than 10m00s"),
        (SPEC, -60, 90, {"checkpoint_step": 120, "checkpoint_time": LONG_AGO}, ("True", Reason.SAVED), ""),
        (SPEC, -9000, 90, {}, ("False", Reason.OUTDATED), "step 90"),
        (SPEC, -9000, 90, {"phase": "validating"}, ("True", Reason.SAVED), "step 90"),
        (SPEC, -9000, None, {}, ("Unknown", Reason.NO_CHECKPOINT), ""),
        (BY_EPOCH, -9000, 90, {}, ("True", Reason.SAVED), ""),
        (SPEC, -60, 90, {"checkpoint_blocked": True}, ("False", Reason.VOLUME_FULL), "claim results"),
        (SPEC, -60, 90, {"resumed_step": 60, "damaged_checkpoints": 2},
         ("False", Reason.CHECKPOINT_DAMAGED), "2 damaged checkpoint files were skipped on claim results; "
         "step 60 was used"),
        (SPEC, -60, 90, {"resumed_step": 0, "damaged_checkpoints": 1},
         ("False", Reason.CHECKPOINT_DAMAGED), "training began anew"),
        (SPEC, -60, 90, {"resumed_step": 60, "damaged_checkpoints": 1, "checkpoint_step": 60},
         ("False", Reason.CHECKPOINT_DAMAGED), ""),
        (SPEC, -60, 90, {"resumed_step": 60, "damaged_checkpoints": 1, "checkpoint_step": 90,
                         "checkpoint_time": NOW.timestamp()}, ("True", Reason.SAVED), ""),
        (SPEC, -60, 90, {"checkpoint_step": 90, "checkpoint_time": 2.0**53}, ("True", Reason.SAVED), ""),
    ],
)  # fmt: skip
def test_the_condition_says_what_a_fault_would_cost(
    spec: dict[str, Any],
    began: float,
    known: int | None,
    told: dict[str, Any],
    expected: tuple[str, Reason],
    words: str,
) -> None:
    finding = found(spec, began, known, dict(told))
    assert (finding.status, finding.reason) == expected
    assert words in finding.message


@pytest.mark.parametrize("scrape", [None, Scrape(at=NOW)])
def test_a_program_that_tells_nothing_changes_nothing(scrape: Scrape | None) -> None:
    assert freshness(replace(situation(raw_job(), raw_pod()), scrape=scrape)) == {}
