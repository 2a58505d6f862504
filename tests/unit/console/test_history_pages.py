"""Cursors come back as they were given, and nothing else is taken for one."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingrun_console.history.pages import LONGEST, MOST, Order, Place, check, decode, encode
from trainingrun_console.history.records import SORTS
from trainingrun_console.history.sparkline import chosen

ORDERS = st.builds(Order, st.sampled_from(SORTS), st.booleans())
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("created_at", "completed_at"), st.datetimes().map(str)),
    "monitor_value": st.floats(allow_nan=False, allow_infinity=False),
    "percent": st.integers(-(2**31) + 1, 2**31 - 1),
}


@given(order=ORDERS, data=st.data())
def test_a_cursor_leads_back_to_its_place(order: Order, data: st.DataObject) -> None:
    value = data.draw(st.none() | VALUES.get(order.column, st.text(max_size=60)))
    place = Place(value, data.draw(st.text(max_size=60)))
    assert decode(order, encode(order, place)) == place


@given(order=ORDERS, text=st.text())
def test_whatever_text_is_refused_with_words(order: Order, text: str) -> None:
    with pytest.raises(ValueError, match="cursor is"):
        decode(order, text)


def wrapped(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("sort", "cursor"),
    [
        pytest.param("name", "", id="empty"),
        pytest.param("name", "a" * (LONGEST + 1), id="long"),
        pytest.param("name", wrapped([]), id="nothing in it"),
        pytest.param("name", wrapped({"name": 1}), id="an object"),
        pytest.param("name", wrapped(["name", 5, "chest-00000000"]), id="a number for a text"),
        pytest.param("name", wrapped(["name", "chest", 5]), id="a number for a run"),
        pytest.param("name", wrapped(["-name", "chest", "chest-00000000"]), id="another order"),
        pytest.param("percent", wrapped(["percent", "5", "chest-00000000"]), id="a text for a number"),
        pytest.param("percent", wrapped(["percent", True, "chest-00000000"]), id="a truth for a number"),
        pytest.param("percent", wrapped(["percent", 10**400, "chest-00000000"]), id="a number too large"),
        pytest.param("monitor_value", wrapped(["monitor_value", float("nan"), "a"]), id="no number"),
        pytest.param("created_at", wrapped(["created_at", "yesterday", "a"]), id="no time"),
        pytest.param("name", base64.urlsafe_b64encode(b"[" * 1200).decode().rstrip("="), id="deep"),
    ],
)
def test_cursors_of_others_are_refused_with_words(sort: str, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor is"):
        decode(Order.of(sort), cursor)


@pytest.mark.parametrize("sort", ["", "-", "uid", "--name", "name;DROP TABLE run", "Name"])
def test_an_unknown_sort_is_refused_with_those_that_are_known(sort: str) -> None:
    with pytest.raises(ValueError, match="one of created_at, name"):
        Order.of(sort)


@pytest.mark.parametrize("limit", [0, -1, MOST + 1])
def test_a_page_has_a_length(limit: int) -> None:
    with pytest.raises(ValueError, match=f"limit is {limit}: from 1 to {MOST}"):
        check(limit)


@given(epochs=st.lists(st.integers(), unique=True).map(sorted), most=st.integers(2, 40))
def test_a_sparkline_keeps_its_ends_and_order(epochs: list[int], most: int) -> None:
    found = chosen(epochs, most)
    assert len(found) == min(len(epochs), most)
    assert found == sorted(set(found))
    assert found[:1] + found[-1:] == epochs[:1] + epochs[-1:]
