"""Dashboards as they are read, filled in and drawn; what a Prometheus answers is made up."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.helpers.grafana import Dashboard, Object, choices, chosen, dashboard, filled
from tests.helpers.prometheus import Prometheus, PrometheusError, Series
from tests.preview.answers import Answer, Named, Sheet, TimeRange, ask
from tests.preview.drawing import colour_of, draw, line_colour, spans, state, with_gaps
from tests.preview.tables import cells
from tests.preview.units import formatted

TIMES = TimeRange(0, 3600, scrape_seconds=15)
STATES = [{"type": "value", "options": {"1": {"text": "Running", "color": "green"}}}]


@dataclass(frozen=True)
class Answering(Prometheus):
    """A Prometheus that knows its answers."""

    answers: Mapping[str, list[Series]]

    def query(self, expr: str, at: float | None = None) -> list[Series]:
        return self.answers[expr]

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        if expr == "refused":
            raise PrometheusError("parse error")
        return self.answers[expr]


def panel(kind: str, *exprs: str, title: str = "T", y: int = 0, **definition: Any) -> Object:
    return {
        "type": kind,
        "title": title,
        "gridPos": {"x": 0, "y": y, "w": 12, "h": 8},
        "targets": [
            {"refId": letter, "expr": expr, "legendFormat": "{{run}}"}
            for letter, expr in zip("ABC", exprs, strict=False)
        ],
        **definition,
    }


def read(*panels: Object, variables: tuple[Object, ...] = (), events: tuple[Object, ...] = ()) -> Dashboard:
    return dashboard(
        {
            "uid": "u",
            "title": "D",
            "panels": [*panels],
            "templating": {"list": [{"name": "datasource", "type": "datasource"}, *variables]},
            "annotations": {"list": [*events]},
        }
    )


def line(run: str, *points: tuple[float, float]) -> Series:
    return Series({"run": run}, points)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ('m{a="$run"}', 'm{a="r"}'),
        ('m{a=~"${run:regex}"}', 'm{a=~"r"}'),
        ("rate(m[$__rate_interval])", "rate(m[2m])"),
        ('label_replace(m, "a", "$1", "b", "(.+)")', 'label_replace(m, "a", "$1", "b", "(.+)")'),
    ],
)
def test_variables_are_replaced_and_groups_of_regular_expressions_are_not(expr: str, expected: str) -> None:
    assert filled(expr, {"run": "r", "__rate_interval": "2m"}) == expected


def test_a_variable_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="project"):
        filled("m{a=~'$project'}", {"run": "r"})


def test_panels_in_rows_are_found_with_their_queries_and_those_of_annotations() -> None:
    row = {**panel("row", title="R"), "targets": [], "panels": [panel("stat", "b", title="inner")]}
    found = read(panel("timeseries", "a", "a2", title="outer"), row, events=({"name": "E", "expr": "e"},))
    assert [*found.queries()] == [
        ("u: outer A", "a"),
        ("u: outer B", "a2"),
        ("u: inner A", "b"),
        ("u: annotation E", "e"),
    ]


def test_variables_follow_one_another_and_a_single_one_can_be_given() -> None:
    def variable(name: str, query: str | Object, **more: Any) -> Object:
        return {"name": name, "type": "query", "query": query, **more}

    found = read(
        variables=(
            variable("namespace", "label_values(info, namespace)"),
            variable("run", 'label_values(info{namespace="$namespace"}, name)'),
            variable("runs", {"query": 'label_values(info{namespace="$namespace"}, name)'}, multi=True),
            variable("all", "label_values(info, namespace)", multi=True, allValue=".*"),
        )
    )
    prometheus = Answering(
        "",
        {
            "info": [Series({"namespace": "b"}, ((0, 1),)), Series({"namespace": "a"}, ((0, 1),))],
            'info{namespace="a"}': [Series({"name": name}, ((0, 1),)) for name in ("y.z", "x")],
        },
    )
    values = {"namespace": "a", "runs": r"(x|y\\.z)", "all": ".*"}
    assert chosen(prometheus, found, {}) == {**values, "run": "x"}
    assert chosen(prometheus, found, {"run": "y.z", "runs": "ignored"}) == {**values, "run": "y.z"}
    with pytest.raises(PrometheusError, match="not known"):
        choices(prometheus, "metrics(x)", {})


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3.0, "none", "3"),
        (0.12345, "none", "0.1235"),
        (math.nan, "s", "NaN"),
        (0.5, "percentunit", "50%"),
        (90, "s", "1.5 min"),
        (0.002, "s", "2 ms"),
        (7200, "s", "2 h"),
        (2.0, "h", "2 h"),
        (1536, "bytes", "1.5 KiB"),
        (2048, "mbytes", "2 GiB"),
        (1234, "short", "1.23 K"),
        (3, "furlongs", "3 furlongs"),
    ],
)
def test_values_are_written_with_their_unit(value: float, unit: str, text: str) -> None:
    assert formatted(value, unit) == text


def test_a_dashboard_is_asked_with_the_times_that_grafana_would_ask_for() -> None:
    step = TIMES.step
    asked = ask(
        Answering(
            "",
            {
                "m[60s] 3600s r": [line("r", (0, 1))],
                "e": [line("r", (step, 1), (2 * step, 1), (9 * step, 1), (10 * step, 0))],
            },
        ),
        read(
            panel("timeseries", "m[$__rate_interval] $__range $run"),
            panel("timeseries", "refused"),
            events=({"name": "E", "expr": "e"},),
        ),
        TIMES,
        {"run": "r"},
    )
    first, second = asked.answers
    assert [(named.legend, named.series.value) for named in first.shown] == [("r", 1)]
    assert second.error == "parse error"
    assert asked.events == {"E": (step, 9 * step)}


def test_a_table_has_a_row_for_each_set_of_labels_in_the_order_that_was_asked_for() -> None:
    definition = panel(
        "table",
        "a",
        "b",
        transformations=[
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "indexByName": {"run": 0, "Value #B": 1, "Value #A": 2},
                    "renameByName": {"run": "Run", "Value #A": "Phase", "Value #B": "Age"},
                },
            },
        ],
        options={"sortBy": [{"displayName": "Age", "desc": True}]},
        fieldConfig={
            "overrides": [
                {
                    "matcher": {"id": "byName", "options": "Phase"},
                    "properties": [{"id": "mappings", "value": STATES}],
                },
                {
                    "matcher": {"id": "byName", "options": "Age"},
                    "properties": [{"id": "unit", "value": "s"}],
                },
            ]
        },
    )
    [found] = read(definition).panels
    shown = [
        Named("A", "", line("old", (0, 1))),
        Named("A", "", line("new", (0, 2))),
        Named("B", "", line("new", (0, 5))),
        Named("B", "", line("old", (0, 60))),
        Named("A", "", line("alone", (0, 1))),
    ]
    assert cells(Answer(found, tuple(shown))) == (
        ["Run", "Age", "Phase"],
        [["old", "1 min", "Running"], ["new", "5 s", "2"], ["alone", "", "Running"]],
    )
    without_age = tuple(named for named in shown if named.target == "A")
    assert cells(Answer(found, without_age))[0] == ["Run", "Phase"]


@pytest.mark.parametrize(
    ("value", "word", "colour"), [(1, "Running", "#37872d"), (5, "", "#c69b06"), (0, "", "#222222")]
)
def test_a_value_has_the_word_and_the_colour_that_the_panel_gives_it(
    value: float, word: str, colour: str
) -> None:
    steps = [{"value": None, "color": "text"}, {"value": 2, "color": "yellow"}]
    defaults = {"mappings": STATES, "thresholds": {"steps": steps}}
    assert (state(defaults, value), colour_of(defaults, value)) == (word, colour)


def test_a_line_has_the_colour_that_the_panel_gives_its_name() -> None:
    red = {"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}}
    overrides = [{"matcher": {"id": "byName", "options": "lost"}, "properties": [red]}]
    [found] = read(panel("timeseries", "a", fieldConfig={"overrides": overrides})).panels
    assert line_colour(found, "lost", 3) == "#c4162a"
    assert line_colour(found, "useful", 3) == "C3"


def test_no_line_is_drawn_where_points_are_missing() -> None:
    named = Named("A", "", line("r", (0, 1), (10, 2), (50, 3)))
    times, values = with_gaps(named, step=10)
    assert times == [0, 10, 20, 50]
    assert [math.isnan(value) for value in values] == [False, False, True, False]


def test_a_state_lasts_until_another_one_or_none_is_told() -> None:
    named = Named("A", "", line("r", (0, 1), (10, 1), (20, 2), (50, 2)))
    assert spans(named, step=10) == [(0, 20, 1), (20, 30, 2), (50, 60, 2)]


def sheet(*answers: Answer) -> Sheet:
    return Sheet(read(*(answer.panel.definition for answer in answers)), {}, TIMES, answers, {"E": (60.0,)})


def test_every_kind_of_panel_is_drawn_full_empty_and_refused() -> None:
    def answer(kind: str, y: int, *shown: Series, error: str = "") -> Answer:
        defaults = {"unit": "s", "noValue": "nothing yet", "mappings": STATES}
        [found] = read(panel(kind, "a", y=y, fieldConfig={"defaults": defaults})).panels
        return Answer(found, tuple(Named("A", series.labels["run"], series) for series in shown), error)

    curve = line("r", (0, 1), (60, 2))
    kinds = ("timeseries", "stat", "state-timeline", "table", "row")
    answers = [answer(kind, 8 * place, curve) for place, kind in enumerate(kinds)]
    answers += [answer("timeseries", 48), answer("stat", 56, error="parse error: here")]
    figure = draw(sheet(*answers))
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert {"T", "nothing yet", "parse error: here", "2 s", "r"} <= {*words}
    [lines] = [axes for frame in figure.axes[:1] for axes in frame.child_axes]
    assert lines.get_lines()[0].get_label() == "r: 2 s"
    with pytest.raises(ValueError, match="piechart"):
        draw(sheet(answer("piechart", 0, curve)))
