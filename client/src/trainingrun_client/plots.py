"""Curves over epochs as a picture, one panel a metric, one line a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainingrun_client.errors import InputError, MissingExtraError
from trainingrun_client.run import Epoch

FORMS = (".png", ".svg", ".pdf")
WIDTH, HEIGHT = 7.0, 2.6
"""Inches of a panel."""


def plot_runs(runs: Mapping[str, Sequence[Epoch]], metrics: Sequence[str], file: Path) -> None:
    """Writes `file`; the losses of training and validation share a panel.

    Raises InputError for another form than PNG, SVG and PDF, and MissingExtraError without matplotlib.
    """
    if file.suffix.lower() not in FORMS:
        raise InputError(f"{file}: a plot is written as {', '.join(FORMS)}; name the file so")
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise MissingExtraError("a plot", "notebook") from error
    panels = _panels(metrics)
    told = [each for epochs in runs.values() for each in epochs]
    if not any(_is_number(epoch.get(name)) for epoch in told for name in metrics):
        raise InputError(f"{', '.join(runs)}: nothing to draw of {', '.join(metrics) or 'no metric'}")
    figure = Figure(figsize=(WIDTH, HEIGHT * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for place, (title, names) in zip(axes, panels.items(), strict=True):
        for run, epochs in runs.items():
            for name in names:
                points = [(each["epoch"], each[name]) for each in epochs if _is_number(each.get(name))]
                label = " ".join(part for part in (run if len(runs) > 1 else "", name) if part)
                if points:
                    place.plot(*zip(*points, strict=True), marker=".", label=label)
        place.set_ylabel(title)
        place.grid(alpha=0.3)
        if place.get_legend_handles_labels()[0]:
            place.legend(fontsize="small")
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(runs) == 1:
        figure.suptitle(next(iter(runs)))
    try:
        figure.savefig(file, dpi=120)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}") from error


def _panels(metrics: Sequence[str]) -> dict[str, list[str]]:
    losses = [name for name in metrics if name.endswith("_loss")]
    others = {name: [name] for name in metrics if name not in losses}
    return {**({"loss": losses} if losses else {}), **others}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and value == value and abs(value) != float("inf")
