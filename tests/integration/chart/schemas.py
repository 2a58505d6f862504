"""JSON Schemas for kubeconform, of the API server of the tests: what its OpenAPI document says of each
kind, with unknown fields refused.

Nothing is fetched, and the schemas are those of the very version of Kubernetes.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

REFERENCE = "#/definitions/"
LOOSE = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
}
"""Types that OpenAPI v2 calls strings."""

Definitions = Mapping[str, Any]


def write_schemas(openapi: Mapping[str, Any], folder: Path) -> None:
    """A file for each kind of an /openapi/v2 document, named as kubeconform looks for them by default."""
    definitions: dict[str, Any] = {
        name: LOOSE.get(name) or _strict(part) for name, part in openapi["definitions"].items()
    }
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            group = kind["group"].split(".")[0]
            parts = [kind["kind"], *([group] if group else []), kind["version"]]
            needed = {other: definitions[other] for other in _reachable(name, definitions)}
            schema = {"$ref": REFERENCE + name, "definitions": needed}
            (folder / ("-".join(parts).lower() + ".json")).write_text(json.dumps(schema))


def _strict(definition: Any) -> Any:
    """The same, refusing fields that it does not name."""
    if isinstance(definition, list):
        return [_strict(part) for part in definition]
    if not isinstance(definition, dict):
        return definition
    strict = {key: _strict(part) for key, part in definition.items()}
    open_to_more = strict.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in strict
    if isinstance(strict.get("properties"), dict) and not open_to_more:
        strict["additionalProperties"] = False
    return strict


def _reachable(name: str, definitions: Definitions) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(_references(definitions[current]))
    return found


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for entry in part:
            yield from _references(entry)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(REFERENCE)
            else:
                yield from _references(value)
