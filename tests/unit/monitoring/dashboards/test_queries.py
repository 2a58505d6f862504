"""What the dashboards ask for is exported: every metric, and every label of it."""

import re

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector

from tests.cluster.api import TREE
from tests.helpers.promql import read
from trainingrun_api import telemetry
from trainingrun_api.exposition import MetricFamily
from trainingrun_monitoring import dcgm
from trainingrun_monitoring.dashboards import DASHBOARDS, queries
from trainingrun_operator import metrics, run_series

TARGET = frozenset({"job", "instance"})
"""What Prometheus itself puts on every series."""
RELABELINGS = TREE / "charts" / "trainingrun-operator" / "templates" / "_helpers.tpl"
TRAINER_TARGET = TARGET.union(
    ("namespace", "pod"), re.findall(r"targetLabel: (\w+)", RELABELINGS.read_text(encoding="utf-8"))
)
"""What a PodMonitor, and what the chart's in particular, puts on the series of a training pod."""


def exported() -> dict[str, frozenset[str]]:
    """The labels that a series can have, by its name."""
    trainer = [family for family in vars(telemetry).values() if isinstance(family, MetricFamily)]
    found: dict[str, frozenset[str]] = {}
    for families, more in (
        (run_series.FAMILIES, TARGET | set(run_series.RUN_LABELS)),
        (metrics.FAMILIES, TARGET | {"namespace"}),
        (trainer, TRAINER_TARGET),
        (dcgm.FAMILIES, TARGET | {"node"}),
    ):
        for family in families:
            labels = more.union(family.labels)
            if family.kind == "histogram":
                found |= {f"{family}_sum": labels, f"{family}_count": labels}
                found[f"{family}_bucket"] = labels | {"le"}
            else:
                found[family] = labels
    process = CollectorRegistry()
    ProcessCollector(registry=process)
    return found | {sample.name: TARGET for metric in process.collect() for sample in metric.samples}


EXPORTED = exported()
LABEL_VALUES = [
    pytest.param(variable["query"], id=f"{file}: {variable['name']}")
    for file, dashboard in DASHBOARDS.items()
    for variable in dashboard["templating"]["list"]
    if variable["type"] == "query"
]


@pytest.mark.parametrize(
    "expr", [pytest.param(expr, id=f"{file}: {title}") for file, title, expr in queries()]
)
def test_a_query_names_only_metrics_and_labels_that_are_exported(expr: str) -> None:
    reading = read(expr)
    for selector in reading.selectors:
        assert set(selector.matched) <= EXPORTED[selector.name], selector
    known = reading.made.union(*(EXPORTED[selector.name] for selector in reading.selectors))
    assert reading.labels <= known


@pytest.mark.parametrize("query", LABEL_VALUES)
def test_a_variable_asks_for_a_label_that_is_exported(query: str) -> None:
    series, label = query.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
    [selector] = read(series).selectors
    assert {*selector.matched, label} <= EXPORTED[selector.name]


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(target, id=f"{file}: {panel['title']} {target['refId']}")
        for file, dashboard in DASHBOARDS.items()
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ],
)
def test_a_legend_names_labels_that_the_outermost_sum_leaves(target: dict[str, str]) -> None:
    reading = read(target["expr"])
    for label in target["legendFormat"].split("{{")[1:]:
        name = label.split("}}")[0]
        assert name in reading.labels or (name in TARGET and not reading.labels), name


def test_every_query_is_given() -> None:
    shown = sum(len(panel.get("targets", ())) for found in DASHBOARDS.values() for panel in found["panels"])
    events = sum(len(found["annotations"]["list"]) for found in DASHBOARDS.values())
    assert events == 2, "restarts and resumes, over the panels of one run"
    assert len(list(queries())) == shown + events
