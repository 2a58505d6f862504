"""Runs side by side: in which settings they differ, and what came of each. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainingrun_client.epochs import SPLITS
from trainingrun_console.api.models import Difference
from trainingrun_console.history.records import Epoch
from trainingrun_console.page.told import Told, number

MOST_RUNS = 8
MOST_METRICS = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table with a column for each run."""

    label: str
    values: Sequence[str]
    """Empty where a run has none."""


def settings(differences: Sequence[Difference]) -> list[Line]:
    """The settings that differ, without the `spec.` that all begin with."""
    return [Line(each.field.removeprefix("spec."), list(map(_text, each.values))) for each in differences]


def outcomes(runs: Sequence[Told], last: Sequence[Epoch]) -> list[Line]:
    """What came of each; `last` are their last epochs, empty where there is none."""
    names = {name for each in last for name in each if name.startswith(SPLITS) and "_class_" not in name}
    lines = [
        Line("phase", [told.phase for told in runs]),
        Line("epochs", [told.epochs for told in runs]),
        Line("best", [_best(told) for told in runs]),
        *(Line(name, [_number(each.get(name)) for each in last]) for name in sorted(names)[:MOST_METRICS]),
        Line("time", [told.took for told in runs]),
        Line("restarts", [str(told.run.restarts) for told in runs]),
        Line("goodput", [_share(told.status.goodput) for told in runs]),
    ]
    return [line for line in lines if any(line.values)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _number(value: Any) -> str:
    return "" if value is None else number(value)


def _best(told: Told) -> str:
    run = told.run
    if run.best_value is None:
        return ""
    return f"{run.monitor or ''} {number(run.best_value)} in epoch {run.best_epoch}".strip()


def _share(value: str | None) -> str:
    return f"{float(value):.0%}" if value else ""
