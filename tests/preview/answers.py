"""What a Prometheus answers to a dashboard: everything that is drawn of it, so that drawing asks nobody."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tests.helpers.grafana import Dashboard, Panel, filled, legend
from tests.helpers.prometheus import Prometheus, PrometheusError, Series

POINTS = 240
"""Of a line, at most."""


@dataclass(frozen=True)
class TimeRange:
    """From when to when a dashboard is looked at, in Unix seconds."""

    start: float
    end: float
    scrape_seconds: float
    """Between two scrapes, which Grafana's data source is told."""

    @property
    def step(self) -> float:
        """Seconds between two points of a line."""
        return max(self.scrape_seconds, (self.end - self.start) / POINTS)

    @property
    def rate_interval(self) -> float:
        """Seconds of Grafana's $__rate_interval."""
        return max(self.step + self.scrape_seconds, 4 * self.scrape_seconds)


@dataclass(frozen=True)
class Named:
    """A series as a panel shows it."""

    target: str
    """The letter of its query."""
    legend: str
    series: Series


@dataclass(frozen=True)
class Answer:
    """What a panel shows."""

    panel: Panel
    shown: tuple[Named, ...] = ()
    error: str = ""
    """Prometheus' words where it refused a query."""


@dataclass(frozen=True)
class Sheet:
    """A dashboard with its answers."""

    dashboard: Dashboard
    variables: Mapping[str, str]
    times: TimeRange
    answers: tuple[Answer, ...]
    events: Mapping[str, tuple[float, ...]]
    """When each annotation stands, by its name."""


def ask(
    prometheus: Prometheus, dashboard: Dashboard, times: TimeRange, variables: Mapping[str, str]
) -> Sheet:
    """Every query of a dashboard, with Grafana's own variables beside the given ones.

    See https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/.
    """
    values = {
        "__interval": f"{times.step:.0f}s",
        "__range": f"{times.end - times.start:.0f}s",
        "__rate_interval": f"{times.rate_interval:.0f}s",
        **variables,
    }
    answers = tuple(_answer(prometheus, panel, times, values) for panel in dashboard.panels)
    events = {
        name: _moments(_lines(prometheus, filled(expr, values), times), times.step)
        for name, expr in dashboard.annotations.items()
    }
    return Sheet(dashboard, variables, times, answers, events)


def _answer(prometheus: Prometheus, panel: Panel, times: TimeRange, values: Mapping[str, str]) -> Answer:
    shown = []
    for target in panel.targets:
        expr = filled(target.expr, values)
        try:
            found = prometheus.query(expr, times.end) if target.instant else _lines(prometheus, expr, times)
        except PrometheusError as error:
            return Answer(panel, error=str(error))
        shown += [Named(target.name, legend(target, series, values), series) for series in found]
    return Answer(panel, tuple(shown))


def _lines(prometheus: Prometheus, expr: str, times: TimeRange) -> list[Series]:
    steps = math.floor((times.end - times.start) / times.step)  # so that the last point is the newest
    return prometheus.query_range(expr, times.end - steps * times.step, times.end, times.step)


def _moments(found: list[Series], step: float) -> tuple[float, ...]:
    """Where any of the series begins to be above 0."""
    moments = set()
    for series in found:
        last = -math.inf
        for time in (time for time, value in series.points if value > 0):
            if time - last > 1.5 * step:
                moments.add(time)
            last = time
    return tuple(sorted(moments))
