"""Progressing says whether training moves, as far as anybody knows."""

from dataclasses import replace

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
from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_operator.decide import decide
from trainingrun_operator.plan import Situation
from trainingrun_operator.scrape import Scrape

RUNNING = status_after(raw_job(), raw_pod())
STALLED = RUNNING.model_copy(
    update={
        "conditions": [
            found.model_copy(update={"status": "False", "reason": "Stalled", "message": "rank 1"})
            if found.type == ConditionType.PROGRESSING
            else found
            for found in RUNNING.conditions or ()
        ]
    }
)
GOES_ON = situation(raw_job(), raw_pod(), status=RUNNING)
BEATS = Scrape(at=NOW, heartbeat_seen_at=NOW, heartbeat=5.0, phase="training")
SUSPENDED = {**COMMAND, "suspend": True}


def told(found: Situation) -> tuple[str, str]:
    status = decide(found).status
    assert status
    shown = condition(status, ConditionType.PROGRESSING)
    return shown.status, shown.reason


@pytest.mark.parametrize(
    ("found", "status", "reason"),
    [
        pytest.param(replace(GOES_ON, scrape=BEATS), "True", Reason.STEPS_TAKEN, id="heartbeats come"),
        pytest.param(
            replace(GOES_ON, scrape=Scrape(at=NOW, epoch=1)), "Unknown", Reason.NO_HEARTBEAT, id="none in it"
        ),
        pytest.param(GOES_ON, "Unknown", Reason.NO_HEARTBEAT, id="nothing was said"),
        pytest.param(
            situation(raw_job("Failed"), dead_pod(), status=RUNNING),
            "Unknown",
            Reason.NO_HEARTBEAT,
            id="between two attempts",
        ),
        pytest.param(
            situation(raw_job("Complete"), dead_pod(code=0), status=RUNNING),
            "False",
            Reason.FINISHED,
            id="completed",
        ),
        pytest.param(
            situation(status=TrainingRunStatus(), spec=SUSPENDED), "False", Reason.SUSPENDED, id="suspended"
        ),
    ],
)
def test_it_is(found: Situation, status: str, reason: Reason) -> None:
    assert told(found) == (status, reason)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param(situation(raw_job("Failed"), dead_pod()), Reason.STALLED, id="between two attempts"),
        pytest.param(GOES_ON, Reason.STALLED, id="while the next one says nothing"),
        pytest.param(
            situation(raw_job("Failed"), dead_pod(), spec={**COMMAND, "restart": {"maxFailures": 0}}),
            Reason.STALLED,
            id="on a run that failed",
        ),
        pytest.param(replace(GOES_ON, scrape=BEATS), Reason.STEPS_TAKEN, id="until there is a step again"),
    ],
)
def test_a_stall_stays_to_be_seen(found: Situation, reason: Reason) -> None:
    assert told(replace(found, status=STALLED))[1] == reason
