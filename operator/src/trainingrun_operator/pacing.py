"""How many new runs may start at once: news of those that ended shares the way with them.

A thousand Jobs created in one breath keep the Job controller and the scheduler busy for a minute, in which
nobody is told which pods have ended. So a new run waits while many others lack the pods that were asked for.
Pods that exist, and wait for a GPU or a volume, hold nobody up; nor does a Job whose pods do not come for
seconds, because a quota refuses them. Belongs to the event loop.
"""

from collections.abc import Callable, Iterable

from trainingrun_operator.observed import Key
from trainingrun_operator.view import View

MOST_STARTING = 6
PATIENCE_SECONDS = 5.0
"""How long a run without pods holds up others, and after which the first of those look again."""


class Pacing:
    """Runs whose pods are being created, and those that wait for them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self._starting: dict[Key, float] = {}
        self._waiting: dict[Key, None] = {}

    @property
    def waiting(self) -> int:
        """How many runs wait."""
        return len(self._waiting)

    def wait(self, key: Key, view: View) -> float | None:
        """Where a run must not start yet, the seconds after which it should look again; `released` may name
        it before."""
        if not view.fresh or self._room() > 0:
            self._waiting.pop(key, None)
            return None
        ahead = 0 if key in self._waiting else len(self._waiting)
        self._waiting[key] = None
        return PATIENCE_SECONDS * (1 + ahead // MOST_STARTING)

    def started(self, key: Key) -> None:
        """The Job of a run was created."""
        self._starting[key] = self._clock()

    def released(self, key: Key, view: View | None) -> Iterable[Key]:
        """The runs that may start now that this one has its pods, or is gone."""
        if view is None:
            self._waiting.pop(key, None)
        if key not in self._starting or (view and not view.peopled):
            return ()
        del self._starting[key]
        return [other for other, _ in zip(self._waiting, range(self._room()), strict=False)]

    def _room(self) -> int:
        old = self._clock() - PATIENCE_SECONDS
        # In the order of their start.
        while self._starting and next(iter(self._starting.values())) <= old:
            del self._starting[next(iter(self._starting))]
        return MOST_STARTING - len(self._starting)
