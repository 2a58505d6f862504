"""Addresses of the list of runs are read leniently, and lead to each other."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest

from trainingrun_api.reasons import Phase
from trainingrun_console.page.asked import Asked, asked

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def of(query: str) -> Asked:
    return asked(parse_qsl(query, keep_blank_values=True))


def test_an_address_says_what_is_wanted() -> None:
    wanted = of("q=+chest+&namespace=a&project=p&phase=Failed&phase=Running&since=24h&sort=name&cursor=c")
    assert wanted == Asked(
        text="chest",
        namespace="a",
        project="p",
        phases=(Phase.RUNNING, Phase.FAILED),
        since="24h",
        sort="name",
        cursor="c",
    )
    found = wanted.filter(None, NOW)
    assert found.created_from == NOW - timedelta(days=1)
    assert (found.namespaces, found.projects, found.text) == (["a"], ["p"], "chest")


@pytest.mark.parametrize("query", ["phase=Nothing", "sort=secret", "since=ever", "other=1", "q="])
def test_what_is_not_understood_is_left_out(query: str) -> None:
    assert of(query) == Asked()
    assert not of(query).narrowed


@pytest.mark.parametrize(
    ("visible", "namespace", "wanted"),
    [
        (None, "", None),
        (None, "a", ["a"]),
        (["a", "b"], "", ["a", "b"]),
        (["a", "b"], "b", ["b"]),
        (["a"], "b", []),
        ([], "", []),
    ],
)
def test_nobody_sees_a_namespace_that_is_not_theirs(
    visible: list[str] | None, namespace: str, wanted: list[str] | None
) -> None:
    assert Asked(namespace=namespace).filter(visible, NOW).namespaces == wanted


def test_a_query_leads_back_to_the_same_list_on_its_first_page() -> None:
    wanted = of("q=a+b&phase=Failed&since=7d&sort=-name")
    assert of(wanted.query()) == wanted
    assert of(wanted.query(cursor="next")).cursor == "next"
    assert of(of("cursor=x").query()).cursor == ""


def test_a_phase_is_turned_on_and_off() -> None:
    once = of(Asked().toggled(Phase.FAILED))
    assert once.phases == (Phase.FAILED,)
    assert of(once.toggled(Phase.FAILED)).phases == ()


@pytest.mark.parametrize(
    ("sort", "column", "then"),
    [
        ("-created_at", "created_at", "created_at"),
        ("-created_at", "name", "name"),
        ("name", "name", "-name"),
        ("-name", "name", "name"),
        ("-created_at", "percent", "-percent"),
        ("-percent", "percent", "percent"),
    ],
)
def test_a_column_sorts_and_turns_the_order(sort: str, column: str, then: str) -> None:
    assert of(Asked(sort=sort).sorted_by(column)).sort == then
