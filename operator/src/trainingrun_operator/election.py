"""Who of several operators works: the rules of a Lease (coordination.k8s.io/v1). Pure.

As in client-go's leader election, clocks of different machines are never compared: whoever waits counts from
when it saw the Lease change, whoever holds it from before it sent the renewal. So a holder that cannot renew
stops well before another may start.
"""

from dataclasses import dataclass

LEASE_SECONDS = 15
"""So long after its last renewal a Lease may be taken."""
HOLD_SECONDS = 10.0
"""So long after its last renewal the holder acts on it. The rest is for requests that are on their way."""
RENEW_SECONDS = 2.0
"""Between two looks at the Lease, of holders and of those who wait."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A Lease, and since when it looks like this."""

    holder: str
    """Empty where it was given back."""
    version: str
    """Its resourceVersion, which each renewal changes."""
    seconds: int
    """What its holder promised."""
    since: float
    """When this process first saw it so, on its monotonic clock."""


def sighted(before: Sighting | None, now: Sighting) -> Sighting:
    """What is known after another look: an unchanged Lease has aged."""
    return before if before and before.version == now.version else now


def may_take(lease: Sighting | None, identity: str, now: float) -> bool:
    """Whether the Lease is free, this process's own, or older than its holder promised."""
    if lease is None or lease.holder in ("", identity):
        return True
    return now - lease.since > lease.seconds


def holds(renewed: float | None, now: float) -> bool:
    """Whether this process may write, `renewed` being when it sent its last renewal that came through."""
    return renewed is not None and now - renewed < HOLD_SECONDS
