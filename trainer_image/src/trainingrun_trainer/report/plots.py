"""Plots as PNG. What a plot shows is decided by pure functions of the recorded epochs and of what the last
validation counted; matplotlib draws it, without pyplot and its global state of figures."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainingrun_trainer.artifacts import Record
from trainingrun_trainer.metrics import HEADLINE
from trainingrun_trainer.report import curves
from trainingrun_trainer.report.curves import Curve
from trainingrun_trainer.report.palette import INK, PALETTE, Theme

Series = Mapping[str, Sequence[tuple[int, float]]]
"""By label: epoch and value."""

INCHES = (6.4, 4.0)
SQUARE = (5.6, 5.0)
DOTS_PER_INCH = 110
MOST_CELLS_WITH_NUMBERS = 12
MOST_NAMED_CLASSES = 40
MOST_MARKED_EPOCHS = 40


@dataclass(frozen=True)
class Plot:
    """What draws on one pair of axes, and its size."""

    draw: Callable[[Axes], None]
    inches: tuple[float, float] = INCHES


def png(plot: Plot, theme: Theme = "light") -> bytes:
    """Draw a plot."""
    paper, ink = INK[theme]
    style: dict[Any, Any] = {
        **dict.fromkeys(
            ("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor"), paper
        ),
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), ink
        ),
        "axes.prop_cycle": cycler(color=PALETTE),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "legend.frameon": False,
    }
    file = io.BytesIO()
    with mpl.rc_context(style):
        figure = Figure(figsize=plot.inches, dpi=DOTS_PER_INCH, layout="constrained")
        plot.draw(figure.add_subplot())
        figure.savefig(file, format="png")
    return file.getvalue()


def of_training(epochs: Sequence[Record], monitor: str, best_epoch: int) -> dict[str, Plot]:
    """The plots over epochs, by file name: loss, learning rate, the monitored and the headline metrics."""
    headline = [f"val_{name}" for name in HEADLINE if name != "loss"]
    train = f"train_{monitor.partition('_')[2]}"
    shown = {
        "loss": ("loss", series(epochs, ("train_loss", "val_loss"))),
        "learning_rate": ("learning rate", series(epochs, ("learning_rate",))),
        "monitor": (monitor, series(epochs, (monitor, train))),
        "metrics": ("validation", series(epochs, headline)),
    }
    return {name: over_epochs(title, lines, best_epoch) for name, (title, lines) in shown.items() if lines}


def series(epochs: Sequence[Record], names: Sequence[str]) -> Series:
    """The values of some metrics over epochs, of those that were measured."""
    found = {
        name: [(int(epoch["epoch"]), float(epoch[name])) for epoch in epochs if epoch.get(name) is not None]
        for name in names
    }
    return {name: points for name, points in found.items() if points}


def over_epochs(title: str, lines: Series, best_epoch: int) -> Plot:
    """Lines over epochs; the best one is marked."""

    def draw(axes: Axes) -> None:
        for label, points in lines.items():
            marker = "o" if len(points) <= MOST_MARKED_EPOCHS else None
            axes.plot(*zip(*points, strict=True), label=label, marker=marker, markersize=3)
        axes.axvline(best_epoch, linestyle=":", color="#808080", label="best epoch")
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()

    return Plot(draw)


def of_evidence(evidence: Mapping[str, torch.Tensor], classes: Sequence[str]) -> dict[str, Plot]:
    """The plots of what the last validation counted, by file name: confusion matrix, ROC, precision and
    recall."""
    result: dict[str, Plot] = {}
    if "confusion" in evidence:
        result["confusion_matrix"] = confusion_matrix(evidence["confusion"], classes)
    if "probabilities" in evidence:
        counted = evidence["probabilities"], evidence["labels"], classes
        result["roc"] = curve_plot("ROC", ("false positive rate", "true positive rate"), curves.roc(*counted))
        result["precision_recall"] = curve_plot(
            "precision and recall", ("recall", "precision"), curves.precision_recall(*counted)
        )
    return result


def confusion_matrix(counts: torch.Tensor, classes: Sequence[str]) -> Plot:
    """Counts, (classes, classes) by truth and prediction, coloured by their share of the true class."""
    shares = (counts.double() / counts.sum(dim=1, keepdim=True).clamp(min=1)).numpy()

    def draw(axes: Axes) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.grid(visible=False)
        axes.set(title="confusion matrix", xlabel="predicted", ylabel="true")
        if len(classes) <= MOST_NAMED_CLASSES:
            places = range(len(classes))
            axes.set_xticks(places, [short(name) for name in classes], rotation=45, ha="right")
            axes.set_yticks(places, [short(name) for name in classes])
        if len(classes) <= MOST_CELLS_WITH_NUMBERS:
            for row, column in np.ndindex(shares.shape):
                axes.text(
                    column,
                    row,
                    compact(int(counts[row, column])),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if shares[row, column] > 0.5 else "black",
                )

    return Plot(draw, SQUARE)


def curve_plot(title: str, axis_labels: tuple[str, str], lines: Sequence[Curve]) -> Plot:
    """Curves within the unit square, with their areas in the legend."""

    def draw(axes: Axes) -> None:
        for line in lines:
            axes.plot(line.x, line.y, label=f"{short(line.label)} ({line.area:.3f})")
        x_label, y_label = axis_labels
        limits: Any = (-0.02, 1.02)
        axes.set(title=title, xlabel=x_label, ylabel=y_label, xlim=limits, ylim=limits)
        if lines:
            axes.legend()

    return Plot(draw, SQUARE)


def short(name: str) -> str:
    """A class name for an axis. The dollar sign would begin a formula."""
    return (name if len(name) <= 16 else f"{name[:15]}…").replace("$", r"\$")


def compact(count: int) -> str:
    """A count in few characters: 999, 12k, 3.4M."""
    if count < 10_000:
        return str(count)
    return f"{count / 1e6:.1f}M" if count >= 1_000_000 else f"{count // 1000}k"
