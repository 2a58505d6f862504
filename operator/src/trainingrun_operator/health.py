"""What the liveness probe asks: do events and workers move? Pure.

An operator whose event loop turns but whose watch is deaf or whose workers hang looks alive and does nothing;
being restarted is safe at any moment.
"""

from collections.abc import Collection

STUCK_SECONDS = 1800.0
"""A worker at one run for longer hangs: a step makes some ten requests, each bounded to some 2.5 minutes, and
the deletions of an attempt's pods, which end with the first that fails."""
MISSED_RESYNCS = 3
"""Intervals without a resync after which the resync itself counts as dead."""
ROUND_SECONDS = 60.0
"""What the rounds themselves may take of that time, however short the interval is."""


def problems(
    *, longest_work: float, since_resync: float, resync_seconds: float, unheard: Collection[str]
) -> list[str]:
    """Why the operator should be restarted; times in seconds, `unheard` are UIDs that the watch never
    brought."""
    found = []
    if longest_work > STUCK_SECONDS:
        found.append(f"a worker has been at one run for {longest_work:.0f} s")
    if since_resync > MISSED_RESYNCS * resync_seconds + ROUND_SECONDS:
        found.append(f"no resync for {since_resync:.0f} s")
    if unheard:
        found.append(f"the watch did not bring {len(unheard)} objects or changes that two lists showed")
    return found
