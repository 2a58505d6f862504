"""Draws a dashboard's answers as a sheet: each panel in its place, roughly as Grafana would show it."""

from datetime import UTC, datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.helpers.grafana import Object, Panel
from tests.preview.answers import Answer, Named, Sheet
from tests.preview.tables import cells
from tests.preview.units import formatted

COLUMNS = 24
INCHES_A_COLUMN = 0.7
INCHES_A_ROW = 0.4
HEADING_ROWS = 1
"""Above the panels, for the dashboard's title."""
MOST_LEGENDS = 8
MOST_TICKS = 5
SHORT_SECONDS = 900
"""A time range in which minutes are too coarse to tell ticks apart."""
SMALL, MEDIUM, LARGE = 6.5, 8.0, 15.0
"""Sizes of text in points."""
COLOURS = {
    "green": "#37872d", "yellow": "#c69b06", "red": "#c4162a", "blue": "#1f60c4", "orange": "#e0691a",
    "purple": "#8f3bb8", "gray": "#8e8e8e", "text": "#222222",
}  # fmt: skip
QUIET = "#8e8e8e"
KINDS = {"row", "stat", "timeseries", "state-timeline", "table"}


def draw(sheet: Sheet) -> Figure:
    """The sheet. Raises ValueError for a kind of panel that is not known here."""
    rows = max(answer.panel.place[1] + answer.panel.place[3] for answer in sheet.answers) + HEADING_ROWS
    figure = Figure(figsize=(COLUMNS * INCHES_A_COLUMN, rows * INCHES_A_ROW), dpi=100, facecolor="#f4f5f5")
    FigureCanvasAgg(figure)
    chosen = ", ".join(f"{name}={value}" for name, value in sheet.variables.items())
    title = f"{sheet.dashboard.title}   [{chosen}]   until {_clock(sheet.times.end, '%Y-%m-%d %H:%M')} UTC"
    figure.text(0.005, 1 - 0.6 / rows, title, fontsize=11, weight="bold", va="center")
    for answer in sheet.answers:
        x, y, width, height = answer.panel.place
        bottom = 1 - (y + HEADING_ROWS + height) / rows
        axes = figure.add_axes((x / COLUMNS, bottom, width / COLUMNS, height / rows))
        _panel(axes, answer, sheet)
    return figure


def _panel(frame: Axes, answer: Answer, sheet: Sheet) -> None:
    """A frame with the title, and in it what the panel shows."""
    panel = answer.panel
    frame.set_xticks([])
    frame.set_yticks([])
    for spine in frame.spines.values():
        spine.set_color("#d0d3d6")
    if panel.kind not in KINDS:
        raise ValueError(f"panels of the kind {panel.kind} cannot be drawn yet")
    if panel.kind == "row":
        frame.set_facecolor("#e4e6e8")
        frame.text(0.005, 0.5, panel.title, fontsize=9, weight="bold", va="center", transform=frame.transAxes)
        return
    inch = 1 / (panel.place[2] * INCHES_A_COLUMN)
    _write(frame, 0.1 * inch, 0.97, panel.title, MEDIUM, weight="bold", va="top", clip_on=True)
    if answer.error:
        _write(
            frame, 0.1 * inch, 0.7, "\n".join(_wrapped(answer.error)), SMALL, color=COLOURS["red"], va="top"
        )
    elif not answer.shown:
        words = panel.defaults.get("noValue", "No data")
        _write(frame, 0.5, 0.45, words, MEDIUM, color=QUIET, ha="center", va="center")
    elif panel.kind == "stat":
        _stat(frame, answer)
    elif panel.kind == "table":
        _table(frame, answer)
    else:
        _over_time(frame, answer, sheet)


