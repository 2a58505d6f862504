"""From a page of metrics or a last word to what a person reads."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operator.builders import NOW, at
from trainingrun_api import telemetry
from trainingrun_api.status import (
    MAX_METRICS,
    Best,
    Checkpoint,
    Columns,
    Metric,
    Progress,
    TrainingRunStatus,
)
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator.progress import final, live, number, silent
from trainingrun_operator.scrape import Scrape, parse

PAGE = f"""
# HELP trainer_epoch Epochs finished.
# TYPE trainer_epoch gauge
{telemetry.EPOCH} 12.0
{telemetry.EPOCHS_PLANNED} 50
{telemetry.GLOBAL_STEP} 1250
{telemetry.STEPS_PLANNED} 5000
{telemetry.SECONDS_PER_EPOCH} 6.5
{telemetry.SAMPLES_PER_SECOND} 1234.567
{telemetry.HEARTBEAT} {NOW.timestamp()}
{telemetry.PHASE}{{phase="training"}} 1
{telemetry.PHASE}{{phase="testing"}} 0
{telemetry.METRIC}{{split="val",name="accuracy"}} 0.96789123
{telemetry.METRIC}{{split="train",name="loss"}} NaN
{telemetry.MONITOR}{{split="val",name="accuracy"}} 1
{telemetry.BEST_METRIC}{{split="val",name="accuracy"}} 0.97
{telemetry.BEST_EPOCH} 9
{telemetry.LAST_CHECKPOINT_STEP} 1200
{telemetry.LAST_CHECKPOINT_TIMESTAMP} {NOW.timestamp() - 60}
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 3
"""


def test_a_page_becomes_a_status() -> None:
    before = TrainingRunStatus(checkpoint=Checkpoint(step=1, path="/checkpoints/x/last.ckpt"))
    fields = live(before, parse(PAGE, NOW))
    assert before.model_copy(update=fields).to_wire() == {
        "progress": {
            "epoch": 12,
            "totalEpochs": 50,
            "globalStep": 1250,
            "percent": 25,
            "samplesPerSecond": "1234.57",
            "estimatedCompletionTime": at(37.5 * 6.5),
            "lastHeartbeatTime": at(0),
            "trainerPhase": "training",
        },
        "metrics": [{"name": "train_loss", "value": "nan"}, {"name": "val_accuracy", "value": "0.967891"}],
        "best": {"name": "val_accuracy", "value": "0.97", "epoch": 9},
        "checkpoint": {"step": 1200, "time": at(-60), "path": "/checkpoints/x/last.ckpt"},
        "columns": {"epoch": "12/50", "metric": "val_accuracy=0.9679", "progress": "25%", "eta": "4m04s"},
    }


@pytest.mark.parametrize("page", ["", "# nothing\n", "process_cpu_seconds_total 3\n"])
def test_a_page_of_another_program_says_nothing(page: str) -> None:
    assert parse(page, NOW).empty


@pytest.mark.parametrize("page", ["<html>", "trainer_epoch twelve\n", '{"a",\t="b"} 1\n'])
def test_no_page_of_metrics_is_an_error(page: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(page, NOW)


@pytest.mark.parametrize(
    ("name", "value", "absent"),
    [
        (telemetry.EPOCH, "1e30", "epoch"),
        (telemetry.EPOCH, "-1", "epoch"),
        (telemetry.EPOCH, "NaN", "epoch"),
        (telemetry.EPOCHS_PLANNED, "+Inf", "totalEpochs"),
        (telemetry.GLOBAL_STEP, "9.3e18", "globalStep"),
        (telemetry.SAMPLES_PER_SECOND, "-5", "samplesPerSecond"),
        (telemetry.HEARTBEAT, "1e20", "lastHeartbeatTime"),
        (telemetry.HEARTBEAT, "1e12", "lastHeartbeatTime"),
        (telemetry.HEARTBEAT, "-4e10", "lastHeartbeatTime"),
        (telemetry.SECONDS_PER_EPOCH, "1e18", "estimatedCompletionTime"),
        (telemetry.SECONDS_PER_EPOCH, "1e15", "estimatedCompletionTime"),
        (telemetry.SECONDS_PER_EPOCH, "-1", "estimatedCompletionTime"),
    ],
)
def test_a_number_that_cannot_be_is_left_out(name: str, value: str, absent: str) -> None:
    lines = [f"{name} {value}" if line.startswith(f"{name} ") else line for line in PAGE.splitlines()]
    fields = live(TrainingRunStatus(), parse("\n".join(lines) + "\n", NOW))
    wire = TrainingRunStatus().model_copy(update=fields).to_wire()
    assert absent not in wire["progress"]
    assert ("eta" in wire["columns"]) == ("estimatedCompletionTime" in wire["progress"])
    assert wire["metrics"]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (f'{telemetry.METRIC}{{split="val",name="{"x" * 125}"}} 1', "metrics"),
        (f'{telemetry.BEST_METRIC}{{split="val",name="{"x" * 125}"}} 1', "best"),
        (f'{telemetry.MONITOR}{{split="val",name="{"x" * 125}"}} 1', "columns"),
        (f"{telemetry.LAST_CHECKPOINT_STEP} 1e30", "progress"),
    ],
)
def test_a_name_or_step_that_no_status_holds_changes_nothing(line: str, field: str) -> None:
    status = TrainingRunStatus()
    assert live(status, parse(f"{PAGE}{line}\n", NOW))[field] == live(status, parse(PAGE, NOW))[field]


def test_texts_are_cut_to_what_a_status_holds() -> None:
    numbers = f"{telemetry.EPOCH} {2**53}\n{telemetry.EPOCHS_PLANNED} {2**53}\n"
    fields = live(TrainingRunStatus(), parse(f'{numbers}{telemetry.PHASE}{{phase="{"x" * 99}"}} 1\n', NOW))
    wire = TrainingRunStatus().model_copy(update=fields).to_wire()
    assert wire["progress"]["trainerPhase"] == "x" * 32
    assert wire["columns"]["epoch"] == f"{2**53}/{2**53}"[:32]


@pytest.mark.parametrize(
    ("scrape", "percent", "seconds"),
    [
        ({}, None, None),
        ({"epoch": 1}, None, None),
        ({"epoch": 0, "epochs_planned": 4, "seconds_per_epoch": 10.0}, 0, 40.0),
        ({"epoch": 3, "epochs_planned": 4, "seconds_per_epoch": 10.0}, 75, 10.0),
        ({"epoch": 5, "epochs_planned": 4, "seconds_per_epoch": 10.0}, 100, 0.0),
        ({"epoch": 1, "epochs_planned": 4}, 25, None),
        ({"epoch": 1, "epochs_planned": 4, "global_step": 30, "steps_planned": 80}, 37, None),
        ({"epoch": 2, "epochs_planned": 4, "global_step": 30, "steps_planned": 80}, 50, None),
        ({"epoch": 0, "epochs_planned": 0, "global_step": 0, "steps_planned": 0}, None, None),
    ],
)
def test_progress_counts_the_steps_within_an_epoch(
    scrape: dict[str, Any], percent: int | None, seconds: float | None
) -> None:
    found = Scrape(at=NOW, **scrape)
    assert (found.percent, found.seconds_left) == (percent, seconds)


def test_the_same_answer_gives_the_same_status_however_late_it_is_used() -> None:
    status, scrape = TrainingRunStatus(), parse(PAGE, NOW)
    assert live(status, scrape) == live(status, scrape)
    later = parse(PAGE, NOW + timedelta(seconds=10))
    assert live(status, scrape)["progress"] != live(status, later)["progress"]


def test_metrics_are_bounded_and_the_monitored_one_stays() -> None:
    lines = [f'{telemetry.METRIC}{{split="a",name="m{index:03}"}} 1' for index in range(MAX_METRICS)]
    lines += [
        f'{telemetry.METRIC}{{split="z",name="last"}} 1',
        f'{telemetry.MONITOR}{{split="z",name="last"}} 1',
    ]
    metrics = live(TrainingRunStatus(), parse("\n".join(lines) + "\n", NOW))["metrics"]
    assert isinstance(metrics, list)
    assert len(metrics) == MAX_METRICS
    assert metrics[-1].name == "z_last"


LIVE = TrainingRunStatus(
    progress=Progress(
        epoch=8, total_epochs=50, percent=16, estimated_completion_time=at(99), samples_per_second="7"
    ),
    best=Best(name="val_f1", value="0.91", epoch=5),
    columns=Columns(epoch="8/50", metric="val_f1=0.9", progress="16%", eta="1m39s"),
)


def test_the_last_word_overrides_and_completes() -> None:
    message = TerminationMessage(outcome="completed", epochs=9, total_epochs=50, global_step=90)
    status = LIVE.model_copy(update=final(LIVE, message, NOW))
    assert status.progress == Progress(
        epoch=9,
        total_epochs=50,
        global_step=90,
        percent=100,
        samples_per_second="7",
        trainer_phase="finished",
    )
    assert status.columns == Columns(epoch="9/50", metric="val_f1=0.91", progress="100%")


def test_a_last_word_without_room_for_all_metrics_leaves_the_others_as_they_were() -> None:
    live = [Metric(name=name, value="1") for name in ("a", "b", *(f"z{n}" for n in range(MAX_METRICS - 2)))]
    message = TerminationMessage(
        outcome="completed", metrics=[Metric(name="b", value="2"), Metric(name="test_b", value="3")]
    )
    metrics = final(TrainingRunStatus(metrics=live), message, NOW)["metrics"]
    assert isinstance(metrics, list)
    assert [(metric.name, metric.value) for metric in metrics[:3]] == [
        ("b", "2"),
        ("test_b", "3"),
        ("a", "1"),
    ]
    assert len(metrics) == MAX_METRICS


@pytest.mark.parametrize(
    ("epochs", "total", "progress"),
    [(3, 8, "37%"), (9, 8, "100%"), (0, 8, "0%"), (None, 8, None), (3, 0, None)],
)
def test_a_failed_run_that_nobody_asked_tells_its_share_by_the_epochs(
    epochs: int | None, total: int, progress: str | None
) -> None:
    message = TerminationMessage(outcome="failed", epochs=epochs, total_epochs=total)
    columns = final(TrainingRunStatus(), message, NOW)["columns"]
    assert isinstance(columns, Columns)
    assert columns.progress == progress


@pytest.mark.parametrize("outcome", ["failed", "interrupted"])
def test_a_failed_run_is_not_done(outcome: Any) -> None:
    status = LIVE.model_copy(update=final(LIVE, TerminationMessage(outcome=outcome), NOW))
    assert status.columns == Columns(epoch="8/50", metric="val_f1=0.91", progress="16%")


def test_an_end_without_a_word_keeps_what_was_known() -> None:
    status = LIVE.model_copy(update=silent(LIVE))
    assert status.columns == Columns(epoch="8/50", metric="val_f1=0.9", progress="16%")
    assert status.progress is not None
    assert (status.progress.epoch, status.progress.estimated_completion_time) == (8, None)
    assert silent(TrainingRunStatus()) == {}


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.96789123, 4, "0.9679"),
        (0.96789123, 6, "0.967891"),
        (1.0, 6, "1"),
        (1234567.0, 6, "1.23457e+06"),
        (1e-9, 6, "1e-09"),
        (float("nan"), 6, "nan"),
        (float("-inf"), 6, "-inf"),
    ],
)
def test_numbers_are_short(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text
