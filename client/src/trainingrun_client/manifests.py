"""Reads what is to be submitted, and says what is wrong with it before any server does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from trainingrun_api import TrainingRunSpec, names
from trainingrun_client.errors import Cause, InputError, InvalidError

STANDARD_INPUT = Path("/dev/stdin")


def read_manifest(
    source: str | Path | Mapping[str, Any], *, name: str | None = None, namespace: str | None = None
) -> dict[str, Any]:
    """The TrainingRun of a YAML file, or of a dict; `namespace` is that of a manifest that names none.

    Raises InputError.
    """
    if isinstance(source, Mapping):
        body, where = _plain(source), "the manifest"
    elif not isinstance(source, str | Path):
        raise InputError(f"a run is a file of YAML or a dict, not {source!r}")
    else:
        where = "standard input" if source == STANDARD_INPUT else str(source)
        body = _only_run(_documents(Path(source)), where)
    if body.get("kind") != names.KIND or body.get("apiVersion") != names.API_VERSION:
        raise InputError(
            f"{where} holds {body.get('apiVersion', 'no apiVersion')} {body.get('kind', 'without a kind')}; "
            f"wanted is {names.API_VERSION} {names.KIND}"
        )
    meta = body.get("metadata") or {}
    if not isinstance(meta, dict) or not isinstance(body.get("spec", {}), dict):
        raise InputError(f"{where}: metadata and spec are mappings")
    meta = {**meta}
    if name:
        meta["name"] = name
    if not meta.get("name") and not meta.get("generateName"):
        raise InputError(f"{where} has no metadata.name: write one, or give one by --name")
    meta.setdefault("namespace", namespace)
    return {**body, "metadata": {key: value for key, value in meta.items() if value is not None}}


def checked_spec(manifest: Mapping[str, Any]) -> TrainingRunSpec:
    """Its spec with all defaults, as far as it can be checked without an API server.

    Raises InvalidError, whose causes name each field as it stands in YAML.
    """
    try:
        return TrainingRunSpec.model_validate(manifest.get("spec") or {})
    except ValidationError as error:
        causes = tuple(
            Cause(_path("spec", *each["loc"]), _words(each["msg"], each.get("input"), each["type"]))
            for each in error.errors(include_url=False)
        )
        said = "; ".join(f"{each.field}: {each.message}" for each in causes)
        raise InvalidError(422, said, causes) from error


def _plain(source: Mapping[str, Any]) -> dict[str, Any]:
    """With the types of JSON: numbers of NumPy become those of Python, sets lists."""

    def plain(value: object) -> object:
        if isinstance(value, set | frozenset):
            return sorted(value)
        item = getattr(value, "item", None)
        if callable(item):
            return item()
        if isinstance(value, Path):
            return str(value)
        raise InputError(f"the manifest holds {value!r}, which YAML has no word for")

    found: dict[str, Any] = json.loads(json.dumps(dict(source), default=plain))
    return found


def _documents(path: Path) -> list[Any]:
    try:
        return [each for each in yaml.safe_load_all(path.read_text()) if each is not None]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no YAML: {error}") from error


def _only_run(documents: list[Any], where: str) -> dict[str, Any]:
    mappings = [each for each in documents if isinstance(each, dict)]
    runs = [each for each in mappings if each.get("kind") == names.KIND] or mappings
    if len(runs) != 1:
        raise InputError(f"{where} holds {len(runs)} TrainingRuns; wanted is one")
    return runs[0]


def _path(*parts: object) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")


def _words(message: str, given: object, kind: str) -> str:
    message = message.removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return "there is no such field"
    return f"{message}, not {given!r}" if isinstance(given, str | int | float) else message
