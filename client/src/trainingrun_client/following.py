"""Follows the objects of one kind for as long as somebody listens: lists them, watches from there, takes up
again after a lost connection, and lists anew where the API server has forgotten the version (410).

What happened in a gap is told as differences between two lists, so that nobody misses an end.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from trainingrun_client.errors import ApiError, UnreachableError, from_answer

EXPIRED = 410
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each try after a lost connection; the last one again and again."""


class Source(Protocol):
    """Where the objects come from. Both raise ApiError and UnreachableError."""

    def list(self) -> tuple[list[dict[str, Any]], str]:
        """All objects, and the version to watch from."""

    def watch(self, version: str, seconds: float | None) -> Iterator[dict[str, Any]]:
        """Events after a version; ends by itself, at the latest after so many seconds."""


@dataclass(frozen=True, slots=True)
class Change:
    """An object as it is now, or as it last was."""

    object: Mapping[str, Any]
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is lost; the next try follows in some seconds."""

    error: str
    seconds: float


def follow(
    source: Source,
    seconds: float | None = None,
    *,
    known: Iterable[Mapping[str, Any]] = (),
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Change | Lost]:
    """Each object that there is, then each change; for so many seconds, or endless.

    What the caller has `known` is told as gone where it is not there any more.

    Raises ApiError where the server refuses; that it is away is told as `Lost`, and never ends this.
    """
    held = {each["metadata"]["uid"]: each for each in known}
    version, failures = "", 0
    end = None if seconds is None else clock() + seconds
    while (left := None if end is None else end - clock()) is None or left > 0:
        try:
            if not version:
                objects, version = source.list()
                yield from _differences(held, objects)
                held = {each["metadata"]["uid"]: each for each in objects}
            for event in source.watch(version, left):
                failures = 0
                kind, body = event["type"], event["object"]
                if kind == "ERROR":
                    raise from_answer(body.get("code", 0), body.get("message", ""))
                version = body["metadata"]["resourceVersion"]
                if kind == "BOOKMARK":
                    continue
                if kind == "DELETED":
                    held.pop(body["metadata"]["uid"], None)
                else:
                    held[body["metadata"]["uid"]] = body
                yield Change(body, gone=kind == "DELETED")
        except UnreachableError as error:
            delay = PAUSES[min(failures, len(PAUSES) - 1)]
            failures += 1
            yield Lost(str(error), delay)
            pause(delay if left is None else min(delay, left))
        except ApiError as error:
            if error.status != EXPIRED:
                raise
            version = ""


def _differences(known: Mapping[str, Mapping[str, Any]], now: list[dict[str, Any]]) -> Iterator[Change]:
    present = {each["metadata"]["uid"] for each in now}
    for uid, body in known.items():
        if uid not in present:
            yield Change(body, gone=True)
    for body in now:
        before = known.get(body["metadata"]["uid"])
        if not before or before["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            yield Change(body)
