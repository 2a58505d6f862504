"""Specs at the edges of what the definition's schema allows, and beyond: one changed property at a time.

Pure. What a schema cannot tell, such as a pattern or a relation between fields, is left to the API server:
such a value is tried, and accepted or refused.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
Spec = dict[str, Any]
Path = tuple[str | int, ...]

ABSENT = object()
"""Stands for a property that is left out."""
LONG_TEXT = 40_000
SMALL = 1e-6


@dataclass(frozen=True)
class Variation:
    """A value of one property."""

    path: Path
    what: str
    """Of the value: minimum, above maximum, ..."""
    value: Any
    valid: bool
    """Whether the schema of the property allows it, as far as a schema tells."""

    @property
    def field(self) -> str:
        """As the API server writes it."""
        text = "spec"
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}"
        return text

    @property
    def name(self) -> str:
        """For the test's messages."""
        return f"{self.field}: {self.what}"

    def applied(self, base: Spec) -> Spec:
        """A copy of a spec with this value in it."""
        spec = copy.deepcopy(base)
        place: Any = spec
        for part, following in zip(self.path, self.path[1:], strict=False):
            place = _step(place, part, [] if isinstance(following, int) else {})
        last = self.path[-1]
        if self.value is ABSENT:
            if isinstance(place, dict):
                place.pop(last, None)
        elif isinstance(place, list) and last == len(place):
            place.append(self.value)
        else:
            place[last] = self.value
        return spec


def _step(place: Any, part: str | int, empty: Any) -> Any:
    if isinstance(part, int):
        if part == len(place):
            place.append(empty)
        return place[part]
    return place.setdefault(part, empty)


def variations(schema: Schema) -> list[Variation]:
    """All of them, of the schema of `spec`."""
    return [
        Variation(path, what, value, valid)
        for path, part, required in _properties(schema, ())
        for what, value, valid in _values(part, required)
    ]


def _properties(schema: Schema, path: Path) -> Iterator[tuple[Path, Schema, bool]]:
    for name, part in schema.get("properties", {}).items():
        yield (*path, name), part, name in schema.get("required", ())
        yield from _properties(part, (*path, name))
        if items := part.get("items"):
            if "properties" not in items:
                yield (*path, name, 0), items, True
            yield from _properties(items, (*path, name, 0))


def _values(schema: Schema, required: bool) -> Iterator[tuple[str, Any, bool]]:
    if not required:
        yield "absent", ABSENT, True
    yield "null", None, True
    if "enum" in schema:
        for choice in schema["enum"]:
            yield f"choice {choice}", choice, True
        yield "no choice", "no-such-choice", False
    elif schema.get("x-kubernetes-int-or-string"):
        yield "an object", {}, False
    elif "type" in schema:
        yield from _OF_TYPE[schema["type"]](schema)


def _numbers(schema: Schema) -> Iterator[tuple[str, Any, bool]]:
    small = 1 if schema["type"] == "integer" else SMALL
    for bound, sign in (("minimum", -1), ("maximum", 1)):
        if bound in schema:
            limit = schema[bound]
            yield bound, limit, not schema.get(f"exclusive{bound.capitalize()}", False)
            yield f"inside of {bound}", limit - sign * small, True
            yield f"beyond {bound}", limit + sign * small, False
    if schema["type"] == "integer":
        yield "a fraction", 1.5, False
    yield "a word", "many", False


def _texts(schema: Schema) -> Iterator[tuple[str, Any, bool]]:
    longest = schema.get("maxLength", LONG_TEXT)
    yield "longest", "a" * longest, True
    yield "longer than longest", "a" * (longest + 1), "maxLength" not in schema
    yield "empty", "", schema.get("minLength", 0) == 0
    yield "a number", 7, False


def _switches(schema: Schema) -> Iterator[tuple[str, Any, bool]]:
    yield "true", True, True
    yield "false", False, True
    yield "a word", "yes", False


def _lists(schema: Schema) -> Iterator[tuple[str, Any, bool]]:
    yield "empty", [], schema.get("minItems", 0) == 0
    if "maxItems" in schema:
        yield "too many", [None] * (schema["maxItems"] + 1), False
    yield "a word", "one", False


def _objects(schema: Schema) -> Iterator[tuple[str, Any, bool]]:
    if "properties" not in schema:
        yield "empty", {}, True
        yield "too many", {f"k{number}": "v" for number in range(schema["maxProperties"] + 1)}, False
    else:
        yield "an unknown field", {"noSuchField": 1}, False
    yield "a word", "one", False


_OF_TYPE = {
    "integer": _numbers,
    "number": _numbers,
    "string": _texts,
    "boolean": _switches,
    "array": _lists,
    "object": _objects,
}
