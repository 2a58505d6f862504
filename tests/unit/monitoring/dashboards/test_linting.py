"""The rules of Grafana's dashboard-linter (https://github.com/grafana/dashboard-linter, docs/rules), and
more.

Those about `job` and `instance` hold for the operator's dashboard. The other dashboards are about runs,
whose series are found by namespace, project and name, whatever scrape they come from.
"""

import re
from itertools import combinations
from typing import Any

import pytest

from tests.helpers.promql import Selector, read
from trainingrun_monitoring import dcgm
from trainingrun_monitoring.dashboards import DASHBOARDS, queries
from trainingrun_operator import metrics, run_series

Json = dict[str, Any]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"none", "short", "sci", "s", "percentunit", "bytes", "mbytes", "ops", "reqps"}
"""Some of those in packages/grafana-data/src/valueFormats/categories.ts of grafana/grafana."""
BUILT_IN = {"__rate_interval", "__range", "__url_time_range", "__data"}
BEGUN_BY_THEIR_FIRST_EVENT = {metrics.ATTEMPTS_ENDED}
"""Counters of which an increase misses the first event; the dashboard adds it."""
VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")

every_dashboard = pytest.mark.parametrize("file", DASHBOARDS)
PANELS = [
    pytest.param(panel, id=f"{file}: {panel['title']}")
    for file, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]
every_panel = pytest.mark.parametrize("panel", PANELS)
every_query = pytest.mark.parametrize(
    ("file", "expr"), [pytest.param(file, expr, id=f"{file}: {title}") for file, title, expr in queries()]
)


def variables(file: str) -> list[Json]:
    found: list[Json] = DASHBOARDS[file]["templating"]["list"]
    return found


def panels(file: str) -> list[Json]:
    found: list[Json] = DASHBOARDS[file]["panels"]
    return found


def test_the_files_are_those_that_links_and_bookmarks_know() -> None:
    assert {file: dashboard["uid"] for file, dashboard in DASHBOARDS.items()} == {
        "trainingrun-run.json": "trainingrun-run",
        "trainingrun-fleet.json": "trainingrun-fleet",
        "trainingrun-operator.json": "trainingrun-operator",
        "trainingrun-compare.json": "trainingrun-compare",
    }


@every_dashboard
def test_the_data_source_is_a_variable_and_nothing_else_is_asked(file: str) -> None:
    [source] = [found for found in variables(file) if found["type"] == "datasource"]
    assert (source["name"], source["label"], source["query"]) == ("datasource", "Data source", "prometheus")

    def asked(part: Any) -> list[Any]:
        if isinstance(part, dict):
            own = [part["datasource"]] if "datasource" in part else []
            return own + [source for value in part.values() for source in asked(value)]
        return [source for value in part for source in asked(value)] if isinstance(part, list) else []

    assert asked(DASHBOARDS[file])
    assert [source for source in asked(DASHBOARDS[file]) if source != DATASOURCE] == []


@every_dashboard
def test_variables_ask_anew_when_the_time_range_changes(file: str) -> None:
    assert [found["refresh"] for found in variables(file) if found["type"] == "query"] == [2] * (
        len(variables(file)) - 1
    )


@every_dashboard
def test_variables_are_declared_before_they_are_used_and_each_is_used(file: str) -> None:
    declared: list[str] = []
    used: set[str] = set()
    for found in variables(file):
        asking = set(VARIABLE.findall(found["query"]))
        assert asking <= set(declared), found["name"]
        used |= asking
        declared.append(found["name"])
    for _, _, expr in [query for query in queries() if query[0] == file]:
        used |= set(VARIABLE.findall(expr))
    assert used - BUILT_IN | {"datasource"} == set(declared)


@every_dashboard
def test_nobody_edits_a_copy_that_the_next_release_overwrites(file: str) -> None:
    assert DASHBOARDS[file]["editable"] is False


@every_dashboard
def test_it_opens_on_what_is_now_and_stays_so(file: str) -> None:
    dashboard = DASHBOARDS[file]
    assert re.fullmatch(r"now-\d+[hd]", dashboard["time"]["from"])
    assert (dashboard["time"]["to"], dashboard["refresh"]) == ("now", "30s")
    assert dashboard["schemaVersion"] >= 39
    assert dashboard["tags"] == ["trainingrun"] == dashboard["links"][0]["tags"]
    assert "id" not in dashboard, "Grafana gives it"


@every_dashboard
def test_ids_are_unique(file: str) -> None:
    ids = [panel["id"] for panel in panels(file)]
    assert len(set(ids)) == len(ids)


