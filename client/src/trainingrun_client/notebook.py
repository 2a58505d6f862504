"""How Jupyter shows runs: a card with the loss curve, a table. Needs no plotting library."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from trainingrun_client.errors import TrainingRunError

if TYPE_CHECKING:
    from trainingrun_client.run import Epoch, TrainingRun

WIDTH, HEIGHT, MARGIN = 360, 120, 4
COLORS = {"train_loss": "#4c72b0", "val_loss": "#dd8452"}
COLUMNS = ("Name", "Phase", "Epoch", "Metric", "Progress", "ETA")


def card(run: "TrainingRun") -> str:
    """The run in a few lines, and its loss over epochs where that can be had."""
    try:
        epochs: Sequence[Epoch] = run.history()
    except TrainingRunError as error:  # the card is no place to fail
        curve = f"<small>no epochs: {escape(str(error))}</small>"
    else:
        curve = loss_curve(epochs)
    why = f"<br>{escape(run.reason)}: {escape(run.message)}" if run.message else ""
    return f"<div>{table([run])}<small>{why}</small>{curve}</div>"


def table(runs: Iterable["TrainingRun"]) -> str:
    """A row a run."""
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    rows = ["".join(f"<td>{escape(cell)}</td>" for cell in _cells(run)) for run in runs]
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def loss_curve(epochs: Sequence["Epoch"]) -> str:
    """Training and validation loss over epochs as SVG; nothing below two epochs."""
    lines = {name: _finite(epochs, name) for name in COLORS}
    shown = {name: points for name, points in lines.items() if len(points) > 1}
    if not shown:
        return ""
    values = [value for points in shown.values() for _, value in points]
    low, high = min(values), max(values)
    last = max(epoch for points in shown.values() for epoch, _ in points)
    drawn = "".join(
        f'<polyline fill="none" stroke="{COLORS[name]}" stroke-width="1.5" points="'
        + " ".join(_place(epoch, value, last, low, high) for epoch, value in points)
        + '"/>'
        for name, points in shown.items()
    )
    legend = " ".join(
        f'<span style="color:{COLORS[name]}">{name} {points[-1][1]:.4g}</span>'
        for name, points in shown.items()
    )
    title = f"loss over {last} epochs, from {low:.4g} to {high:.4g}"
    return (
        f'<br><svg role="img" width="{WIDTH}" height="{HEIGHT}"><title>{title}</title>{drawn}</svg>'
        f"<br><small>{legend}</small>"
    )


def _cells(run: "TrainingRun") -> tuple[str, ...]:
    shown = run.status.columns
    told = (shown.epoch, shown.metric, shown.progress, shown.eta) if shown else (None,) * 4
    return (run.name, str(run.phase), *(text or "" for text in told))


def _finite(epochs: Sequence["Epoch"], name: str) -> list[tuple[int, float]]:
    found = [(int(each["epoch"]), each.get(name)) for each in epochs]
    return [
        (epoch, float(value))
        for epoch, value in found
        if isinstance(value, int | float) and abs(value) < float("inf")
    ]


def _place(epoch: int, value: float, last: int, low: float, high: float) -> str:
    x = MARGIN + (WIDTH - 2 * MARGIN) * (epoch - 1) / max(last - 1, 1)
    y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / ((high - low) or 1)
    return f"{x:.1f},{y:.1f}"
