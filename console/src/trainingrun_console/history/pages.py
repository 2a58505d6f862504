"""Where a page begins: a place in the order, not a number of rows, so that nothing shifts as runs come and
go.

The order is by a column and then by run_id, which makes it total. Rows without a value come last, whichever
way the order goes.
"""

import base64
import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trainingrun_console.history.records import SORTS

MOST = 500
"""Runs on one page."""
LONGEST = 2000
"""Characters of a cursor."""
LARGEST = 2**31 - 1

NUMBERS = ("monitor_value", "percent")
TIMES = ("created_at", "completed_at")


@dataclass(frozen=True, slots=True)
class Order:
    """By what runs are sorted."""

    column: str
    descending: bool

    @classmethod
    def of(cls, sort: str) -> "Order":
        """Raises ValueError where runs cannot be sorted so."""
        column = sort.removeprefix("-")
        if column not in SORTS:
            raise ValueError(f"sort is {sort[:50]!r}: one of {', '.join(SORTS)}, or with '-' before it")
        return cls(column, sort.startswith("-"))

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{self.column}"


@dataclass(frozen=True, slots=True)
class Place:
    """The last run of the page before."""

    value: str | float | None
    """In the column of the order, as JSON has it."""
    run_id: str


def encode(order: Order, place: Place) -> str:
    """The cursor of the page after that place."""
    text = json.dumps([str(order), place.value, place.run_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(order: Order, cursor: str) -> Place:
    """Raises ValueError for what `encode` never made, or made for another order."""
    match _read(cursor):
        case [str(sort), value, str(run_id)] if sort != str(order):
            raise ValueError(f"cursor is of the sort {sort[:50]!r}, not {str(order)!r}: begin without one")
        case [str(), value, str(run_id)] if _fits(order, value):
            return Place(value, run_id)
        case _:
            raise ValueError("cursor is none that this service made: take next_cursor of the page before")


def check(limit: int) -> None:
    """Raises ValueError for a page of no length, or one too long."""
    if not 1 <= limit <= MOST:
        raise ValueError(f"limit is {limit}: from 1 to {MOST}")


def _read(cursor: str) -> Any:
    if len(cursor) > LONGEST:
        return None
    try:
        return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return None


def _fits(order: Order, value: Any) -> bool:
    if value is None:
        return True
    if order.column in NUMBERS:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        return known and (abs(value) <= LARGEST if isinstance(value, int) else math.isfinite(value))
    return isinstance(value, str) and (order.column not in TIMES or _is_time(value))


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