def _stat(frame: Axes, answer: Answer) -> None:
    mode = answer.panel.definition.get("options", {}).get("textMode", "value")
    defaults = answer.panel.defaults
    places = len(answer.shown)
    for place, named in enumerate(answer.shown):
        words = state(defaults, named.series.value) or formatted(
            named.series.value, defaults.get("unit", "none")
        )
        text = {"name": named.legend, "value_and_name": f"{named.legend}\n{words}"}.get(mode, words)
        size = LARGE if places == 1 and len(text) < 14 else LARGE * 0.6
        colour = colour_of(defaults, named.series.value)
        _write(frame, (place + 0.5) / places, 0.42, text, size, color=colour, ha="center", va="center")


def _table(frame: Axes, answer: Answer) -> None:
    header, rows = cells(answer)
    _, _, width, height = answer.panel.place
    lines = max(1, int(height * INCHES_A_ROW / 0.17) - 2)
    share = 1 / len(header)
    letters = int(width * INCHES_A_COLUMN * share / 0.065)
    for line, row in enumerate([header, *rows[:lines]]):
        for column, text in enumerate(row):
            weight = "bold" if line == 0 else "normal"
            at = 0.86 - line * 0.84 / (lines + 1)
            _write(frame, 0.01 + column * share, at, text[:letters], SMALL, weight=weight, va="top")
    if len(rows) > lines:
        _write(frame, 0.98, 0.02, f"{len(rows) - lines} more rows", SMALL, color=QUIET, ha="right")


def _over_time(frame: Axes, answer: Answer, sheet: Sheet) -> None:
    """Lines or states, over the whole time range."""
    _, _, width, height = answer.panel.place
    left, right = 0.75 / (width * INCHES_A_COLUMN), 0.15 / (width * INCHES_A_COLUMN)
    below = 0.25 if answer.panel.kind == "state-timeline" else 0.25 + 0.14 * _legend_lines(answer)
    bottom, top = below / (height * INCHES_A_ROW), 0.3 / (height * INCHES_A_ROW)
    axes = frame.inset_axes((left, bottom, 1 - left - right, 1 - bottom - top))
    axes.tick_params(labelsize=SMALL, length=2)
    start, end = sheet.times.start, sheet.times.end
    axes.set_xlim(start, end)
    ticks = [start + (end - start) * place / (MOST_TICKS - 1) for place in range(MOST_TICKS)]
    form = "%H:%M:%S" if end - start < SHORT_SECONDS else "%H:%M"
    axes.set_xticks(ticks, [_clock(tick, form) for tick in ticks])
    if answer.panel.kind == "state-timeline":
        _states(axes, answer, sheet.times.step)
    else:
        _lines(axes, answer, sheet.times.step)
    for moment in (moment for moments in sheet.events.values() for moment in moments):
        axes.axvline(moment, color=COLOURS["red"], linewidth=0.7, linestyle="--")


def _lines(axes: Axes, answer: Answer, step: float) -> None:
    defaults = answer.panel.defaults
    unit, custom = defaults.get("unit", "none"), defaults.get("custom", {})
    if custom.get("stacking", {}).get("mode") == "normal":
        _stacked(axes, answer)
    else:
        for place, named in enumerate(answer.shown):
            steps = custom.get("lineInterpolation") == "stepAfter"
            times, values = with_gaps(named, step)
            axes.plot(
                times,
                values,
                linewidth=1,
                color=line_colour(answer.panel, named.legend, place),
                drawstyle="steps-post" if steps else "default",
                marker="." if len(times) < 3 else "",
                label=_named(named, unit),
            )
    if custom.get("thresholdsStyle", {}).get("mode", "off") != "off":
        for threshold in defaults["thresholds"]["steps"]:
            if threshold["value"] is not None:
                axes.axhline(
                    threshold["value"], color=COLOURS[threshold["color"]], linestyle=":", linewidth=0.8
                )
    low, high = axes.get_ylim()
    axes.set_ylim(defaults.get("min", low), defaults.get("max", high))
    axes.yaxis.set_major_formatter(lambda value, _: formatted(value, unit))
    axes.grid(color="#e4e6e8", linewidth=0.5)
    handles, labels = axes.get_legend_handles_labels()
    more = len(labels) - MOST_LEGENDS
    labels = [*labels[:MOST_LEGENDS]]
    if more > 0:
        labels[-1] += f"  … {more} more"
    axes.legend(
        handles[:MOST_LEGENDS],
        labels,
        fontsize=SMALL - 1,
        ncols=2,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        borderaxespad=2.2,
        frameon=False,
    )


