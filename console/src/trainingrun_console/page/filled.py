"""A form that somebody filled in: texts to a manifest, a manifest to texts, and errors to fields.

Pure. What cannot be read as a field's type stays the text that it is, so that validation says what is wrong
with it in the same words as everywhere else.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import ValidationError

from trainingrun_api import TrainingRunSpec, names
from trainingrun_client.errors import ApiError, InvalidError
from trainingrun_console.page import forms
from trainingrun_console.page.forms import Field

Texts = dict[str, str]
"""What stands in the fields, by path; rows as volumes.0.claim."""
NAME, NAMESPACE = "metadata.name", "metadata.namespace"
SPEC = "spec."
PLAINER = {"extra_forbidden": "there is no such field", "missing": "this is needed"}
"""Words for errors of pydantic's."""
MOST_YAML = 1 << 18
"""Characters; a TrainingRun has less."""
_GIVEN = re.compile(r'^(Invalid|Unsupported|Required) value: ("(?:[^"\\]|\\.)*"|\S+): ')
"""How the API server begins what it says of a value."""


@dataclass
class Errors:
    """What is wrong, where the form can show it."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    """By path: of a field, or of a group."""
    general: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.fields or self.general)

    def add(self, path: str, message: str) -> None:
        """To the field, else to the nearest group around it, else to none."""
        known = _nearest(path)
        if known is None:
            self.general.append(f"{path}: {message}" if path and path not in message else message)
        elif message not in self.fields.setdefault(known, []):
            self.fields[known].append(message)


def manifest_of(texts: Mapping[str, str], errors: Errors) -> dict[str, Any]:
    """The TrainingRun that the texts describe; adds what is no YAML where YAML is wanted."""
    spec: dict[str, Any] = {}
    for path, text in texts.items():
        known = _field(path)
        if known is None or not text.strip():
            continue
        try:
            _put(spec, path.split("."), _value(known, text))
        except ValueError as error:
            errors.add(path, str(error))
    meta = {"name": texts.get(NAME, "").strip(), "namespace": texts.get(NAMESPACE, "").strip()}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {key: value for key, value in meta.items() if value},
        "spec": _listed(spec),
    }


def texts_of(manifest: Mapping[str, Any]) -> Texts:
    """What the form shows of a TrainingRun."""
    meta, spec = manifest.get("metadata") or {}, manifest.get("spec") or {}
    found = {NAME: str(meta.get("name") or ""), NAMESPACE: str(meta.get("namespace") or "")}
    for group in forms.groups():
        if group.rows:
            rows = _at(spec, group.path)
            for place, row in enumerate(rows if isinstance(rows, list) else ()):
                found |= {
                    f"{group.path}.{place}.{each.path}": _text(_at(row, each.path)) for each in group.fields
                }
        else:
            found |= {each.path: _text(_at(spec, each.path)) for each in group.fields}
    return {path: text for path, text in found.items() if text}


def renumbered(pairs: Iterable[tuple[str, str]]) -> Texts:
    """The texts of a form, with the empty rows left out and the others counted from 0."""
    given = {path: text for path, text in pairs if text.strip()}
    found: Texts = {}
    counts: dict[tuple[str, str], int] = {}
    for path, text in given.items():
        match = re.fullmatch(r"(.+?)\.(\d+)\.(.+)", path)
        if match is None:
            found[path] = text
            continue
        group, row, rest = match.groups()
        if (group, row) not in counts:
            counts[group, row] = sum(known == group for known, _ in counts)
        found[f"{group}.{counts[group, row]}.{rest}"] = text
    return found


def rows_of(texts: Mapping[str, str], group: str) -> int:
    """How many rows of a group are filled in."""
    places = [re.match(rf"{re.escape(group)}\.(\d+)\.", path) for path in texts]
    return max((int(each.group(1)) + 1 for each in places if each), default=0)


def read_yaml(text: str) -> dict[str, Any]:
    """The one TrainingRun of a text. Raises ValueError with words for people."""
    if len(text) > MOST_YAML:
        raise ValueError(f"{len(text)} characters are more than a TrainingRun can have: at most {MOST_YAML}")
    try:
        found = [each for each in yaml.safe_load_all(text) if each is not None]
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"this is no YAML: {error}") from error
    if len(found) != 1 or not isinstance(found[0], dict):
        raise ValueError("write one TrainingRun, beginning with apiVersion, kind, metadata and spec")
    body: dict[str, Any] = found[0]
    if body.get("kind") != names.KIND or body.get("apiVersion") != names.API_VERSION:
        raise ValueError(f"write apiVersion: {names.API_VERSION} and kind: {names.KIND}")
    for part in ("metadata", "spec"):
        if not isinstance(body.get(part) or {}, dict):
            raise ValueError(f"{part} is a mapping of names to values")
    return body


def check(manifest: Mapping[str, Any], errors: Errors) -> None:
    """Adds what can be known without the API server."""
    if not (manifest.get("metadata") or {}).get("name"):
        errors.add(NAME, "write a name, such as chest-xray")
    try:
        TrainingRunSpec.model_validate(manifest.get("spec") or {})
    except ValidationError as error:
        for each in error.errors(include_url=False):
            message = str(each["msg"]).removeprefix("Value error, ")
            path = ".".join(map(str, each["loc"]))
            if each["type"] in PLAINER:
                message = PLAINER[each["type"]]
            elif rule := forms.rule_fields().get(message):
                path = f"{path}.{rule}".lstrip(".")
            errors.add(path, message)


def refused(error: ApiError, errors: Errors) -> None:
    """Adds what the API server said."""
    causes = error.causes if isinstance(error, InvalidError) else ()
    for cause in causes:
        path = cause.field.replace("[", ".").replace("]", "")
        message = _GIVEN.sub("", cause.message)
        if path == "spec" and (rule := forms.rule_fields().get(message)):
            path = SPEC + rule
        errors.add(path.removeprefix(SPEC) if path != "spec" else "", message)
    if not causes:
        errors.general.append(error.message)


def to_yaml(manifest: Mapping[str, Any]) -> str:
    """As people write it."""
    return yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=100)


def _field(path: str) -> Field | None:
    return forms.fields().get(re.sub(r"\.\d+\.", ".*.", path))


def _nearest(path: str) -> str | None:
    if path in (NAME, NAMESPACE):
        return path
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        shorter = ".".join(parts[:count])
        if shorter and (_field(shorter) is not None or shorter in forms.TITLES):
            return shorter
    return None


def _value(known: Field, text: str) -> Any:
    text = text.strip()
    match known.kind:
        case "lines":
            return [_scalar(line.strip(), known.items) for line in text.splitlines() if line.strip()]
        case "map":
            try:
                return yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise ValueError("write it as YAML, such as key: value, one a line") from error
        case "choice":
            return _scalar(text, known.items)
        case _:
            return _scalar(text, known.kind)


def _scalar(text: str, kind: str) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "integer" and re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        return float(text)
    return text


def _put(target: dict[str, Any], parts: Sequence[str], value: Any) -> None:
    *outer, last = parts
    for part in outer:
        target = target.setdefault(part, {})
    target[last] = value


def _listed(value: Any) -> Any:
    """With rows, which are kept by number, as lists."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(key, str) and key.isdecimal() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(inner) for key, inner in value.items()}


def _at(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str:
    if value is None or value == {} or value == []:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    if isinstance(value, dict):
        return yaml.safe_dump(value, sort_keys=False).strip()
    return str(value)
