"""`compare`: what runs have in common is left out; what differs stands side by side, with how they ended."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from trainingrun_client.cli import screen, words
from trainingrun_client.cli.options import complete_run
from trainingrun_client.cli.story import MOST_METRICS, chosen
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.errors import InputError
from trainingrun_client.plots import plot_runs
from trainingrun_client.run import TrainingRun
from trainingrun_operator.times import human_duration

LEFT_OUT = ("suspend", "ttlSecondsAfterFinished")
Table = list[tuple[str, list[str]]]


def compare(
    client: TrainingRunClient,
    names: Annotated[list[str], typer.Argument(metavar="RUN RUN...", autocompletion=complete_run)],
    wanted: Annotated[
        list[str] | None, typer.Option("--metric", "-m", help="A metric; again for more.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw curves into a PNG, SVG or PDF.")
    ] = None,
) -> None:
    """Runs side by side.

    The settings in which they differ, and what came of them.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError("compare wants two runs or more, each once")
    runs = [client.get(name) for name in names]
    known = {name for run in runs for name in run.metrics}
    if missing := [name for name in wanted or () if name not in known]:
        raise InputError(
            f"no run has {', '.join(missing)}; there are {', '.join(sorted(known)) or 'no metrics'}"
        )
    metrics = wanted or _usual(runs)
    if plot:
        plot_runs({run.name: client.epochs(run.name, most_telling=not wanted) for run in runs}, metrics, plot)
        screen.say(f"{plot} written")
        return
    settings, results = differences([run.raw["spec"] for run in runs]), outcomes(runs, metrics)
    if as_json:
        rows = {label: dict(zip(names, values, strict=True)) for label, values in [*settings, *results]}
        screen.write(json.dumps(rows, indent=2))
        return
    if not settings:
        screen.say("The settings of these runs are the same.")
    rows_shown = [(label, *values) for label, values in [*settings, *results]]
    screen.show(screen.table(["", *names], rows_shown))


def differences(specs: Sequence[Mapping[str, Any]]) -> Table:
    """Dotted paths of the spec, and the value of each run; empty where a run has none."""
    flat = [_flat(spec) for spec in specs]
    paths = sorted({path for each in flat for path in each})
    rows = [(path, [_text(each.get(path)) for each in flat]) for path in paths]
    return [(path, values) for path, values in rows if len(set(values)) > 1]


def outcomes(runs: Sequence[TrainingRun], metrics: Sequence[str]) -> Table:
    """What came of each run."""
    rows: Table = [
        ("phase", [str(run.phase) for run in runs]),
        ("epoch", [_column(run, "epoch") for run in runs]),
        ("best", [_best(run) for run in runs]),
    ]
    rows += [(name, [words.number(run.metrics.get(name)) for run in runs]) for name in metrics]
    rows += [
        ("time in training", [_useful(run) for run in runs]),
        ("images/s", [_rate(run) for run in runs]),
        ("goodput", [run.status.goodput or "" for run in runs]),
        ("restarts", [str(run.status.restarts.total if run.status.restarts else 0) for run in runs]),
    ]
    return [(label, values) for label, values in rows if any(values)]


def _usual(runs: Sequence[TrainingRun]) -> list[str]:
    names = list(dict.fromkeys(name for run in runs for name in run.metrics))
    monitor = next((run.status.best.name for run in runs if run.status.best), None)
    return chosen(names, monitor)[:MOST_METRICS]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {path: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if path or key not in LEFT_OUT:
            found |= _flat(inner, f"{path}.{key}" if path else key)
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _column(run: TrainingRun, name: str) -> str:
    return getattr(run.status.columns, name, None) or ""


def _best(run: TrainingRun) -> str:
    best = run.status.best
    return f"{best.name} {words.number(float(best.value))} in epoch {best.epoch}" if best else ""


def _useful(run: TrainingRun) -> str:
    told = run.status.progress
    return human_duration(told.useful_seconds) if told and told.useful_seconds is not None else ""


def _rate(run: TrainingRun) -> str:
    told = run.status.progress
    return words.number(float(told.samples_per_second)) if told and told.samples_per_second else ""