def _stacked(axes: Axes, answer: Answer) -> None:
    times = sorted({time for named in answer.shown for time, _ in named.series.points})
    below = [0.0] * len(times)
    for place, named in enumerate(answer.shown):
        points = dict(named.series.points)
        above = [base + points.get(time, 0.0) for base, time in zip(below, times, strict=True)]
        colour = line_colour(answer.panel, named.legend, place)
        axes.fill_between(times, below, above, label=named.legend, color=colour, alpha=0.7, linewidth=0)
        below = above


def _states(axes: Axes, answer: Answer, step: float) -> None:
    for row, named in enumerate(answer.shown):
        for start, end, value in spans(named, step):
            colour = COLOURS[_mapping(answer.panel.defaults, value).get("color", "gray")]
            axes.barh(row, end - start, left=start, height=0.8, color=colour)
    axes.set_yticks(range(len(answer.shown)), [named.legend for named in answer.shown])
    axes.invert_yaxis()
    axes.tick_params(axis="y", direction="in", pad=-4, length=0)
    for label in axes.get_yticklabels():
        label.set_horizontalalignment("left")


def _mapping(defaults: Object, value: float) -> Object:
    """What a value stands for: text and colour; empty for a plain number."""
    for mapping in defaults.get("mappings", []):
        if mapping["type"] == "value" and (found := mapping["options"].get(f"{value:.0f}")):
            option: Object = found
            return option
    return {}


def state(defaults: Object, value: float) -> str:
    """The word that a value stands for; empty for a plain number."""
    return str(_mapping(defaults, value).get("text", ""))


def colour_of(defaults: Object, value: float) -> str:
    """By the value's meaning, or else by the thresholds."""
    if found := _mapping(defaults, value).get("color"):
        return COLOURS[found]
    passed = [
        step["color"]
        for step in defaults.get("thresholds", {}).get("steps", [])
        if step["value"] is None or value >= step["value"]
    ]
    return COLOURS[passed[-1] if passed else "text"]


def line_colour(panel: Panel, name: str, place: int) -> str:
    """The colour that the panel gives a line, or else that of its place among the others."""
    fixed = panel.own(name).get("color", {}).get("fixedColor")
    return COLOURS[fixed] if fixed else f"C{place}"


def with_gaps(named: Named, step: float) -> tuple[list[float], list[float]]:
    """The points of a line, with a NaN where points are missing, so that no line is drawn over the gap."""
    times: list[float] = []
    values: list[float] = []
    for time, value in named.series.points:
        if times and time - times[-1] > 1.5 * step:
            times.append(times[-1] + step)
            values.append(float("nan"))
        times.append(time)
        values.append(value)
    return times, values


def spans(named: Named, step: float) -> list[tuple[float, float, float]]:
    """From when to when the series had a value, and the value."""
    found: list[tuple[float, float, float]] = []
    for time, value in named.series.points:
        if found and found[-1][2] == value and time - found[-1][1] < step / 2:
            found[-1] = (found[-1][0], time + step, value)
        else:
            found.append((time, time + step, value))
    return found


def _named(named: Named, unit: str) -> str:
    return f"{named.legend}: {formatted(named.series.value, unit)}"


def _legend_lines(answer: Answer) -> int:
    return (min(len(answer.shown), MOST_LEGENDS) + 1) // 2


def _clock(time: float, form: str) -> str:
    return datetime.fromtimestamp(time, UTC).strftime(form)


def _wrapped(text: str, width: int = 70) -> list[str]:
    return [text[start : start + width] for start in range(0, min(len(text), 6 * width), width)]


def _write(frame: Axes, x: float, y: float, text: str, size: float, **style: Any) -> None:
    frame.text(x, y, text, fontsize=size, transform=frame.transAxes, **style)
