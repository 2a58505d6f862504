"""The form of a new run knows every field of the API, and puts each error beside its field."""

from typing import Any

import pytest
import yaml

from tests.cluster.api import TREE
from trainingrun_api import TrainingRunSpec, names
from trainingrun_api.schema import structural_schema
from trainingrun_client.errors import Cause, ForbiddenError, InvalidError
from trainingrun_console.page import filled, forms
from trainingrun_console.page.filled import NAME, Errors

GOOD = {
    NAME: "chest",
    "training.task": "classification",
    "training.data.format": "directory",
    "training.data.path": "/data",
    "volumes.0.claim": "chest",
    "volumes.0.mountPath": "/data",
    "checkpoints.size": "1Gi",
}
SPECS = sorted((TREE / "tests" / "golden" / "api" / "specs").glob("*.yaml"))


def leaves(schema: dict[str, Any], path: str = "") -> set[str]:
    found = set()
    for name, node in schema["properties"].items():
        inner = f"{path}.{name}".lstrip(".")
        if "properties" in node:
            found |= leaves(node, inner)
        elif "properties" in node.get("items", {}):
            found |= leaves(node["items"], f"{inner}.*")
        else:
            found.add(inner)
    return found


def errors_of(texts: dict[str, str]) -> Errors:
    errors = Errors()
    manifest = filled.manifest_of(texts, errors)
    filled.check(manifest, errors)
    return errors


def test_the_form_has_every_field_of_the_spec_once() -> None:
    shown = [
        f"{group.path}.*.{each.path}" if group.rows else each.path
        for group in forms.groups()
        for each in group.fields
    ]
    assert sorted(shown) == sorted(leaves(structural_schema(TrainingRunSpec)))


def test_every_field_is_explained_and_every_group_named() -> None:
    assert [path for path, each in forms.fields().items() if not each.help] == []
    assert [group.path for group in forms.groups() if group.path not in forms.TITLES] == []


@pytest.mark.parametrize(
    ("path", "kind", "default", "choices"),
    [
        ("nodes", "integer", "1", ()),
        ("training.loss.classWeights", "choice", "none", ("none", "balanced")),
        ("training.compile", "choice", "false", ("true", "false")),
        ("training.data.dimensions", "choice", "2", ("2", "3")),
        ("training.optimizer.weightDecay", "number", "0.0001", ()),
        ("training.data.classNames", "lines", "", ()),
        ("training.model.parameters", "map", "", ()),
        ("resources.cpu", "text", "", ()),
        ("volumes.*.claim", "text", "", ()),
    ],
)  # fmt: skip
def test_a_field_is_of_the_kind_of_its_type(
    path: str, kind: str, default: str, choices: tuple[str, ...]
) -> None:
    found = forms.fields()[path]
    assert (found.kind, found.default, tuple(found.choices)) == (kind, default, choices)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_run_survives_the_way_through_the_form(path: Any) -> None:
    spec = yaml.safe_load(path.read_text())
    spec = spec.get("spec", spec)
    texts = filled.texts_of({"metadata": {"name": "chest"}, "spec": spec})
    errors = Errors()
    again = filled.manifest_of(texts, errors)
    assert not errors
    assert TrainingRunSpec.model_validate(again["spec"]) == TrainingRunSpec.model_validate(spec)


def test_a_filled_form_is_a_manifest() -> None:
    errors = Errors()
    texts = {
        **GOOD,
        "training.data.dimensions": "2",
        "training.compile": "true",
        "nodes": " 2 ",
        "suspend": "",
    }
    manifest = filled.manifest_of(
        {**texts, "training.model.parameters": "width: 2", "csrf_token": "x"}, errors
    )
    assert not errors
    assert manifest == {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": "chest"},
        "spec": {
            "training": {
                "task": "classification",
                "data": {"format": "directory", "path": "/data", "dimensions": 2},
                "compile": True,
                "model": {"parameters": {"width": 2}},
            },
            "volumes": [{"claim": "chest", "mountPath": "/data"}],
            "checkpoints": {"size": "1Gi"},
            "nodes": 2,
        },
    }


@pytest.mark.parametrize(
    ("change", "path", "said"),
    [
        ({NAME: ""}, NAME, "write a name"),
        ({"nodes": "0"}, "nodes", "greater than or equal to 1"),
        ({"nodes": "many"}, "nodes", "valid integer"),
        ({"training.optimizer.learningRate": "fast"}, "training.optimizer.learningRate", "valid number"),
        ({"training.data.path": "data"}, "training.data.path", "absolute path"),
        ({"training.data.path": ""}, "training.data.path", "needed"),
        ({"training.task": "cooking"}, "training.task", "classification"),
        ({"volumes.1.claim": "x"}, "volumes.1.mountPath", "needed"),
        ({"training.model.parameters": "a: ["}, "training.model.parameters", "YAML"),
        ({"training.data.format": "coco"}, "training.data.format", "does not fit the task"),
        ({"training.data.testSplit": "0.9"}, "training.data.validationSplit", "below 1"),
        ({"training.loss.name": "combined"}, "training.loss.name", "does not fit the task"),
    ],
)  # fmt: skip
def test_an_error_stands_beside_its_field(change: dict[str, str], path: str, said: str) -> None:
    errors = errors_of({**GOOD, **change})
    assert said in "; ".join(errors.fields.get(path, [])), errors
    assert not errors.general


@pytest.mark.parametrize(
    ("cause", "path", "message"),
    [
        (Cause("spec.nodes", "Invalid value: 0: too few"), "nodes", "too few"),
        (Cause("spec.volumes[1].claim", 'Invalid value: "X y": no name'), "volumes.1.claim", "no name"),
        (Cause("metadata.name", "too long"), NAME, "too long"),
        (Cause("spec.training.data", "odd"), "training.data", "odd"),
    ],
)
def test_what_the_api_server_refuses_stands_beside_its_field(cause: Cause, path: str, message: str) -> None:
    errors = Errors()
    filled.refused(InvalidError(422, "invalid", (cause,)), errors)
    assert errors.fields == {path: [message]}


def test_a_refusal_of_no_field_stands_above_all() -> None:
    errors = Errors()
    filled.refused(ForbiddenError(403, "anna cannot create trainingruns"), errors)
    filled.refused(InvalidError(422, "invalid", (Cause("spec", "set exactly one of two"),)), errors)
    assert errors.general == ["anna cannot create trainingruns", "set exactly one of two"]


def test_empty_rows_are_left_out() -> None:
    given = {
        "volumes.0.claim": "",
        "volumes.3.claim": "b",
        "volumes.3.mountPath": "/b",
        "volumes.7.claim": "c",
    }
    found = filled.renumbered(given.items())
    assert found == {"volumes.0.claim": "b", "volumes.0.mountPath": "/b", "volumes.1.claim": "c"}
    assert filled.rows_of(found, "volumes") == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "no YAML"),
        ("", "one TrainingRun"),
        ("- 1", "one TrainingRun"),
        ("kind: Pod\napiVersion: v1", "kind: TrainingRun"),
        (f"apiVersion: {names.API_VERSION}\nkind: TrainingRun\nspec: 5", "spec is a mapping"),
        ("a: &a [*a]\n" * 2 + "#" * filled.MOST_YAML, "characters"),
    ],
)
def test_text_that_is_no_run_is_refused_with_words(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        filled.read_yaml(text)
