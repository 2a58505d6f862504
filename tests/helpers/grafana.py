"""Grafana's dashboards as they are shipped: panels, their queries, and what Grafana writes for variables."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.api import TREE
from tests.helpers.prometheus import Prometheus, PrometheusError, Series

Object = dict[str, Any]

FOLDER = TREE / "charts" / "trainingrun-operator" / "dashboards"
VARIABLE = re.compile(r"\$(?P<plain>[A-Za-z_]\w*)|\$\{(?P<braced>\w+)(?::\w+)?\}|\[\[(?P<old>\w+)\]\]")
LABEL_VALUES = re.compile(r"label_values\((?:(?P<expr>.+),\s*)?(?P<label>\w+)\)\s*$", re.DOTALL)
QUERY_RESULT = re.compile(r"query_result\((?P<expr>.+)\)\s*$", re.DOTALL)


@dataclass(frozen=True)
class Target:
    """One query of a panel; variables stand in it as they are written."""

    expr: str
    name: str
    """Its letter in the panel."""
    legend: str
    instant: bool
    """Whether the newest values are asked for, and not those of the whole time range."""


@dataclass(frozen=True)
class Panel:
    """A panel or a row's heading."""

    kind: str
    title: str
    place: tuple[int, int, int, int]
    """x, y, width and height in Grafana's grid of 24 columns."""
    targets: tuple[Target, ...]
    definition: Object

    @property
    def defaults(self) -> Object:
        """How its values are shown."""
        found: Object = self.definition.get("fieldConfig", {}).get("defaults", {})
        return found

    def own(self, name: str) -> Object:
        """How one line or column, by the name that people see, is shown otherwise than the others."""
        return {
            entry["id"]: entry["value"]
            for override in self.definition.get("fieldConfig", {}).get("overrides", [])
            if override["matcher"] == {"id": "byName", "options": name}
            for entry in override["properties"]
        }


@dataclass(frozen=True)
class Variable:
    """A choice that a dashboard offers, by a query."""

    name: str
    query: str
    several: bool
    """Whether all can be chosen at once, and are at first."""
    all_value: str
    """The regular expression for all, where it is not made of them."""


@dataclass(frozen=True)
class Dashboard:
    """A dashboard file."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    """Those of rows included."""
    annotations: Mapping[str, str]
    """Query by name."""
    variables: tuple[Variable, ...]
    """Those that ask for their values; a query may hold variables before it."""

    def queries(self) -> Iterator[tuple[str, str]]:
        """Where a query stands, and the query: of panels and annotations."""
        for panel in self.panels:
            for target in panel.targets:
                yield f"{self.uid}: {panel.title} {target.name}", target.expr
        for name, expr in self.annotations.items():
            yield f"{self.uid}: annotation {name}", expr


def dashboards(folder: Path = FOLDER) -> list[Dashboard]:
    """All of a folder, by file name."""
    return [dashboard(json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))]


def dashboard(document: Object) -> Dashboard:
    """What a dashboard file says."""
    annotations = document.get("annotations", {}).get("list", [])
    variables = document.get("templating", {}).get("list", [])
    return Dashboard(
        uid=document["uid"],
        title=document["title"],
        panels=tuple(_panels(document["panels"])),
        annotations={found["name"]: found["expr"] for found in annotations if "expr" in found},
        variables=tuple(_variable(found) for found in variables if found["type"] == "query"),
    )


def _panels(found: list[Object]) -> Iterator[Panel]:
    for panel in found:
        place = panel["gridPos"]
        targets = tuple(
            Target(
                expr=target["expr"],
                name=target["refId"],
                legend=target.get("legendFormat", ""),
                instant=target.get("instant", False) or target.get("format") == "table",
            )
            for target in panel.get("targets", [])
        )
        yield Panel(
            kind=panel["type"],
            title=panel.get("title", ""),
            place=(place["x"], place["y"], place["w"], place["h"]),
            targets=targets,
            definition=panel,
        )
        yield from _panels(panel.get("panels", []))


def _variable(found: Object) -> Variable:
    query = found["query"]
    return Variable(
        name=found["name"],
        query=query["query"] if isinstance(query, dict) else query,
        several=found.get("multi", False),
        all_value=found.get("allValue") or "",
    )


def filled(expr: str, values: Mapping[str, str]) -> str:
    """The text with its variables replaced. Raises KeyError for one that has no value.

    >>> filled('x{a="$run"}[${__range}]', {"run": "r", "__range": "1h"})
    'x{a="r"}[1h]'
    """
    return VARIABLE.sub(lambda found: values[found["plain"] or found["braced"] or found["old"]], expr)


def legend(target: Target, series: Series, values: Mapping[str, str]) -> str:
    """What Grafana writes beside a line."""
    if target.legend in ("", "__auto"):
        labels = (f"{name}={value}" for name, value in sorted(series.labels.items()) if name != "__name__")
        return ", ".join(labels) or target.name
    text = re.sub(r"{{\s*(\w+)\s*}}", lambda found: series.labels.get(found[1], ""), target.legend)
    return filled(text, values)


def choices(
    prometheus: Prometheus, query: str, values: Mapping[str, str], at: float | None = None
) -> set[str]:
    """What a variable can be set to, by its query. Raises PrometheusError where it is none of those known."""
    query = filled(query, values)
    if found := LABEL_VALUES.match(query):
        return {
            series.labels[found["label"]]
            for series in prometheus.query(found["expr"], at)
            if found["label"] in series.labels
        }
    if found := QUERY_RESULT.match(query):
        return {str(sorted(series.labels.items())) for series in prometheus.query(found["expr"], at)}
    raise PrometheusError(f"a variable's query that is not known here: {query}")


def chosen(
    prometheus: Prometheus, dashboard: Dashboard, given: Mapping[str, str], at: float | None = None
) -> dict[str, str]:
    """A value for each variable: all that its query finds; for one that takes a single value the given one,
    or else the first. Empty where nothing is found."""
    values: dict[str, str] = {}
    for variable in dashboard.variables:
        if variable.name in given and not variable.several:
            values[variable.name] = given[variable.name]
            continue
        found = sorted(choices(prometheus, variable.query, values, at))
        if variable.several:
            values[variable.name] = variable.all_value or f"({'|'.join(map(_escaped, found))})"
        else:
            values[variable.name] = found[0] if found else ""
    return values


def _escaped(value: str) -> str:
    """A value as a regular expression inside a string of PromQL."""
    return re.sub(r"[$^*{}\[\]'+?.()|\\]", r"\\\\\g<0>", value)
