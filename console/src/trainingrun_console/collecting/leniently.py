"""Values of JSON that anybody may have written: what has the expected form, else None. Pure, never raises."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

LARGEST = 2**53
"""Whole numbers up to here are the same for every reader of JSON."""
LARGEST_COLUMN = 2**31 - 1
"""Of an INTEGER column."""


def inside(content: object, *keys: str) -> Any:
    """What lies below some keys."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def mapping(content: object, *keys: str) -> Mapping[str, Any]:
    """An object below some keys; an empty one where there is none."""
    found = inside(content, *keys)
    return found if isinstance(found, Mapping) else {}


def items(content: object, *keys: str) -> Iterator[Mapping[str, Any]]:
    """The objects of an array below some keys."""
    found = inside(content, *keys)
    yield from (each for each in found if isinstance(each, Mapping)) if isinstance(found, list) else ()


def text(content: object, *keys: str) -> str | None:
    """A text that is not empty. Databases have no place for NUL."""
    found = inside(content, *keys)
    if not isinstance(found, str):
        return None
    return found.replace("\0", "").encode(errors="replace").decode() or None


def whole(content: object, *keys: str, most: int = LARGEST_COLUMN) -> int | None:
    """A whole number from 0."""
    found = inside(content, *keys)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= most:
        return None
    return found


def number(content: object, *keys: str) -> float | None:
    """A number, or one as text; what JSON has no number for is none."""
    found = inside(content, *keys)
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    with suppress(ValueError, OverflowError):
        value = float(found)
        return value if math.isfinite(value) else None
    return None


def truth(content: object, *keys: str) -> bool | None:
    """True or False."""
    found = inside(content, *keys)
    return found if isinstance(found, bool) else None


def moment(content: object, *keys: str) -> datetime | None:
    """A time of RFC 3339; without a zone it counts as UTC."""
    found = inside(content, *keys)
    if not isinstance(found, str):
        return None
    with suppress(ValueError, OverflowError):  # a zone may lead out of the years that there are
        time = datetime.fromisoformat(found)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    return None


def storable(content: Any, depth: int = 32) -> Any:
    """The same JSON as databases keep it: without NUL, infinite numbers or what lies deeper."""
    match content:
        case str():
            return text(content) or ""
        case bool() | None:
            return content
        case int():
            return content if abs(content) <= LARGEST else None
        case float():
            return content if math.isfinite(content) else None
        case Mapping() if depth:
            return {storable(str(key)): storable(value, depth - 1) for key, value in content.items()}
        case list() | tuple() if depth:
            return [storable(value, depth - 1) for value in content]
        case _:
            return None
