"""`metrics`: the epochs of a run as a table, JSON, CSV or a plot."""

import csv
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from trainingrun_client.cli import screen, words
from trainingrun_client.cli.options import Run
from trainingrun_client.cli.story import chosen
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.epochs import scores
from trainingrun_client.errors import InputError
from trainingrun_client.plots import plot_runs
from trainingrun_client.run import Epoch

MOST_COLUMNS = 5
BESIDE = ("learning_rate", "seconds")


def metrics(
    client: TrainingRunClient,
    name: Run,
    wanted: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", help="A column; again for more. Default: what tells most."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as metrics.json.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="All of it, as CSV.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw curves into a PNG, SVG or PDF.")
    ] = None,
) -> None:
    """The scores of every epoch."""
    run = client.get(name)
    epochs = client.epochs(name, most_telling=not (as_json or as_csv or wanted))
    if not epochs:
        raise InputError(f"{name} has told of no epoch yet ({run.phase}, {run.reason}: {run.message})")
    missing = [each for each in wanted or () if all(each not in epoch for epoch in epochs)]
    if missing:
        raise InputError(f"no epoch has {', '.join(missing)}; there are {', '.join(scores(epochs))}")
    monitor = run.status.best.name if run.status.best else None
    if as_json:
        screen.write(json.dumps([_finite(epoch) for epoch in epochs], indent=2, allow_nan=False))
    elif as_csv:
        _write_csv(epochs)
    elif plot:
        plot_runs({name: epochs}, wanted or _usual(epochs, monitor), plot)
        screen.say(f"{plot} written")
    else:
        names = wanted or [*_usual(epochs, monitor), *BESIDE]
        rows = [[str(epoch["epoch"]), *(words.number(epoch.get(each)) for each in names)] for epoch in epochs]
        screen.show(screen.table(["EPOCH", *names], rows))


def _usual(epochs: Sequence[Epoch], monitor: str | None) -> list[str]:
    return chosen(scores(epochs), monitor)[:MOST_COLUMNS]


def _finite(epoch: Epoch) -> dict[str, object]:
    """As in metrics.json, where null is what JSON has no number for."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in epoch.items()
    }


def _write_csv(epochs: Sequence[Epoch]) -> None:
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch))
    table = csv.DictWriter(sys.stdout, fieldnames=names, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(epochs)
