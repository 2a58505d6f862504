"""How long an epoch takes, for the estimate of what is left: training, validation and saves.

The start of an attempt and its first step, which may compile, are no part of it, or the first estimates would
be nonsense. Until an attempt has measured an epoch of its own, what earlier attempts measured stands.
"""

import time
from collections import deque
from collections.abc import Callable

EPOCHS = 5
"""The pace is the mean over so many, for it may change: an encoder thaws, or a volume becomes slow."""


class Pace:
    """Follows one attempt; told of each event when it happens."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._earlier: float | None = None
        self._warm: tuple[float, int] | None = None
        """When the first batch of the attempt was done, and its place in its epoch."""
        self._trained = 0.0
        self._ends: deque[float] = deque(maxlen=EPOCHS + 1)
        """When epochs ended, from the one on in which the attempt became warm."""
        self._first: float | None = None

    def go_on(self, seconds_per_epoch: float | None) -> None:
        """Earlier attempts have measured so much."""
        self._earlier = seconds_per_epoch

    def batch_done(self, place: int) -> None:
        """A batch was trained, which has this place in its epoch, counted from 0."""
        if self._warm is None:
            self._warm = self._clock(), place

    def training_done(self) -> None:
        """The last batch of an epoch was trained; its validation comes."""
        self._trained = self._clock()

    def epoch_done(self, batches: int) -> None:
        """An epoch of so many batches is validated."""
        if self._warm is None:  # all of its batches were trained by an earlier attempt
            return
        self._ends.append(self._clock())
        since, place = self._warm
        measured = batches - 1 - place
        if len(self._ends) == 1 and measured and (place == 0 or self._earlier is None):
            self._first = (self._trained - since) * batches / measured + self._ends[0] - self._trained

    @property
    def seconds_per_epoch(self) -> float | None:
        """From the beginning of an epoch to that of the next; None where nothing was measured yet."""
        if len(self._ends) > 1:
            return (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)
        return self._first or self._earlier
