"""Keeps up with all objects of one kind: lists them, watches from there, and lists anew where it must.

As client-go's reflector does (https://pkg.go.dev/k8s.io/client-go/tools/cache#Reflector), and for the reason
of its cost: kopf takes a millisecond or two an event, and Jobs and pods have fifteen of them a run.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from trainingrun_operator.errors import ExpiredError, OperatorError, UnavailableError, from_status
from trainingrun_operator.observed import Raw

PAUSE_SECONDS = 1.0
"""After a watch or a list that ended badly."""

log = logging.getLogger(__name__)


class Source(Protocol):
    """Where the objects come from. Both raise ApiError and UnavailableError."""

    def list_all(self) -> tuple[list[dict[str, Any]], str]:
        """All of them, and the version of the list."""

    def watch(self, version: str) -> Iterator[dict[str, Any]]:
        """The events after a version."""


@dataclass(frozen=True, slots=True)
class Listed:
    """All objects that there are."""

    objects: tuple[Raw, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """An object as it is now, or last was."""

    object: Raw
    gone: bool


def reflect(source: Source, tell: Callable[[Listed | Changed], None], stopping: threading.Event) -> None:
    """Tells everything that happens until `stopping` is set. Blocks, so it wants a thread of its own."""
    while not stopping.is_set():
        try:
            objects, version = source.list_all()
            tell(Listed(tuple(objects)))
            while not stopping.is_set():
                version = _follow(source, version, tell, stopping)
        except ExpiredError as error:
            log.debug("lists anew: %s", error)
        except OperatorError as error:
            log.warning("lists anew in %s s: %s", PAUSE_SECONDS, error)
            stopping.wait(PAUSE_SECONDS)


def _follow(
    source: Source, version: str, tell: Callable[[Listed | Changed], None], stopping: threading.Event
) -> str:
    """Tells the events of one watch; the version to go on from."""
    try:
        for event in source.watch(version):
            kind, body = event["type"], event["object"]
            if kind == "ERROR":
                raise from_status(body.get("code", 0), body.get("reason", ""), body.get("message", ""))
            if kind != "BOOKMARK":
                tell(Changed(body, gone=kind == "DELETED"))
            version = body["metadata"]["resourceVersion"]
    except UnavailableError as error:
        log.debug("watches again in %s s: %s", PAUSE_SECONDS, error)
        stopping.wait(PAUSE_SECONDS)
    return version
