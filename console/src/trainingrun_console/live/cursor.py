"""How far a client was told of a run, and what it misses. Pure.

A cursor stands in the id of every durable message, so nothing is kept for a client that was cut off: any
replica, also one that was just started, tells what is missing from the database alone.

    training_start, training_mode, then (attempt_end | epoch_end)*, by time,
    then round_metrics, early_stopping, training_complete | training_stopped, training_end
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple, Self

from trainingrun_api.reasons import Phase
from trainingrun_console.collecting.observed import FEDERATED
from trainingrun_console.history.records import Attempt, Epoch, Run
from trainingrun_console.live import messages
from trainingrun_console.live.messages import Message

REACH = 32
"""So far below the highest epoch that was told one that comes late is still waited for."""
SKEW = 300_000_000
"""Microseconds by which clocks of nodes may differ."""
NOTHING, STARTED, MODE = range(3)
ROUND, EARLY, OUTCOME, END = range(1, 5)

_COUNT = r"(0|[1-9][0-9]{0,9})"
_FORM = re.compile(
    rf"([0-2])-{_COUNT}-(0|[1-9a-f][0-9a-f]{{0,7}})-(0|[1-9][0-9]{{0,17}})-{_COUNT}-{_COUNT}"
    rf"(?:-([CFD](?:0|[1-9][0-9]{{0,9}}))-([1-4]))?"
)


class Place(NamedTuple):
    """A finished epoch in time: the same number comes later again where an attempt repeats it."""

    moment: int
    """Microseconds since 1970; 0 where nobody knows."""
    number: int


NOWHERE = Place(0, 0)


@dataclass(frozen=True, slots=True)
class Cursor:
    """What was told. Its text is canonical: one for each cursor."""

    start: int = NOTHING
    """NOTHING, STARTED, MODE: the last of the messages about the start."""
    epoch: int = 0
    """The highest number."""
    gaps: int = 0
    """Bit i: not the epoch i + 1 below that."""
    newest: Place = NOWHERE
    """The newest of the epochs."""
    attempts: int = 0
    """The highest number of an attempt that ended."""
    end: str = ""
    """Which end, as `end_of` names it; empty before any."""
    told_of_end: int = 0
    """ROUND, EARLY, OUTCOME, END: the last of the messages about it."""

    def __str__(self) -> str:
        newest = self.newest
        text = f"{self.start}-{self.epoch}-{self.gaps:x}-{newest.moment}-{newest.number}-{self.attempts}"
        return f"{text}-{self.end}-{self.told_of_end}" if self.end else text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for what is no cursor's text."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError("must be an id of this stream, as it came with a message")
        start, epoch, gaps, moment, number, attempts, end, told = found.groups()
        return cls(
            int(start),
            int(epoch),
            int(gaps, 16),
            Place(int(moment), int(number)),
            int(attempts),
            end or "",
            int(told or 0),
        )

    def misses(self, place: Place) -> bool:
        """Whether an epoch is to be told."""
        below = self.epoch - place.number - 1
        return below < -1 or place > self.newest or (0 <= below < REACH and bool(self.gaps >> below & 1))

    def with_epoch(self, place: Place) -> Self:
        """After one more."""
        epoch, gaps, ahead = self.epoch, self.gaps, place.number - self.epoch
        if ahead > REACH:
            epoch, gaps = place.number, (1 << REACH) - 1
        elif ahead > 0:
            skipped = (1 << ahead - 1) - 1
            epoch, gaps = place.number, (gaps << ahead | skipped) & ((1 << REACH) - 1)
        elif -REACH <= ahead < 0:
            gaps &= ~(1 << -ahead - 1)
        if epoch <= REACH:
            gaps &= (1 << max(epoch - 1, 0)) - 1
        return replace(self, epoch=epoch, gaps=gaps, newest=max(self.newest, place))

    def after(self, attempts: Sequence[Attempt]) -> int:
        """A number so that all epochs that are still to be told, or told again, have higher ones.

        Within an attempt they ascend. A new one may repeat any.
        """
        if any(moment_of(each.ended_at) + SKEW >= self.newest.moment for each in attempts):
            return 0
        if self.gaps:
            return max(0, min(self.newest.number, self.epoch - self.gaps.bit_length() - 1))
        return self.newest.number


@dataclass(frozen=True, slots=True)
class Told:
    """An epoch as it is told."""

    place: Place
    record: Epoch

    @classmethod
    def of(cls, record: Epoch) -> Self:
        """Of a record of the history."""
        return cls(Place(moment_of(record.get("time")), record["epoch"]), record)


_NUMBER = attrgetter("place.number")
_PLACE = attrgetter("place")


@dataclass(frozen=True)
class View:
    """A run as it is now."""

    run: Run
    epochs: Sequence[Told] = ()
    """Ascending by number."""
    attempts: Sequence[Attempt] = ()
    """Ascending by number."""

    @cached_property
    def newest(self) -> Place:
        """Of all epochs."""
        return max(map(_PLACE, self.epochs), default=NOWHERE)

    @property
    def last(self) -> Epoch | None:
        """The epoch of the highest number."""
        return self.epochs[-1].record if self.epochs else None


def end_of(run: Run) -> str:
    """Which end a run has come to: a letter and the attempt; empty while it goes on.

    A retry leads to another one. That an ended run is deleted does not.
    """
    if not run.finished:
        return ""
    letter = {Phase.COMPLETED: "C", Phase.FAILED: "F"}.get(run.phase, "D")
    return f"{letter}{run.attempt or 0}"


def is_told(cursor: Cursor, run: Run) -> bool:
    """Whether there is nothing more to tell, now or later."""
    return run.finished and cursor.end == end_of(run) and cursor.told_of_end == END


def missing(cursor: Cursor, view: View) -> Iterator[tuple[Cursor, Message]]:
    """What is to be told, in order, each with what was told after it.

    Whoever is cut off after any of them and comes back with its cursor, then or later, misses exactly the
    rest. An epoch that a later attempt repeated is told again, so that the last that was told of it counts.
    """
    end = end_of(view.run)
    if cursor.end and cursor.end != end:  # it was retried
        cursor = replace(cursor, start=NOTHING, end="", told_of_end=0)
    if not cursor.end:
        for after, message in _course(cursor, view):
            cursor = after
            yield after, message
    if end:
        for slot, message in _end(view):
            if slot > cursor.told_of_end:
                cursor = replace(cursor, end=end, told_of_end=slot)
                yield cursor, message


def moment_of(time: datetime | str | None) -> int:
    """Microseconds since 1970; 0 for what is no time."""
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
        return max(0, round(moment.timestamp() * 1e6)) if moment else 0
    except (ValueError, OverflowError):
        return 0


def _course(cursor: Cursor, view: View) -> Iterator[tuple[Cursor, Message]]:
    run = view.run
    if run.started_at is not None or run.phase == Phase.RUNNING or view.epochs:
        if cursor.start < STARTED:
            cursor = replace(cursor, start=STARTED)
            yield cursor, messages.training_start(run)
        if cursor.start < MODE:
            cursor = replace(cursor, start=MODE)
            yield cursor, messages.training_mode(run)
    attempts = iter([each for each in view.attempts if each.number > cursor.attempts])
    attempt = next(attempts, None)
    for epoch in _epochs(cursor, view):
        while attempt is not None and moment_of(attempt.ended_at) <= epoch.place.moment:
            cursor = replace(cursor, attempts=attempt.number)
            yield cursor, messages.attempt_end(run, attempt)
            attempt = next(attempts, None)
        cursor = cursor.with_epoch(epoch.place)
        yield cursor, messages.epoch_end(run, epoch.record)
    while attempt is not None:
        cursor = replace(cursor, attempts=attempt.number)
        yield cursor, messages.attempt_end(run, attempt)
        attempt = next(attempts, None)


def _epochs(cursor: Cursor, view: View) -> list[Told]:
    """Repeated and late ones by time, for `newest` must not pass one that is still to be told; then new ones
    by number."""
    split = bisect_right(view.epochs, cursor.epoch, key=_NUMBER)
    again: list[Told] = []
    if cursor.gaps or view.newest > cursor.newest:
        again = sorted((each for each in view.epochs[:split] if cursor.misses(each.place)), key=_PLACE)
    return [*again, *view.epochs[split:]]


def _end(view: View) -> Iterator[tuple[int, Message]]:
    run = view.run
    if run.phase == Phase.COMPLETED:
        if run.training_mode == FEDERATED:
            yield ROUND, messages.round_metrics(run, view.last)
        if run.early_stopped:
            yield EARLY, messages.early_stopping(run)
        yield OUTCOME, messages.training_complete(run)
    else:
        yield OUTCOME, messages.training_stopped(run)
    yield END, messages.training_end(run)
