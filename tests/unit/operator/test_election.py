"""Who may take a Lease, and how long its holder may act on it."""

import pytest

from trainingrun_operator.election import (
    HOLD_SECONDS,
    LEASE_SECONDS,
    RENEW_SECONDS,
    Sighting,
    holds,
    may_take,
    sighted,
)

SEEN_AT = 100.0
ME = "pod-a_1"
TAKEOVER_SECONDS = 20
"""What a fail-over may take, from the last renewal on."""


def lease(holder: str = "pod-b_1", version: str = "7", seconds: int = 15, since: float = SEEN_AT) -> Sighting:
    return Sighting(holder, version, seconds, since)


@pytest.mark.parametrize(
    ("found", "seconds_later", "taken"),
    [
        (None, 0, True),
        (lease(holder=""), 0, True),
        (lease(holder=ME), 0, True),
        (lease(holder=ME), 1000, True),
        (lease(), 0, False),
        (lease(), 15, False),
        (lease(), 15.1, True),
        (lease(seconds=60), 59, False),
        (lease(seconds=60), 61, True),
        (lease(holder="pod-a_0"), 1, False),
    ],
    ids=[
        "none",
        "given back",
        "one's own",
        "one's own, long ago",
        "fresh",
        "at its end",
        "after its end",
        "promised longer",
        "promised longer, and over",
        "of the same pod before it restarted",
    ],
)
def test_a_lease_may_be_taken_once_nobody_can_rely_on_it(
    found: Sighting | None, seconds_later: float, taken: bool
) -> None:
    assert may_take(found, ME, SEEN_AT + seconds_later) is taken


@pytest.mark.parametrize(
    ("renewed", "now", "held"),
    [(None, 0.0, False), (50.0, 50.0, True), (50.0, 59.9, True), (50.0, 60.0, False), (50.0, 500.0, False)],
)
def test_a_holder_relies_on_it_for_a_while_after_its_last_renewal(
    renewed: float | None, now: float, held: bool
) -> None:
    assert holds(renewed, now) is held


def test_an_unchanged_lease_ages_and_a_renewed_one_is_new() -> None:
    assert sighted(lease(), lease(since=110.0)).since == SEEN_AT
    assert sighted(lease(), lease(since=110.0, version="8")).since == 110.0
    assert sighted(None, lease(since=110.0)).since == 110.0


def test_a_holder_stops_well_before_another_starts_and_another_starts_soon() -> None:
    assert HOLD_SECONDS + 2 * RENEW_SECONDS < LEASE_SECONDS
    assert LEASE_SECONDS + 2 * RENEW_SECONDS <= TAKEOVER_SECONDS
