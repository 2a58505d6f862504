"""The last words of a pod: at most 4 KiB, the telling part kept, anything else read as nothing."""

import json

import pytest

from trainingrun_api.status import Best, Metric
from trainingrun_api.termination import MAX_BYTES, TerminationError, TerminationMessage

METRICS = [Metric(name=f"val_metric_{number}", value="0.123456") for number in range(200)]
COMPLETED = TerminationMessage(
    outcome="completed",
    epochs=12,
    total_epochs=50,
    early_stopped=True,
    best=Best(name="val_recall", value="0.97", epoch=5),
    metrics=METRICS[:3],
)


def failed(message: str, advice: str = "Add the column.") -> TerminationMessage:
    return TerminationMessage(
        outcome="failed",
        rank=3,
        metrics=METRICS[:5],
        error=TerminationError(type="BadDataError", message=message, advice=advice),
    )


@pytest.mark.parametrize("message", [COMPLETED, failed("metadata.csv has no column label")])
def test_what_fits_is_kept_whole(message: TerminationMessage) -> None:
    assert TerminationMessage.decode(message.encode().decode()) == message


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(COMPLETED.model_copy(update={"metrics": METRICS}), id="metrics"),
        pytest.param(failed("x" * 10_000), id="error"),
        pytest.param(failed("é" * 3_000), id="error of more bytes than characters"),
        pytest.param(failed("\udcff" * 3_000), id="error with a broken file name"),
        pytest.param(failed("x" * 5_000, "y" * 5_000), id="advice"),
    ],
)
def test_what_is_too_long_is_cut_to_what_the_kubelet_keeps(message: TerminationMessage) -> None:
    data = message.encode()
    assert MAX_BYTES / 2 < len(data) <= MAX_BYTES
    kept = json.loads(data)
    assert kept["outcome"] == message.outcome


def test_the_last_metrics_go_first() -> None:
    data = COMPLETED.model_copy(update={"metrics": METRICS}).encode()
    kept = [metric["name"] for metric in json.loads(data)["metrics"]]
    assert kept == [metric.name for metric in METRICS[: len(kept)]]


def test_what_cannot_be_cut_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing is left to drop"):
        COMPLETED.model_copy(update={"monitor": "x" * 5_000}).encode()


@pytest.mark.parametrize(
    "text", ["", "Segmentation fault", "{}", "[]", '{"outcome": "exploded"}', '{"outcome": "fa']
)
def test_the_words_of_another_program_are_no_message(text: str) -> None:
    assert TerminationMessage.decode(text) is None


BEST = '{"name": "val_recall", "value": "0.9", "epoch": 3}'


@pytest.mark.parametrize(
    "field",
    [
        '"best": {"name": "x", "value": "n/a", "epoch": 1}',
        f'"best": {BEST.replace("3", "-3")}',
        f'"best": {BEST.replace("3", "1e30")}',
        f'"best": {BEST.replace("val_recall", "x" * 129)}',
        f'"best": {BEST.replace("0.9", "0" * 33)}',
        '"epochs": -1',
        '"epochs": 1e30',
        '"globalStep": 9223372036854775808',
        '"rank": 1.5',
        '"checkpoint": {"step": 1, "time": "yesterday"}',
        '"checkpoint": {"step": 1, "time": "2026-01-02"}',
        '"checkpoint": {"step": 1, "time": "2026-01-02T03:04:05"}',
        '"checkpoint": {"step": 1, "time": "2026-02-30T03:04:05Z"}',
        f'"checkpoint": {{"step": 1, "path": "{"x" * 1025}"}}',
        f'"metrics": {json.dumps([{"name": str(n), "value": "1"} for n in range(65)])}',
    ],
)
def test_what_no_status_could_hold_is_no_message(field: str) -> None:
    assert TerminationMessage.decode(f'{{"outcome": "completed", {field}}}') is None


@pytest.mark.parametrize(
    "field",
    [
        f'"best": {BEST}',
        f'"best": {BEST.replace("0.9", "nan")}',
        f'"epochs": {2**53}',
        '"checkpoint": {"step": 1, "time": "2026-01-02T03:04:05.678+01:00"}',
        f'"metrics": {json.dumps([{"name": str(n), "value": "-1e-9"} for n in range(64)])}',
    ],
)
def test_what_a_status_can_hold_is_a_message(field: str) -> None:
    assert TerminationMessage.decode(f'{{"outcome": "completed", {field}}}') is not None


def test_a_message_of_a_newer_trainer_is_read() -> None:
    assert TerminationMessage.decode('{"outcome": "completed", "joules": 5}') == TerminationMessage(
        outcome="completed"
    )
