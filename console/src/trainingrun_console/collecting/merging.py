"""Which account of an epoch counts, where several sources and attempts tell of the same. Pure.

A later attempt's counts before an earlier one's, for what it repeats is what the model became; of one attempt
the fuller source's. In whatever order accounts come, and however often, the same ones win.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from trainingrun_api.status import MAX_METRIC_NAME
from trainingrun_console.collecting.leniently import mapping, moment, number, text, whole
from trainingrun_console.collecting.observed import metrics
from trainingrun_console.history.records import Epoch

SPLITS = ("train_", "val_")
MEASURES = ("learning_rate", "seconds", "samples_per_second")
MOST_SCORES = 4096
"""Of an epoch in a file; lines of a log hold far fewer."""


class Source(IntEnum):
    """Who tells of an epoch; a higher one tells more."""

    STATUS = 0
    """The most telling scores, and the rate."""
    PAGE = 1
    """Rank 0's metrics: also the learning rate."""
    LOG = 2
    """All but what is left out of several hundred scores."""
    FILE = 3
    """metrics.json: all."""


@dataclass(frozen=True, slots=True, order=True)
class Weight:
    """How much an account counts."""

    attempt: int
    source: Source


@dataclass(frozen=True, slots=True)
class Account:
    """What one source tells of one epoch."""

    weight: Weight
    epoch: Epoch

    @property
    def number(self) -> int:
        """From 1."""
        return int(self.epoch["epoch"])


def winners(accounts: Iterable[Account], known: Mapping[int, Weight]) -> dict[int, Account]:
    """The accounts that are to be stored, by number; of equal ones the last.

    Args:
        known: what is stored already.
    """
    best: dict[int, Account] = {}
    for account in accounts:
        standing = best[account.number].weight if account.number in best else known.get(account.number)
        if standing is None or account.weight >= standing:
            best[account.number] = account
    return dict(sorted(best.items()))


def clean(told: object, at: datetime) -> Epoch | None:
    """An epoch as in metrics.json, with what the history can hold of it; None where it has no number.

    Args:
        at: its time, where it does not tell that itself.
    """
    epoch = whole(told, "epoch")
    if not epoch:
        return None
    scores = {
        name: number(value)
        for key, value in mapping(told).items()
        if (name := text(key) or "").startswith(SPLITS) and len(name) <= MAX_METRIC_NAME
    }
    return {
        "epoch": epoch,
        **({} if (step := whole(told, "global_step")) is None else {"global_step": step}),
        **dict(list(scores.items())[:MOST_SCORES]),
        **{name: value for name in MEASURES if (value := number(told, name)) is not None},
        "time": (moment(told, "time") or at).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def of_status(status: Mapping[str, Any], at: datetime) -> Epoch | None:
    """The epoch that status tells of last."""
    told = {
        **metrics(status),
        "epoch": whole(status, "progress", "epoch"),
        "samples_per_second": number(status, "progress", "samplesPerSecond"),
    }
    found = clean(told, at)
    return found if found and any(name.startswith(SPLITS) for name in found) else None
