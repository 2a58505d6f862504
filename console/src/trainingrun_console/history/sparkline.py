"""Which epochs stand for a whole curve where it is drawn as large as a word."""

from collections.abc import Sequence

MOST = 32


def chosen(epochs: Sequence[int], most: int = MOST) -> list[int]:
    """At most so many of them, evenly spread, with the first and the last one."""
    if len(epochs) <= most:
        return list(epochs)
    last = len(epochs) - 1
    return [epochs[round(place * last / (most - 1))] for place in range(most)]
