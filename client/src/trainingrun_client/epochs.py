"""The epochs of a run, from wherever they are still told."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainingrun_api.log_line import MOST_SCORES
from trainingrun_client.errors import MissingExtraError
from trainingrun_client.log_lines import LogLine

if TYPE_CHECKING:
    from pandas import DataFrame

Epoch = Mapping[str, Any]
SPLITS = ("train_", "val_", "test_")


def of_lines(lines: Iterable[LogLine]) -> list[Epoch]:
    """By number. An epoch that a later attempt repeated is told as that attempt did."""
    found: dict[int, tuple[int, Epoch]] = {}
    for line in lines:
        if line.epoch is None or not isinstance(line.epoch.get("epoch"), int):
            continue
        number = line.epoch["epoch"]
        if number not in found or found[number][0] <= line.attempt:
            found[number] = line.attempt, line.epoch
    return [found[number][1] for number in sorted(found)]


def of_file(text: str) -> list[Epoch]:
    """Of metrics.json."""
    epochs: list[Epoch] = json.loads(text)
    return epochs


def complete(epochs: Sequence[Epoch], finished: int | None) -> bool:
    """Whether all are there that the run has finished."""
    return [each["epoch"] for each in epochs] == list(range(1, len(epochs) + 1)) and len(epochs) >= (
        finished or 0
    )


def shortened(epochs: Sequence[Epoch]) -> bool:
    """Whether scores may have been left out: a line of a log holds no more than MOST_SCORES."""
    return any(sum(name.startswith(SPLITS) for name in epoch) >= MOST_SCORES for epoch in epochs)


def scores(epochs: Sequence[Epoch]) -> list[str]:
    """Names of scores, in the order in which they first appear."""
    return [
        name for name in dict.fromkeys(name for epoch in epochs for name in epoch) if name.startswith(SPLITS)
    ]


def frame(epochs: Sequence[Epoch]) -> "DataFrame":
    """A row an epoch, indexed by its number; NaN where a value is missing.

    Raises MissingExtraError where pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError("a frame of metrics", "notebook") from error
    table = pd.DataFrame(list(epochs))
    if not epochs:
        return table
    if "time" in table:
        table["time"] = pd.to_datetime(table["time"])
    return table.set_index("epoch")


def losses(epochs: Sequence[Epoch]) -> dict[str, list[float]]:
    """The losses of training and validation that every epoch has, by name."""
    return {
        name: [float(each[name]) for each in epochs]
        for name in ("train_loss", "val_loss")
        if epochs and all(isinstance(each.get(name), int | float) for each in epochs)
    }


def series(epochs: Sequence[Epoch], name: str) -> list[float]:
    """The values of one metric, without the epochs that lack it."""
    return [float(each[name]) for each in epochs if isinstance(each.get(name), int | float)]
