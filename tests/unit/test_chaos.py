"""The chaos table judges rightly: what must hold is accepted, and each single departure is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.chaos.report import table
from tests.chaos.results import CHECKPOINTS, differences
from tests.chaos.runner import Result, pod_start_seconds
from tests.chaos.table import CASES, QUICK, Case, Fault, Moment, Rank, select
from tests.chaos.verdict import COUNTERS, Seen, judge
from tests.chaos.workload import MID_EPOCH_STEP, SAVE_STEPS, STEPS_AN_EPOCH, Shape, spec
from trainingrun_api import TrainingRunSpec, names
from trainingrun_api.reasons import AttemptOutcome

STRUCK_STEP = MID_EPOCH_STEP
SAVED_STEP = STRUCK_STEP - SAVE_STEPS // 2


def case(fault: Fault, moment: Moment = Moment.MID_EPOCH, rank: Rank = Rank.OTHER) -> Case:
    (found,) = select((fault,), (moment,), (rank,))
    return found


def seen(of: Case, resumed_step: int = SAVED_STEP) -> Seen:
    """What the runner sees of a case that holds."""
    completed = {"number": 2, "outcome": "Completed", "reason": "Completed"}
    ended = {"number": 1, "outcome": of.expected.outcome, "reason": of.expected.reasons[0], "lostSteps": 2}
    untouched = of.expected.outcome is AttemptOutcome.COMPLETED
    charged = {name: int(name == COUNTERS.get(of.expected.outcome)) for name in COUNTERS.values()}
    return Seen(
        struck_step=STRUCK_STEP if of.moment is not Moment.START_UP else 0,
        status={
            "phase": "Completed",
            "attempts": [completed] if untouched else [ended | _steps(of), completed],
            "restarts": {**charged, "total": sum(charged.values())},
            "budget": {"failures": 0},
            "silentRanks": [{"rank": 3}],
        },
        noticed_seconds=12.0,
        first_step_seconds=14.0,
        resumed_step=None if untouched else _resumed(of, resumed_step),
        damaged_checkpoints=1,
    )


def _steps(of: Case) -> dict[str, int]:
    return {} if of.expected.intervals else {"lostSteps": 0}


def _resumed(of: Case, step: int) -> int:
    if of.moment is Moment.START_UP:
        return 0
    return step if of.expected.intervals else STRUCK_STEP


@pytest.mark.parametrize("each", CASES, ids=lambda each: each.name)
def test_a_run_that_survived_as_promised_holds(each: Case) -> None:
    assert judge(each, 3, seen(each)) == []


def _set(path: str, value: Any) -> Callable[[Seen], None]:
    """Overwrites one thing that was seen, such as status.phase."""

    def change(what: Seen) -> None:
        place: Any = vars(what)
        *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
        for part in way:
            place = place[part]
        place[last] = value

    return change


@pytest.mark.parametrize(
    ("fault", "change", "words"),
    [
        (Fault.KILL, _set("status.phase", "Failed"), "the run is Failed"),
        (Fault.KILL, _set("status.attempts.0.outcome", "Disruption"), "attempt 1 ended as ('Disruption'"),
        (Fault.KILL, _set("status.attempts.0.reason", "UserError"), "expected Failure for Killed"),
        (Fault.KILL, _set("status.attempts", []), "expected 2 of which the last is Completed"),
        (Fault.KILL, _set("status.restarts", {"disruptions": 1}), "charged {'failures': 0"),
        (Fault.DRAIN_NODE, _set("status.restarts.failures", 1), "charged {'failures': 1"),
        (Fault.KILL, _set("status.budget.failures", 1), "not whole again"),
        (Fault.KILL, _set("resumed_step", None), "never said where"),
        (Fault.KILL, _set("resumed_step", STRUCK_STEP - SAVE_STEPS - 1), f"{SAVE_STEPS + 1} steps lost"),
        (Fault.TERMINATE, _set("resumed_step", STRUCK_STEP - 1), "1 steps lost"),
        (
            Fault.KILL,
            _set("status.attempts.0.lostSteps", SAVE_STEPS + 1),
            "the status says",
        ),
        (Fault.KILL, _set("differences", ["last.ckpt: differs"]), "last.ckpt: differs"),
        (Fault.STOP, _set("noticed_seconds", 46.0), "noticed after 46 s, 45 s allowed"),
        (Fault.STOP, _set("noticed_seconds", None), "nobody noticed"),
        (Fault.STOP, _set("status.silentRanks", [{"rank": 0}]), "rank 3 is not among the silent ranks [0]"),
        (Fault.DEAD_NODE, _set("noticed_seconds", 46.0), "noticed after 46 s, 45 s allowed"),
        (Fault.TRUNCATED_CHECKPOINT, _set("damaged_checkpoints", 0), "was not reported"),
        (Fault.SLOW_DISK, _set("status.restarts.stalls", 1), "charged {'failures': 0, 'stalls': 1"),
    ],
)
def test_a_departure_is_named(fault: Fault, change: Callable[[Seen], None], words: str) -> None:
    each = case(fault)
    found = seen(each)
    change(found)
    (sentence,) = judge(each, 3, found)
    assert words in sentence


def test_every_line_can_name_a_run_and_quick_ones_are_of_the_table() -> None:
    names_ = [each.name for each in CASES]
    assert len(set(names_)) == len(CASES)
    assert max(map(len, names_)) <= names.MAX_NAME_LENGTH
    assert set(QUICK) <= set(CASES)


@pytest.mark.parametrize("processes", [1, 2])
def test_the_run_is_valid_and_is_struck_between_two_checkpoints(processes: int) -> None:
    TrainingRunSpec.model_validate(spec(Shape(processes), "results"))
    assert STEPS_AN_EPOCH < MID_EPOCH_STEP < 2 * STEPS_AN_EPOCH
    assert MID_EPOCH_STEP % SAVE_STEPS == SAVE_STEPS // 2


def _write_run(directory: Path, weight: float = 1.0, loss: float = 0.5, seconds: float = 1.0) -> Path:
    checkpoints = directory / "checkpoints"
    checkpoints.mkdir(parents=True)
    weights = {"layer": torch.tensor([weight])}
    torch.save(weights, checkpoints / "best_model.pt")
    for name in ("best.ckpt", "last.ckpt"):
        torch.save({"state_dict": weights, "global_step": 72, "callbacks": seconds}, checkpoints / name)
    (directory / "metrics.json").write_text(json.dumps([{"val_loss": loss, "seconds": seconds}]))
    (directory / "results.json").write_text(
        json.dumps({"scores": {"val_loss": loss}, "run_id": str(directory)})
    )
    return directory


@pytest.mark.parametrize(
    ("change", "files"),
    [
        ({"seconds": 2.0}, []),
        (
            {"weight": 1.0 + 2**-23},
            list(CHECKPOINTS),
        ),
        ({"loss": 0.6}, ["metrics.json", "results.json"]),
    ],
)
def test_runs_are_equal_but_for_times(tmp_path: Path, change: dict[str, float], files: list[str]) -> None:
    one, other = _write_run(tmp_path / "one"), _write_run(tmp_path / "other", **change)
    assert [sentence.partition(":")[0] for sentence in differences(one, other)] == files


def test_a_file_that_a_run_does_not_have_is_named(tmp_path: Path) -> None:
    one, other = _write_run(tmp_path / "one"), _write_run(tmp_path / "other")
    (other / "metrics.json").unlink()
    assert differences(one, other) == ["metrics.json is missing"]


def test_the_report_tells_what_does_not_hold_and_how_long_it_took() -> None:
    held, broken = case(Fault.KILL), case(Fault.STOP)
    text = table([Result(held, seen(held), [], 80.0), Result(broken, seen(broken), ["nobody noticed"], 90.0)])
    assert "| sigkill-mid-epoch-other-rank " in text
    assert "| holds " in text
    assert "| WRONG " in text
    assert "1 of 2 cases hold\n  sigstop-mid-epoch-other-rank: nobody noticed\n" in text
    assert "median 14.0 s" in text


def test_the_start_of_a_pod_is_from_its_creation_to_its_container() -> None:
    pod = {
        "metadata": {"creationTimestamp": "2026-01-02T03:04:05Z"},
        "status": {"containerStatuses": [{"state": {"running": {"startedAt": "2026-01-02T03:04:08Z"}}}]},
    }
    assert pod_start_seconds(pod) == 3.0
