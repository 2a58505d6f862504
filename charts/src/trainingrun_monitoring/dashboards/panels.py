"""Panels of Grafana as plain dicts: what is said of a panel goes in, its JSON comes out. Pure.

Every panel takes a title, a description, a unit by Grafana's id, and words for where nothing is known. Its
place on the grid is the dashboard's to give (grafana.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

Json = dict[str, Any]
Thresholds = Sequence[tuple[float | None, str]]
"""From which value on which colour holds; the first is for the least values and has None."""
States = Mapping[int, tuple[str, str]]
"""Text and colour for each value of a series whose numbers stand for words."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
NEUTRAL: Thresholds = ((None, "text"),)


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and how its series are named: `{{label}}` stands for a label's value."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: one value for each row, which is a set of labels."""

    title: str
    expr: str
    unit: str = "none"
    thresholds: Thresholds = NEUTRAL
    states: States | None = None


def stat(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    no_value: str,
    thresholds: Thresholds = NEUTRAL,
    states: States | None = None,
    text: str = "value",
    width: int = 3,
) -> Json:
    """The latest value as large text. `text` is Grafana's textMode: value, name or value_and_name."""
    panel = _panel("stat", title, description, unit, no_value, (width, 4), thresholds, states)
    panel["options"] = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": text,
    }
    panel["targets"] = [_target(letter, query, instant=True) for letter, query in _lettered(queries)]
    return panel


def timeseries(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    no_value: str,
    thresholds: Thresholds = NEUTRAL,
    stacked: bool = False,
    steps: bool = False,
    bounds: tuple[float | None, float | None] = (None, None),
    colours: Mapping[str, str] | None = None,
    width: int = 12,
) -> Json:
    """Lines over time. `steps` is for values that hold until the next one. `bounds` are those of the axis.
    `colours` are for lines that have one of their own, by name.
    """
    panel = _panel("timeseries", title, description, unit, no_value, (width, 8), thresholds)
    defaults = panel["fieldConfig"]["defaults"]
    defaults["color"] = {"mode": "palette-classic"}
    defaults |= {end: at for end, at in zip(("min", "max"), bounds, strict=True) if at is not None}
    defaults["custom"] = {
        "drawStyle": "line",
        "fillOpacity": 30 if stacked else 0,
        "lineInterpolation": "stepAfter" if steps else "linear",
        "lineWidth": 1,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "thresholdsStyle": {"mode": "off" if thresholds is NEUTRAL else "dashed"},
    }
    panel["fieldConfig"]["overrides"] = [
        _override(line, {"color": {"mode": "fixed", "fixedColor": colour}})
        for line, colour in (colours or {}).items()
    ]
    panel["options"] = {
        "legend": {
            "calcs": ["lastNotNull"],
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    panel["targets"] = [_target(letter, query) for letter, query in _lettered(queries)]
    return panel


def state_timeline(
    title: str,
    description: str,
    *queries: Query,
    states: States,
    no_value: str,
    width: int = 24,
) -> Json:
    """A bar for each series, in the colour of the state that it was in."""
    panel = _panel("state-timeline", title, description, "none", no_value, (width, 8), NEUTRAL, states)
    panel["fieldConfig"]["defaults"]["custom"] = {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False}
    panel["options"] = {
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "mergeValues": True,
        "rowHeight": 0.9,
        "showValue": "auto",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    panel["targets"] = [_target(letter, query) for letter, query in _lettered(queries)]
    return panel


def table(
    title: str,
    description: str,
    labels: Mapping[str, str],
    columns: Sequence[Column],
    *,
    no_value: str,
    sort_by: str,
    links: Mapping[str, str] | None = None,
    width: int = 24,
    height: int = 8,
) -> Json:
    """A row for each set of labels; the series of all columns must have the same labels, and no others.

    `labels` are titles of the columns that show labels, by label, in order. `sort_by` is the title of the
    column whose greatest value comes first. `links` are addresses that the cells of a column lead to, by its
    title.
    """
    # Grafana calls the value of a table's only query Value, those of several Value #A, Value #B and so on.
    lettered = list(_lettered(columns))
    values = [f"Value #{letter}" if len(columns) > 1 else "Value" for letter, _ in lettered]
    names = {**labels, **dict(zip(values, (column.title for column in columns), strict=True))}
    panel = _panel("table", title, description, "none", no_value, (width, height))
    panel["fieldConfig"]["defaults"]["custom"] = {
        "align": "auto",
        "cellOptions": {"type": "auto"},
        "filterable": True,
        "inspect": False,
    }
    panel["fieldConfig"]["overrides"] = [
        *(_override(column.title, _cells(column)) for column in columns),
        *(
            _override(column, {"links": [{"title": "Open", "url": url}]})
            for column, url in (links or {}).items()
        ),
    ]
    panel["options"] = {
        "cellHeight": "sm",
        "showHeader": True,
        "sortBy": [{"desc": True, "displayName": sort_by}],
    }
    panel["targets"] = [
        _target(letter, Query(column.expr, ""), instant=True) | {"format": "table"}
        for letter, column in lettered
    ]
    panel["transformations"] = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "indexByName": {name: place for place, name in enumerate(names)},
                "renameByName": names,
            },
        },
    ]
    return panel


def _panel(
    kind: str,
    title: str,
    description: str,
    unit: str,
    no_value: str,
    size: tuple[int, int],
    thresholds: Thresholds = NEUTRAL,
    states: States | None = None,
) -> Json:
    width, height = size
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "noValue": no_value,
                "color": {"mode": "thresholds"},
                "thresholds": _thresholds(thresholds),
                "mappings": _mappings(states),
            },
            "overrides": [],
        },
    }


def _target(letter: str, query: Query, instant: bool = False) -> Json:
    return {
        "refId": letter,
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
        "instant": instant,
        "range": not instant,
    }


def _lettered(items: Sequence[Any]) -> Iterable[tuple[str, Any]]:
    """Each with its refId."""
    return zip(ascii_uppercase, items, strict=False)


def _cells(column: Column) -> Json:
    coloured = column.states or column.thresholds is not NEUTRAL
    return {
        "unit": column.unit,
        "thresholds": _thresholds(column.thresholds),
        "mappings": _mappings(column.states),
        **({"custom.cellOptions": {"type": "color-text"}} if coloured else {}),
    }


def _override(field: str, properties: Json) -> Json:
    return {
        "matcher": {"id": "byName", "options": field},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def _thresholds(steps: Thresholds) -> Json:
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for value, colour in steps]}


def _mappings(states: States | None) -> list[Json]:
    if not states:
        return []
    options = {
        str(value): {"text": text, "color": colour, "index": place}
        for place, (value, (text, colour)) in enumerate(states.items())
    }
    return [{"type": "value", "options": options}]
