"""When a client first saw what of many objects, in milliseconds, over watches that are resumed when they end.

The API server closes a watch that lags, silently. Both ends of a latency are seen by the same client, so its
own delay falls out.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import urllib3

from tests.helpers.server import Object, Server

Facts = Callable[[Object], Mapping[str, bool]]
"""What holds of an object, by the name of the moment at which it first did."""


class Followed:
    """The moments of all objects of a kind in a namespace, on the monotonic clock."""

    def __init__(self, server: Server, path: str, facts: Facts) -> None:
        self._server = server
        self._path = path
        self._facts = facts
        self._over = threading.Event()
        self._lost: RuntimeError | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.moments: dict[str, dict[str, float]] = {}
        """By object and by fact."""
        self.labels: dict[str, Mapping[str, str]] = {}

    @contextmanager
    def following(self) -> Iterator["Followed"]:
        self._version = self._server("GET", self._path)["metadata"]["resourceVersion"]
        self._thread.start()
        yield self
        self._over.set()

    def count(self, fact: str) -> int:
        """Of how many objects it held at some time. Raises what the watch ended with."""
        if self._lost:
            raise self._lost
        return sum(fact in moments for moments in list(self.moments.values()))

    def _follow(self) -> None:
        while not self._over.is_set():
            try:
                for event in self._server.watch(self._path, self._version):
                    self._take(event)
                    if self._over.is_set():
                        return
            except urllib3.exceptions.HTTPError as error:
                print(f"the watch of {self._path} goes on after {error!r}")
            except RuntimeError as error:
                self._lost = error
                return

    def _take(self, event: Object) -> None:
        now, body = time.monotonic(), event["object"]
        if event["type"] == "ERROR":
            raise RuntimeError(f"the watch of {self._path} ended, and with it the measurement: {body}")
        self._version = body["metadata"]["resourceVersion"]
        if event["type"] in ("ADDED", "MODIFIED"):
            name = body["metadata"]["name"]
            self.labels.setdefault(name, body["metadata"].get("labels", {}))
            moments = self.moments.setdefault(name, {})
            for fact, holds in self._facts(body).items():
                if holds:
                    moments.setdefault(fact, now)
