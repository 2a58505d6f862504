"""From the values of a form to a valid TrainingRun; nothing is left out without a word."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from trainingrun_api import TrainingRunSpec, names
from trainingrun_trainer import config
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.importing.forms import DATA, FORMS, IMAGES, MASKS, NAME, SPLITS, Dropped, Form
from trainingrun_trainer.importing.sources import Source

OVERRIDES = "config_overrides"
"""Dotted paths and values, which take the place of those in the file."""
TASK = "spec.training.task"
PATH = "spec.training.data.path"
CLAIM, SIZE = "data", "10Gi"


@dataclass(frozen=True)
class Converted:
    """A TrainingRun, and what is to be known of it."""

    run: Mapping[str, Any]
    form: str
    dropped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def convert(source: Source, name: str, task: str | None = None) -> Converted:
    """The TrainingRun of a configuration.

    Args:
        source: what the file says.
        name: of the run, where the file names none.
        task: where the file names none.

    Raises:
        BadConfig: the form is unknown, two values contradict each other, or a value has no counterpart.
    """
    form = _form(source.content)
    dropped = [f"{key}: its value is no literal, and code is not run" for key in source.unreadable]
    known = dict(form.base)
    origins: dict[str, str] = {}
    if task is not None:
        known[TASK], origins[TASK] = task, "--task"
    for key, value in _values(source.content, form):
        if value is None:  # the default, here as there
            continue
        fields = _fields(form, key, value)
        if isinstance(fields, Dropped):
            dropped.append(f"{key}: {fields.reason}")
            continue
        for path, converted in fields.items():
            if path in origins and known[path] != converted:
                raise BadConfig(
                    f"{origins[path]} is {known[path]!r} and {key} is {converted!r}, but both mean "
                    f"{path.removeprefix('spec.')}",
                    "Remove one of them, or make them equal.",
                )
            known[path], origins[path] = converted, key
    if TASK not in known:
        raise BadConfig("the file names no task", "Pass --task, such as --task object-detection.")
    notes = _place(known)
    return Converted(_run(known, name, notes), form.title, dropped, notes)


def _fields(form: Form, key: str, value: Any) -> Mapping[str, Any] | Dropped:
    row = form.table.get(key)
    if row is None:
        return Dropped("nothing here is named so")
    try:
        return row(value)
    except (AttributeError, TypeError, ValueError) as error:
        raise BadConfig(f"{key} is {value!r}, which cannot be read: {error}", "Correct its value.") from error


def _form(content: Mapping[str, Any]) -> Form:
    tops = {str(key).partition(".")[0] for key in (*content, *_overrides(content))}
    form = max(FORMS, key=lambda form: len(form.signs & tops))
    if not form.signs & tops:
        raise BadConfig(
            f"{', '.join(sorted(tops))}: this is none of the known forms: "
            f"{'; '.join(form.title for form in FORMS)}",
            "Write the TrainingRun by hand; `kubectl explain trainingrun.spec.training` lists its fields.",
        )
    return form


def _overrides(content: Mapping[str, Any]) -> Mapping[str, Any]:
    overrides = content.get(OVERRIDES, {})
    if not isinstance(overrides, Mapping):
        raise BadConfig(f"{OVERRIDES} is {overrides!r}", "Write an object of dotted paths and values.")
    return overrides


def _values(content: Mapping[str, Any], form: Form) -> Iterator[tuple[str, Any]]:
    flat = dict(_flat({key: value for key, value in content.items() if key != OVERRIDES}, form))
    yield from (flat | dict(_flat(_overrides(content), form))).items()


def _flat(content: Mapping[str, Any], form: Form, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values by dotted path; an object that the table knows is a value itself."""
    for key, value in content.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and path not in form.table:
            yield from _flat(value, form, f"{path}.")
        else:
            yield path, value


def _place(known: dict[str, Any]) -> list[str]:
    """One path to the data from all that are known, and the volume that holds it."""
    parts = {name: known.pop(name) for name in (SPLITS, IMAGES, MASKS) if name in known}
    if parts:
        common = os.path.commonpath(list(parts.values()))
        if common in (parts.get(IMAGES), parts.get(MASKS)):
            common = str(PurePosixPath(common).parent)
        if parts.get(SPLITS) == common:
            del parts[SPLITS]
        known[PATH] = common
        for name, path in parts.items():
            known[f"spec.training.data.{name}Directory"] = str(PurePosixPath(path).relative_to(common))
    path = known.setdefault(PATH, DATA)
    if not path.startswith(f"{names.CHECKPOINTS_DIR}/"):
        top, parent = PurePosixPath(path).parts[:2], PurePosixPath(path).parent
        mount = str(PurePosixPath(*top) if top[-1] == DATA[1:] or len(parent.parts) == 1 else parent)
        known["spec.volumes"] = [{"claim": CLAIM, "mountPath": mount, "readOnly": True}]
        return [
            f"the data are expected at {path}, in a claim {CLAIM} that is mounted at {mount}: name your own"
        ]
    return []


def _run(known: Mapping[str, Any], name: str, notes: list[str]) -> dict[str, Any]:
    """The validated object."""
    wanted = str(known.get(NAME, name))
    valid = _valid_name(wanted)
    if valid != wanted:
        notes.append(f"the name {wanted!r} has become {valid}, as names of runs must be")
    run: dict[str, Any] = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": valid},
        "spec": {"training": {"task": known[TASK]}, "checkpoints": {"size": SIZE}},
    }
    for path, value in known.items():
        *parents, last = path.split(".")
        target = run
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = valid if path == NAME else value
    config.parse(run["spec"]["training"])
    try:
        TrainingRunSpec.model_validate(run["spec"])
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"
            for detail in error.errors(include_url=False)
        )
        raise BadConfig(problems, "Correct the values in the file.") from error
    return run


def _valid_name(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    lettered = words if words[:1].isalpha() else f"run-{words}".strip("-")
    return lettered[: names.MAX_NAME_LENGTH].strip("-")
