"""The run that verbs take: a file or standard input, and what `--set` changes in it."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from trainingrun_client.errors import InputError
from trainingrun_client.manifests import STANDARD_INPUT, read_manifest

File = Annotated[Path, typer.Argument(metavar="FILE", help="YAML of one TrainingRun; - is standard input.")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override, as training.optimizer.learningRate=0.01, or env.0.value=x.",
    ),
]


def manifest_of(
    file: Path, changes: Sequence[str] | None, *, name: str | None = None, namespace: str | None = None
) -> dict[str, Any]:
    """The manifest with its overrides; `namespace` is that of one that names none. Raises InputError."""
    source = STANDARD_INPUT if str(file) == "-" else file
    return with_changes(read_manifest(source, name=name, namespace=namespace), changes or ())


def with_changes(manifest: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """The manifest with dotted paths of its spec set to values, which are read as YAML; a number in a path is
    a place in a list, the first behind its end included.

    Raises InputError.
    """
    spec = copy.deepcopy(manifest.get("spec") or {})
    for change in changes:
        path, equals, text = change.partition("=")
        parts = path.removeprefix("spec.").split(".")
        if not equals or not all(parts):
            raise InputError(f"--set {change}: write PATH=VALUE, as training.optimizer.learningRate=0.01")
        place: Any = spec
        for part in parts[:-1]:
            place = _below(place, part, change)
        _put(place, parts[-1], _value(change, text), change)
    return {**manifest, "spec": spec}


def _below(place: Any, part: str, change: str) -> Any:
    """What lies below a place; a mapping where there is nothing yet."""
    if isinstance(place, dict):
        found = place.get(part)
    else:
        found = None if _is_end(place, part) else place[_index(place, part, change)]
    if found is None:
        found = {}
        _put(place, part, found, change)
    if not isinstance(found, dict | list):
        raise InputError(f"--set {change}: {part} is a value and has no fields")
    return found


def _put(place: Any, part: str, value: Any, change: str) -> None:
    if isinstance(place, dict):
        place[part] = value
    elif _is_end(place, part):
        place.append(value)
    else:
        place[_index(place, part, change)] = value


def _is_end(place: list[Any], part: str) -> bool:
    return part == str(len(place))


def _index(place: list[Any], part: str, change: str) -> int:
    if not part.isdecimal() or int(part) >= len(place):
        raise InputError(f"--set {change}: {part} is no place in a list of {len(place)}; the first is 0")
    return int(part)


def _value(change: str, text: str) -> Any:
    if not text:
        raise InputError(f"--set {change}: there is no value; null takes the field out")
    try:
        value = yaml.safe_load(text)
        json.dumps(value)
    except (yaml.YAMLError, TypeError) as error:
        raise InputError(f"--set {change}: {text} is no value of YAML that JSON has: {error}") from error
    return value
