"""Answers of the API server about callers, kept for some seconds."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
LOCKS = 64


class Kept(Generic[Key, Value]):
    """A bounded cache. Threads may share it; those that want the same answer ask for it once."""

    def __init__(self, seconds: float, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._most, self._clock = seconds, most, clock
        self._held: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._lock = Lock()
        self._asking = tuple(Lock() for _ in range(LOCKS))

    def get(self, key: Key, ask: Callable[[], Value]) -> Value:
        """What is kept, else what `ask` says; what it raises is not kept."""
        with self._asking[hash(key) % LOCKS]:
            with self._lock:
                held = self._held.get(key)
            if held is not None and self._clock() < held[0]:
                return held[1]
            value = ask()
            with self._lock:
                self._held.pop(key, None)
                self._held[key] = self._clock() + self._seconds, value
                if len(self._held) > self._most:
                    self._held.popitem(last=False)
            return value

    def __len__(self) -> int:
        return len(self._held)
