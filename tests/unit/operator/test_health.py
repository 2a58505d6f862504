"""The liveness probe names what does not move."""

from typing import Any

import pytest

from trainingrun_operator import health


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, None),
        ({"longest_work": 1799.0}, None),
        ({"longest_work": 1801.0}, "1801 s"),
        ({"since_resync": 959.0}, None),
        ({"since_resync": 15.0, "resync_seconds": 1.0}, None),
        ({"since_resync": 961.0}, "no resync for 961 s"),
        ({"unheard": {"a", "b"}}, "2 objects"),
    ],
)
def test_what_does_not_move_is_named(changed: dict[str, Any], words: str | None) -> None:
    well: dict[str, Any] = {
        "longest_work": 0.0,
        "since_resync": 0.0,
        "resync_seconds": 300.0,
        "unheard": (),
    }
    found = health.problems(**{**well, **changed})
    assert [words in problem for problem in found] == ([True] if words else []) if words else found == []
