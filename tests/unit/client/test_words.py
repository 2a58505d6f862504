"""Numbers, times and courses as a screen shows them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from trainingrun_client.cli import words

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
NAN = float("nan")


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("2026-01-02T11:59:30Z", "30s"),
        ("2026-01-02T09:55:00Z", "2h05m"),
        ("2026-01-02T12:00:09Z", "0s"),
        (datetime(2026, 1, 1, tzinfo=UTC), "1d12h"),
        (None, ""),
    ],
)
def test_age(then: Any, said: str) -> None:
    assert words.age(then, NOW) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.123456, "0.1235"), (12, "12"), (None, ""), ("x", "x"), (1e-7, "1e-07"), (NAN, "nan")],
)
def test_number(value: Any, said: str) -> None:
    assert words.number(value) == said


@pytest.mark.parametrize(
    ("values", "width", "shown"),
    [
        ([], 8, ""),
        ([1.0], 8, ""),
        ([1.0, 2.0], 8, "▁█"),
        ([3.0, 2.0, 1.0], 8, "█▅▁"),
        ([1.0, 1.0, 1.0], 8, "▄▄▄"),
        ([NAN, 0.0, 1.0, float("inf")], 8, "▁█"),
        ([float(n) for n in range(100)], 8, "▁▂▃▄▅▆▇█"),
    ],
)
def test_sparkline(values: list[float], width: int, shown: str) -> None:
    assert words.sparkline(values, width) == shown


@pytest.mark.parametrize(
    ("percent", "shown"), [(0, "────"), (50, "━━──"), (100, "━━━━"), (140, "━━━━"), (-3, "────")]
)
def test_bar(percent: int, shown: str) -> None:
    assert words.bar(percent, 4) == shown
