"""The form that starts a run, made from the models of the API: what they gain, the form gains. Pure.

The structural schema, from which the API server checks too, has all that a form needs: descriptions,
defaults, choices, and which field a rule is about.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from trainingrun_api import TrainingRunSpec
from trainingrun_api.model import CEL_KEY
from trainingrun_api.schema import Schema, structural_schema

Kind = Literal["text", "integer", "number", "choice", "lines", "map"]
OWN_PROGRAM = "command"
"""Group of what stands in the place of `training`."""
TITLES = {
    "": "Run",
    "resources": "Resources of each pod",
    "volumes": "Volumes",
    "checkpoints": "Checkpoints and results",
    "training": "Training",
    "training.data": "Data",
    "training.model": "Network",
    "training.optimizer": "Optimizer",
    "training.scheduler": "Learning-rate schedule",
    "training.loss": "Loss",
    "training.earlyStopping": "Early stopping",
    "training.augmentation": "Augmentation",
    "training.metrics": "Metrics",
    "training.artifacts": "Artifacts",
    "training.export": "Export",
    "training.database": "Database",
    "training.data.limits": "Limits of a ZIP",
    OWN_PROGRAM: "A program of your own, instead of training",
    "env": "Environment",
    "restart": "Restarts",
    "deadlines": "Deadlines",
    "pod": "Pods",
    "pod.tolerations": "Tolerations",
}
"""In the order of the form. Groups that are not named here follow under their own names."""
OPEN = {"", "resources", "volumes", "checkpoints", "training", "training.data", "training.model"}
"""Groups that most runs need."""
FIRST = {
    "training": ("task", "maxEpochs", "monitor"),
    "training.data": ("path", "format", "imageSize", "batchSize"),
}
"""Fields that stand at the top of their group."""
SHORT = {"gpu": "GPU", "gpus": "GPUs", "cpu": "CPU", "ttl": "TTL", "ema": "EMA", "id": "ID"}
"""How people write them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value of the spec."""

    path: str
    """Dotted, without `spec.`; in a group of rows relative to the row."""
    kind: Kind
    help: str = ""
    default: str = ""
    """As the form shows what is taken where nothing is written; empty where that is nothing or depends."""
    choices: Sequence[str] = ()
    required: bool = False
    items: str = "string"
    """JSON type of the entries of `lines` and of `choice`."""

    @property
    def label(self) -> str:
        """Its name in words: batch size."""
        return words(self.path.rpartition(".")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Fields of one object, or of each object of a list."""

    path: str
    title: str
    help: str = ""
    fields: Sequence[Field] = field(default=())
    rows: bool = False
    open: bool = False

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return f"group-{self.path.replace('.', '-') or 'run'}"


@cache
def groups() -> Sequence[Group]:
    """All of the form."""
    found = {group.path: group for group in _groups("", _schema())}
    ordered = [path for path in TITLES if path in found]
    ordered += [path for path in found if path not in ordered]
    return tuple(found[path] for path in ordered)


@cache
def fields() -> Mapping[str, Field]:
    """By path; those of rows by group, `.*.` and path."""
    return {
        f"{group.path}.*.{each.path}" if group.rows else each.path: each
        for group in groups()
        for each in group.fields
    }


@cache
def rule_fields() -> Mapping[str, str]:
    """The field that a rule is about, relative to its object, by the rule's message."""
    return dict(_rules(_schema()))


def words(name: str) -> str:
    """camelCase as words: Batch size."""
    parted = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f" {found.group().lower()}", name).split()
    found = " ".join(SHORT.get(part, part) for part in parted)
    return found[:1].upper() + found[1:]


def _schema() -> Schema:
    return structural_schema(TrainingRunSpec)


def _groups(path: str, schema: Schema) -> Iterator[Group]:
    required = schema.get("required", ())
    own: list[Field] = []
    for name, node in schema["properties"].items():
        inner = f"{path}.{name}" if path else name
        if "properties" in node:
            yield from _groups(inner, node)
        elif "properties" in node.get("items", {}):
            yield _rows(inner, node)
        else:
            own.append(_field(inner, node, name in required))
    if not path:
        program = [each for each in own if each.path in ("command", "args")]
        own = [each for each in own if each not in program]
        yield _group(OWN_PROGRAM, program, "Any image and command; phases, restarts and logs are the same.")
    places = {name: place for place, name in enumerate(FIRST.get(path, ()))}
    own.sort(key=lambda each: places.get(each.path.rpartition(".")[2], len(places)))
    yield _group(path, own, schema.get("description", "") if path else "")


def _group(path: str, own: Sequence[Field], text: str) -> Group:
    title = TITLES.get(path) or words(path.rpartition(".")[2])
    return Group(path=path, title=title, help=text, fields=tuple(own), open=path in OPEN)


def _rows(path: str, node: Schema) -> Group:
    required = node["items"].get("required", ())
    own = [_field(name, each, name in required) for name, each in node["items"]["properties"].items()]
    return replace(_group(path, own, node.get("description", "")), rows=True)


def _field(path: str, node: Schema, required: bool) -> Field:
    kind = node.get("type", "string")
    made = Field(path=path, kind="text", help=node.get("description", ""), required=required)
    if kind == "boolean":
        made = replace(made, kind="choice", choices=("true", "false"), items="boolean")
    elif "enum" in node:
        made = replace(made, kind="choice", choices=tuple(map(str, node["enum"])), items=kind)
    elif kind in ("integer", "number"):
        made = replace(made, kind=kind)
    elif kind == "array":
        made = replace(made, kind="lines", items=node["items"].get("type", "string"))
    elif kind == "object":
        made = replace(made, kind="map")
    return replace(made, default=_shown(node.get("default")))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, dict | list):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rules(schema: Schema) -> Iterator[tuple[str, str]]:
    if not schema:
        return
    for rule in schema.get(CEL_KEY, ()):
        if "fieldPath" in rule:
            yield rule["message"], rule["fieldPath"].removeprefix(".")
    for inner in (*schema.get("properties", {}).values(), schema.get("items", {})):
        yield from _rules(inner)
