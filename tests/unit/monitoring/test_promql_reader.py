"""The tests' reader of PromQL finds what an expression names."""

import pytest

from tests.helpers.promql import read


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ("up", ["up"]),
        ('sum by (a) (rate(x_total{b="1", c=~"$d"}[5m])) / (y > 0)', ["x_total", "y"]),
        ("sum(x) by (le) or 0 * time()", ["x"]),
        ("x and on (a) y unless z offset 5m or q offset $d", ["x", "y", "z", "q"]),
    ],
)
def test_metrics_are_told_from_functions_operators_and_labels(expr: str, names: list[str]) -> None:
    assert [selector.name for selector in read(expr).selectors] == names


def test_a_selector_has_its_matchers_range_and_functions() -> None:
    [found] = read('1 - sum by (a) (rate(x_total{b!="1", c=~"$d|e"}[$__rate_interval]))').selectors
    assert found.matched == {"b": "1", "c": "$d|e"}
    assert found.range == "[$__rate_interval]"
    assert found.functions == ("", "rate")


def test_labels_are_those_of_joins_and_sums_and_of_what_is_copied() -> None:
    found = read('label_replace(max by (a) (x), "new", "$1", "old", "(.+)") * on (b) group_left (c) y')
    assert sorted(found.labels) == ["a", "b", "c", "old"]
    assert sorted(found.made) == ["new"]


@pytest.mark.parametrize("expr", ["x @ 5", "sum by (a (x)"])
def test_what_the_reader_does_not_know_is_refused(expr: str) -> None:
    with pytest.raises(ValueError, match=r"not known here|stays open"):
        read(expr)
