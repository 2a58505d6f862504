"""What is wrong with a data set, told at once: people mend ten files in one go, not one after ten runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from trainingrun_trainer.errors import BadData

NAMED = 10
"""Problems that are named; the others are only counted."""
_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


@contextmanager
def collected() -> Iterator[list[str]]:
    """Every problem that is noted meanwhile, for somebody who only looks for them."""
    everything: list[str] = []
    token = _collected.set(everything)
    try:
        yield everything
    finally:
        _collected.reset(token)


@dataclass
class Problems:
    """Collects problems, each a text that names file, row or field, and value."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Note a problem."""
        self.count += 1
        if len(self.first) < NAMED:
            self.first.append(text)
        everything = _collected.get()
        if everything is not None:
            everything.append(text)

    def check(self, advice: str) -> None:
        """End the run if there is any problem.

        Raises:
            BadData: names the first ones and says how many there are.
        """
        if self.count == 0:
            return
        heading = f"{self.count} problems, the first {NAMED}: " if self.count > NAMED else ""
        raise BadData(heading + "; ".join(self.first), advice)
