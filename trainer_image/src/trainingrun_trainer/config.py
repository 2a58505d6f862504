"""From a config file and `--set` overrides to a valid TrainingConfig, or to an error that says what to
change.

The file is JSON or YAML: the training config itself, or a whole TrainingRun, of which `spec.training` is
taken.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trainingrun_api import TrainingConfig
from trainingrun_api.names import KIND
from trainingrun_trainer.errors import BadConfig


def load(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Read a config file and apply overrides such as ``optimizer.learningRate=0.0005``.

    Raises:
        BadConfig: the file cannot be read, or a field is unknown, missing or out of range.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfig(f"cannot read the config {path}: {error.strerror}", "Check --config.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadConfig(
            f"the config {path} is neither JSON nor YAML: {error}", "Correct its syntax."
        ) from error
    if isinstance(content, dict) and content.get("kind") == KIND:
        spec = content.get("spec")
        content = spec.get("training") if isinstance(spec, dict) else None
    if not isinstance(content, dict):
        raise BadConfig(f"the config {path} holds no object", "Start from one of the examples.")
    return parse(override(content, overrides))


def override(content: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """The config with each `path=value` put in; paths are dotted camelCase, values JSON or YAML.

    Raises:
        BadConfig: an override has no "=", or its path leads through a value that is no object.
    """
    result = dict(content)
    for item in overrides:
        path, separator, value = item.partition("=")
        if not separator or not path:
            raise BadConfig(
                f"--set {item} is not of the form path=value", "Write --set optimizer.learningRate=0.0005."
            )
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise BadConfig(f"--set {item}: the value cannot be read", "Put it in quotes.") from error
        result = _put(result, path.split("."), parsed, item)
    return result


def _put(content: dict[str, Any], keys: Sequence[str], value: Any, item: str) -> dict[str, Any]:
    first, *rest = keys
    if not rest:
        return {**content, first: value}
    child = content.get(first, {})
    if not isinstance(child, dict):
        raise BadConfig(f"--set {item}: {first} is {child!r}, not an object", "Shorten the path.")
    return {**content, first: _put(child, rest, value, item)}


def parse(content: Mapping[str, Any]) -> TrainingConfig:
    """Validate a config, rules between fields included.

    Raises:
        BadConfig: names every field that is wrong, its value, and what it must be.
    """
    try:
        return TrainingConfig.model_validate(dict(content))
    except ValidationError as error:
        problems = "; ".join(_problem(detail) for detail in error.errors(include_url=False))
        raise BadConfig(
            problems, "Correct the named fields; `kubectl explain trainingrun.spec.training` lists all."
        ) from error


def _problem(detail: ErrorDetails) -> str:
    field = ".".join(str(part) for part in detail["loc"]) or "the config"
    match detail["type"]:
        case "extra_forbidden":
            return f"{field}: there is no such field; correct its name or remove it"
        case "missing":
            return f"{field}: is required; add it"
        case "value_error" if isinstance(detail["input"], dict):
            return _reason(detail)
        case _:
            return f"{field}: {detail['input']!r} is not allowed, {_reason(detail)}"


def _reason(detail: ErrorDetails) -> str:
    reason = detail["msg"].removeprefix("Value error, ")
    return reason[0].lower() + reason[1:]
