"""Dashboards of Grafana: what each shows stands in the file of its name, how its JSON is made in grafana.py.

The chart delivers the generated files. Every query here is evaluated against a real Prometheus by the
end-to-end tests, so `queries` gives them all.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from trainingrun_monitoring.dashboards import compare, fleet, operator, run

DASHBOARDS: Mapping[str, dict[str, Any]] = {
    f"{module.UID}.json": module.build() for module in (run, fleet, operator, compare)
}
"""By file name."""


def queries() -> Iterator[tuple[str, str, str]]:
    """File name, title of the panel or event, and PromQL with its variables, of every query."""
    for file, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield file, panel["title"], target["expr"]
        for event in dashboard["annotations"]["list"]:
            yield file, event["name"], event["expr"]
