"""Lines know who wrote them, and epochs are those of the last attempt that trained them."""

import json
from typing import Any

import pytest

from trainingrun_client import epochs
from trainingrun_client.cli.logs import plain, render
from trainingrun_client.log_lines import LogLine, parse

TIME = "2026-01-02T03:04:05.678901234Z"


def of_trainer(**fields: Any) -> str:
    return f"{TIME} {json.dumps({'time': TIME, 'level': 'INFO', 'message': 'hello', **fields})}"


LINES = {
    "the trainer's": (of_trainer(rank=3), "#2 rank 3 | hello"),
    "the launcher's": (of_trainer(), "#2 node 1 | hello"),
    "another program's": (f"{TIME} step 1 of 9", "#2 node 1 | step 1 of 9"),
    "an empty one": (f"{TIME} ", "#2 node 1 | "),
    "JSON of another kind": (f"{TIME} [1, 2]", "#2 node 1 | [1, 2]"),
    "half a line": (f'{TIME} {{"message": "cut', '#2 node 1 | {"message": "cut'),
    "what takes over a terminal": (f"{TIME} \x1b[2Jhello\x07", "#2 node 1 | \\x1b[2Jhello\\x07"),
    "what would pass for another's line": (of_trainer(rank=3, message="a\n#1 rank 0 | b"),
                                           "#2 rank 3 | a\n#2 rank 3 | #1 rank 0 | b"),
    "fields of other types": (f'{TIME} {{"message": 5, "rank": "x", "level": null}}',
                              '#2 node 1 | {"message": 5, "rank": "x", "level": null}'),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "shown"), LINES.values(), ids=LINES)
def test_a_line_says_who_wrote_it(raw: str, shown: str) -> None:
    line = parse(raw, attempt=2, node=1)
    assert render(line).plain == plain(line) == shown
    assert line.time == TIME


def test_a_line_that_no_parser_survives_is_a_line() -> None:
    text = '{"a":' * 3000
    assert parse(f"{TIME} {text}", 1, 0).message == text


def reported(attempt: int, number: Any, **scores: float) -> LogLine:
    return parse(of_trainer(rank=0, epoch={"epoch": number, **scores}), attempt, 0)


def test_an_epoch_that_was_repeated_is_told_as_the_last_attempt_did() -> None:
    lines = [
        reported(1, 1, val_loss=0.9),
        reported(1, 2, val_loss=0.8),
        reported(2, 2, val_loss=0.7),
        reported(1, 3, val_loss=0.6),
        reported(2, "x", val_loss=0.0),
        parse(of_trainer(rank=0, epoch=4), 2, 0),
    ]
    assert [(each["epoch"], each["val_loss"]) for each in epochs.of_lines(lines)] == [
        (1, 0.9), (2, 0.7), (3, 0.6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("numbers", "finished", "whole"),
    [
        ([1, 2, 3], 3, True),
        ([1, 2, 3], None, True),
        ([], None, True),
        ([], 2, False),
        ([2, 3], 3, False),
        ([1, 3], 3, False),
        ([1, 2], 3, False),
    ],
)
def test_whether_all_epochs_are_there(numbers: list[int], finished: int | None, whole: bool) -> None:
    assert epochs.complete([{"epoch": number} for number in numbers], finished) is whole


def test_a_frame_has_a_row_an_epoch() -> None:
    rows: list[dict[str, Any]] = [
        {"epoch": 1, "val_loss": 0.5, "time": "2026-01-02T03:04:05Z"},
        {"epoch": 2, "val_loss": None, "val_f1": 0.1, "time": "2026-01-02T03:05:05Z"},
    ]
    frame = epochs.frame(rows)
    assert list(frame.index) == [1, 2]
    assert frame["val_loss"].isna().tolist() == [False, True]
    assert frame["time"].dt.minute.tolist() == [4, 5]
    assert epochs.frame([]).empty
    assert list(epochs.frame([{"epoch": 0, "loss": 1.0}]).index) == [0]
