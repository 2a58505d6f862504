"""Which epochs are the best by the monitored metric."""

from collections.abc import Sequence
from dataclasses import dataclass

from trainingrun_trainer.metrics import is_better


@dataclass(frozen=True)
class BestCheckpoint:
    """An epoch by the monitored metric."""

    value: float
    epoch: int
    """Counted from 1."""
    step: int


def ranked(
    best: Sequence[BestCheckpoint], latest: BestCheckpoint, monitor: str, most: int
) -> list[BestCheckpoint]:
    """The best epochs after another one, best first; of equal ones the earlier is the better."""
    place = next(
        (place for place, known in enumerate(best) if is_better(latest.value, known.value, monitor)),
        len(best),
    )
    return [*best[:place], latest, *best[place:]][:most]