@every_dashboard
def test_panels_stand_on_the_grid_and_not_on_each_other(file: str) -> None:
    places = [panel["gridPos"] for panel in panels(file)]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 and place["h"] > 0 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


@every_panel
def test_a_panel_says_what_it_shows_and_what_it_means_that_it_shows_nothing(panel: Json) -> None:
    assert panel["title"]
    assert panel["description"].endswith((".", "`."))
    assert panel["fieldConfig"]["defaults"]["noValue"]


@every_panel
def test_a_panel_has_units_that_grafana_knows(panel: Json) -> None:
    of_columns = [
        entry["value"]
        for override in panel["fieldConfig"]["overrides"]
        for entry in override["properties"]
        if entry["id"] == "unit"
    ]
    assert {panel["fieldConfig"]["defaults"]["unit"], *of_columns} <= UNITS


@every_panel
def test_thresholds_rise_from_the_least_value(panel: Json) -> None:
    steps = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
    assert steps[0] is None
    assert steps[1:] == sorted(steps[1:])


@every_panel
def test_a_panel_asks_and_names_its_lines(panel: Json) -> None:
    letters = [target["refId"] for target in panel["targets"]]
    assert letters == sorted(set(letters)) != []
    for target in panel["targets"]:
        assert target["instant"] is not target["range"]
        assert bool(target["legendFormat"]) is (panel["type"] != "table")


@every_panel
def test_words_for_states_stand_for_different_numbers_in_different_colours(panel: Json) -> None:
    for mapping in panel["fieldConfig"]["defaults"]["mappings"]:
        assert mapping["type"] == "value"
        words = list(mapping["options"].values())
        assert len({word["color"] for word in words}) == len({word["text"] for word in words}) == len(words)
    if panel["type"] == "state-timeline":
        assert panel["fieldConfig"]["defaults"]["mappings"]


@pytest.mark.parametrize("panel", [panel for panel in PANELS if "transformations" in str(panel.values)])
def test_a_table_formats_sorts_and_links_columns_that_it_has(panel: Json) -> None:
    titles = list(panel["transformations"][1]["options"]["renameByName"].values())
    assert len(set(titles)) == len(titles)
    formatted = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
    linked = re.findall(r"\$\{__data\.fields\.(\w+)\}", str(panel["fieldConfig"]["overrides"]))
    assert {*formatted, *linked, panel["options"]["sortBy"][0]["displayName"]} <= set(titles)


@every_dashboard
def test_links_lead_to_a_dashboard_with_the_variables_that_they_set(file: str) -> None:
    for uid, parameters in re.findall(r"'url': '/d/([\w-]+)\?([^']*)'", str(panels(file))):
        names = {found["name"] for found in variables(f"{uid}.json")}
        assert set(re.findall(r"var-(\w+)=", parameters)) == {"namespace", "run"} <= names
        assert parameters.startswith("${datasource:queryparam}&")


@every_query
def test_rates_go_over_the_interval_that_grafana_picks(file: str, expr: str) -> None:
    for selector in read(expr).selectors:
        if selector.functions and selector.functions[-1] in {"rate", "changes"}:
            assert selector.range == "[$__rate_interval]"


@every_query
def test_counters_are_read_as_rates_and_buckets_as_quantiles(file: str, expr: str) -> None:
    for selector in read(expr).selectors:
        if selector.name.endswith("_total") and selector.name not in BEGUN_BY_THEIR_FIRST_EVENT:
            assert selector.functions[-1:] in {("rate",), ("increase",)}, selector
        if selector.name.endswith("_bucket"):
            assert "histogram_quantile" in selector.functions, selector


RUN = {"namespace": "$namespace", "name": "$run"}
NARROWED_BY: dict[str, dict[str, str]] = {
    "trainingrun-run.json": RUN,
    "trainingrun-compare.json": RUN,
    "trainingrun-fleet.json": {"namespace": "$namespace"},
    "trainingrun-operator.json": {"job": "$job", "instance": "$instance"},
}


def joined(selector: Selector) -> bool:
    """Series that the join with the run's pods narrows: those of dcgm-exporter know no run."""
    return selector.name in {*dcgm.FAMILIES, run_series.GPUS} and not selector.matched


@every_query
def test_all_that_is_read_is_narrowed_by_the_variables(file: str, expr: str) -> None:
    for selector in read(expr).selectors:
        wanted = NARROWED_BY[file]
        if selector.name.startswith("trainer_"):
            wanted = {"namespace": "$namespace", "trainingrun": "$run"}
        assert wanted.items() <= selector.matched.items() or joined(selector), selector
