"""Timestamps there and back, durations for people."""

from datetime import datetime, timedelta

import pytest

from tests.unit.operator.builders import NOW
from trainingrun_operator.times import from_timestamp, human_duration, seconds_between, to_timestamp


def test_there_and_back() -> None:
    assert to_timestamp(NOW) == "2026-01-02T03:04:05Z"
    assert from_timestamp("2026-01-02T03:04:05Z") == NOW
    assert from_timestamp("2026-01-02T03:04:05.678Z") == NOW + timedelta(milliseconds=678)
    assert from_timestamp(None) is None


def test_other_zones_become_utc() -> None:
    assert to_timestamp(datetime.fromisoformat("2026-01-02T04:04:05+01:00")) == to_timestamp(NOW)


def test_an_unknown_moment_is_long_ago() -> None:
    assert seconds_between(None, NOW) == float("inf")
    assert seconds_between(NOW, NOW + timedelta(seconds=2)) == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"), (0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (250, "4m10s"), (3600, "1h00m"),
        (7500, "2h05m"), (86400, "1d00h"), (3 * 86400 + 4 * 3600, "3d04h"),
    ],
)  # fmt: skip
def test_durations_for_people(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
