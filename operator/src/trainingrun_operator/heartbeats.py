"""When each rank of a run last moved, and which of them hold the others up. Pure.

In a hung collective every rank stands still, all but one because they wait for that one. So what tells it is
the difference: a pod that does not answer, a process that is stopped, a rank that took fewer steps, is at
something else, or fell silent first.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from trainingrun_api import telemetry
from trainingrun_api.status import MAX_COUNT
from trainingrun_operator.scrape import samples

LONGEST_RANK = 9
"""Digits; the page comes from a pod, which runs anybody's code."""
APART_SECONDS = 2.0
"""How much earlier than the others a rank must have fallen silent to be told from them: the clocks of nodes
differ, and so do the ends of a step."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The last movement of a rank."""

    rank: int
    time: float | None = None
    """Unix time by the clock of its node."""
    step: int | None = None
    """Optimizer steps taken."""
    phase: str | None = None
    stopped: bool = False
    """Whether its process is stopped, stuck in the kernel or dead."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a run answered when a stall was suspected."""

    heartbeat: float | None = None
    """Rank 0's own, of its metrics page; None where that did not answer."""
    beats: Mapping[str, tuple[Beat, ...]] = field(default_factory=dict)
    """The ranks of each pod that answered, by its name."""


def parse(page: str) -> tuple[Beat, ...]:
    """The beats on the page of a pod's main process, by rank; what is none is left out.

    Raises ValueError where it is no page of metrics.
    """
    found: dict[int, Beat] = {}
    for name, labels, value in samples(page):
        rank = labels.get("rank", "")
        if not rank.isdecimal() or len(rank) > LONGEST_RANK or not 0 <= value <= MAX_COUNT:
            continue
        beat = found.get(int(rank), Beat(int(rank)))
        if name == telemetry.RANK_HEARTBEAT:
            beat = replace(beat, time=value)
        elif name == telemetry.RANK_GLOBAL_STEP:
            beat = replace(beat, step=int(value))
        elif name == telemetry.RANK_PHASE and value == 1:
            beat = replace(beat, phase=labels.get("phase"))
        elif name == telemetry.RANK_STOPPED:
            beat = replace(beat, stopped=value == 1)
        found[beat.rank] = beat
    return tuple(beat for _, beat in sorted(found.items()) if beat.time is not None)


def suspects(beats: Sequence[Beat]) -> tuple[Beat, ...]:
    """The ranks that hold the others up; all of them where nothing tells them apart.

    A beat without a time is that of a rank whose pod did not answer.
    """
    times = [beat.time for beat in beats if beat.time is not None]
    steps = [beat.step for beat in beats if beat.step is not None]
    phases = Counter(beat.phase for beat in beats).most_common()
    for different in (
        [beat for beat in beats if beat.time is None],
        [beat for beat in beats if beat.stopped],
        [beat for beat in beats if beat.step is not None and beat.step < max(steps)],
        [beat for beat in beats if beat.phase != phases[0][0] and phases[0][1] > 1],
        [beat for beat in beats if beat.time is not None and beat.time < max(times) - APART_SECONDS],
    ):
        if 0 < len(different) < len(beats):
            return tuple(different)
    return tuple(beats)
