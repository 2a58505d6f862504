"""Helper pods that stay for some seconds after a file was fetched: a page shows a dozen pictures of one run,
and each pod takes seconds to start.

A pod belongs to whoever caused it: it was made with their rights, and nobody else is let near it.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from trainingrun_client.connection import Connection
from trainingrun_client.errors import TrainingRunError
from trainingrun_client.files import Volume, volume_of
from trainingrun_client.run import TrainingRun
from trainingrun_console.api.problems import unavailable

START_SECONDS = 60.0
IDLE_SECONDS = 20.0
PODS = 8
"""At the same time."""

Owner = tuple[str, str]
"""Name of the caller, and UID of the run."""


@dataclass
class _Held:
    """One pod, which one request uses after the other."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    open: ExitStack | None = None
    volume: Volume | None = None
    users: int = 0
    closing: threading.Timer | None = None

    def close(self) -> None:
        if self.open is not None:
            with suppress(TrainingRunError):  # it ends by itself some time later
                self.open.close()
        self.open = self.volume = None


_guard = threading.Lock()
_all: dict[Owner, _Held] = {}


@contextmanager
def held_volume(caller: str, connection: Connection, run: TrainingRun) -> Iterator[Volume]:
    """The run directory, from a pod that is there or is made.

    Raises what `volume_of` raises, and Problem 503 where too many pods are in use.
    """
    owner = caller, run.uid
    held = _entered(owner)
    try:
        with held.lock:
            if held.volume is None:
                held.open = ExitStack()
                held.volume = held.open.enter_context(volume_of(connection, run, timeout=START_SECONDS))
            try:
                yield held.volume
            except TrainingRunError:
                held.close()  # perhaps it is the pod that is gone
                raise
    finally:
        _left(owner, held)


def _entered(owner: Owner) -> _Held:
    with _guard:
        held = _all.get(owner)
        if held is None:
            if len(_all) >= PODS:
                raise unavailable(f"{PODS} pods are fetching files already")
            held = _all[owner] = _Held()
        held.users += 1
        if held.closing is not None:
            held.closing.cancel()
            held.closing = None
        return held


def _left(owner: Owner, held: _Held) -> None:
    with _guard:
        held.users -= 1
        if held.users:
            return
        if held.volume is None:
            del _all[owner]
            return
        held.closing = threading.Timer(IDLE_SECONDS, _end, (owner, held))
        held.closing.daemon = True
        held.closing.start()


def _end(owner: Owner, held: _Held) -> None:
    with _guard:
        if held.users or _all.get(owner) is not held:
            return
        del _all[owner]
    held.close()
