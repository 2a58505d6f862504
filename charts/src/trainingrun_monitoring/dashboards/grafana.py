"""A dashboard of Grafana as a plain dict: variables, rows of panels, events, and links to the others. Pure.

Plain dicts, for Grafana's own builder (grafana-foundation-sdk) is a public preview, and what is used of the
format fits into this file and panels.py. The format: Grafana's documentation, "Dashboard JSON model".
"""

from collections.abc import Iterable, Mapping, Sequence

from trainingrun_monitoring.dashboards.panels import DATASOURCE, Json

SCHEMA_VERSION = 39
"""Grafana 11's; later ones migrate it while they load it."""
GRID_COLUMNS = 24
TAG = "trainingrun"
"""By it the dashboards find each other."""


def dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    variables: Sequence[Json],
    rows: Mapping[str, Sequence[Json]],
    events: Sequence[Json] = (),
    since: str = "now-6h",
) -> Json:
    """Panels by the title of their row, from left to right and then down."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": since, "to": "now"},
        "timezone": "browser",
        "annotations": {"list": list(events)},
        "links": [
            {
                "type": "dashboards",
                "title": "TrainingRun",
                "tags": [TAG],
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": [_datasource(), *variables]},
        "panels": list(_placed(rows)),
    }


def variable(
    name: str, label: str, values: str, *, several: bool = False, all_value: str | None = None
) -> Json:
    """A choice among the values of a label: `values` is `label_values(SERIES, LABEL)`.

    With `several`, more than one can be chosen, and all of them at first. `all_value` is the regular
    expression for all; without it, All means those that the list shows.
    """
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": values,
        "definition": values,
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": several,
        "includeAll": several,
        **({"current": {"text": "All", "value": "$__all"}} if several else {}),
        **({"allValue": all_value} if all_value else {}),
    }


def event(name: str, expr: str, *, title: str, colour: str) -> Json:
    """Vertical lines over all panels while `expr` is above 0; `{{label}}` in the title as in a legend."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "expr": expr,
        "titleFormat": title,
        "useValueForTime": False,
    }


def _datasource() -> Json:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
    }


def _placed(rows: Mapping[str, Sequence[Json]]) -> Iterable[Json]:
    """The panels with places and ids, each row below its heading."""
    number = y = 0
    for heading, panels in rows.items():
        number += 1
        place = {"x": 0, "y": y, "w": GRID_COLUMNS, "h": 1}
        yield {
            "id": number,
            "type": "row",
            "title": heading,
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
        x, y, lowest = 0, y + 1, y + 1
        for panel in panels:
            number += 1
            size = panel["gridPos"]
            if x + size["w"] > GRID_COLUMNS:
                x, y = 0, lowest
            yield {"id": number, **panel, "gridPos": {"x": x, "y": y, **size}}
            x, lowest = x + size["w"], max(lowest, y + size["h"])
        y = lowest
