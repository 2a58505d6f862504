"""Snapshots of objects by the run, or the project, that they belong to. Belongs to the event loop."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from trainingrun_operator.observed import Key


class Snapshot(Protocol):
    """An object as it was read; its facts are its slots."""

    __slots__: tuple[str, ...]

    @property
    def uid(self) -> str:
        """metadata.uid."""

    @property
    def resource_version(self) -> str:
        """metadata.resourceVersion."""


T = TypeVar("T", bound=Snapshot)


class Store(Mapping[Key, Collection[T]], Generic[T]):
    """Each object stands under one key."""

    def __init__(self, items: Mapping[Key, Iterable[T]] = MappingProxyType({})) -> None:
        self._by_key: dict[Key, dict[str, T]] = {}
        self._key_of: dict[str, Key] = {}
        for key, group in items.items():
            for item in group:
                self.put(key, item)

    def __getitem__(self, key: Key) -> Collection[T]:
        return self._by_key[key].values()

    def __iter__(self) -> Iterator[Key]:
        return iter(self._by_key)

    def __len__(self) -> int:
        return len(self._by_key)

    def put(self, key: Key, item: T) -> bool:
        """Holds an object in the place of its last state; whether more than the version differs."""
        if self._key_of.get(item.uid, key) != key:
            self.drop(item.uid)
        self._key_of[item.uid] = key
        items = self._by_key.setdefault(key, {})
        before = items.get(item.uid)
        items[item.uid] = item
        return before is None or not _alike(before, item)

    def drop(self, uid: str) -> None:
        """Holds it no more."""
        key = self._key_of.pop(uid, None)
        if key is not None:
            items = self._by_key[key]
            del items[uid]
            if not items:
                del self._by_key[key]

    def others(self, namespace: str | None, uids: Collection[str]) -> list[tuple[Key, T]]:
        """What is held of a namespace, or of all, beside these."""
        return [
            (key, item)
            for key, items in self._by_key.items()
            if namespace in (None, key[0])
            for uid, item in items.items()
            if uid not in uids
        ]


def _alike(before: T, item: T) -> bool:
    fields = (name for name in item.__slots__ if name != "resource_version")
    return type(before) is type(item) and all(getattr(before, name) == getattr(item, name) for name in fields)
