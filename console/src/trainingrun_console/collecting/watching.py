"""Follows TrainingRuns and the Events about them, through every loss of the API server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

from trainingrun_api import names
from trainingrun_client.cluster import RUNS
from trainingrun_client.connection import Collection, Connection, Resource
from trainingrun_client.errors import ApiError
from trainingrun_client.following import Change, Lost, follow

EVENTS = Resource("v1", "events")
ABOUT_RUNS = {"fieldSelector": f"involvedObject.kind={names.KIND}"}
EVENTS_SECONDS = 60.0
"""Of Events the API server sends no bookmarks, and silence counts as a lost connection."""
PAUSE_SECONDS = 5.0
"""Before the next list, where the API server or the database was away."""
REFUSED_SECONDS = 30.0
"""Where the server refused it."""

Begin = Callable[[list[dict[str, Any]]], object]
Hear = Callable[[Change], object]
Tell = Callable[[str | None], object]


def runs(connection: Connection, namespace: str | None) -> Collection:
    """All TrainingRuns of a namespace, or of all."""
    return Collection(connection, RUNS.path(namespace), {})


def events(connection: Connection, namespace: str | None) -> Collection:
    """The Events about TrainingRuns."""
    return Collection(connection, EVENTS.path(namespace), ABOUT_RUNS)


@dataclass(frozen=True)
class Watching:
    """One collection, for as long as nobody stops it."""

    source: Collection
    stopped: Event
    trouble: Tell
    """Is told what is wrong, and None once nothing is."""
    longest: float | None = None
    """Seconds of one watch, after which it is asked for again."""

    def follow(self, begin: Begin, hear: Hear) -> None:
        """Hand the list to `begin`, and then every change to `hear`.

        What `begin` raises lets it be called again, with a new list, after a pause.
        """
        while not self.stopped.is_set():
            try:
                objects, _ = self.source.list()
                if self.stopped.is_set():
                    return
                begin(objects)
                self.trouble(None)
                source = _Asked(self)
                for change in follow(source, known=objects, pause=self.stopped.wait):
                    if self.stopped.is_set():
                        return
                    if isinstance(change, Lost):
                        source.lost = True
                        self.trouble(change.error)
                    else:
                        hear(change)
            except ApiError as error:
                self.trouble(str(error))
                self.stopped.wait(REFUSED_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever is away, it is waited for
                self.trouble(reason(error))
                self.stopped.wait(PAUSE_SECONDS)


@dataclass
class _Asked:
    """The source, which tells that it answers again after it was lost."""

    watching: Watching
    lost: bool = False

    def list(self) -> tuple[list[dict[str, Any]], str]:
        return self.watching.source.list()

    def watch(self, version: str, seconds: float | None) -> Iterator[dict[str, Any]]:
        if self.lost:
            # The watch of an idle cluster says nothing for a minute.
            self.watching.source.connection.get(self.watching.source.path, {"limit": "1"})
            self.watching.trouble(None)
            self.lost = False
        yield from self.watching.source.watch(version, self.watching.longest or seconds)


def reason(error: Exception) -> str:
    """The first line of an error; of SQLAlchemy's, without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
