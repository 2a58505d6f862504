"""The generated definition as a whole."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from trainingrun_api.crd import PRINTER_COLUMNS, chart_template, custom_resource_definition, manifest

VERSION = custom_resource_definition()["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below a schema, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from fields(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from fields(schema[key], f"{path}[]")


SPEC_FIELDS = list(fields(SCHEMA["properties"]["spec"], "spec"))


def test_it_fits_into_the_annotation_of_kubectl_apply() -> None:
    assert len(manifest().encode()) < 200_000


@pytest.mark.parametrize(("path", "field"), SPEC_FIELDS, ids=[path for path, _ in SPEC_FIELDS])
def test_every_field_of_the_spec_is_bounded(path: str, field: dict[str, Any]) -> None:
    """Without bounds the API server estimates the cost of rules as unlimited."""
    bound = {"array": "maxItems", "string": "maxLength"}.get(field.get("type", "string"))
    if "additionalProperties" in field:
        bound = "maxProperties"
    assert bound is None or bound in field or "enum" in field


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (path, field)
        for path, field in fields(SCHEMA["properties"]["spec"], "spec")
        if not path.endswith("[]") and "type" in field
    ],
)
def test_every_field_of_the_spec_says_what_it_is(path: str, field: dict[str, Any]) -> None:
    assert field.get("description", "").endswith(".")


@pytest.mark.parametrize("column", PRINTER_COLUMNS, ids=lambda column: column["name"])
def test_every_column_shows_a_field_that_exists(column: dict[str, Any]) -> None:
    schema = SCHEMA
    if column["jsonPath"].startswith(".metadata."):
        return
    for name in column["jsonPath"].strip(".").split("."):
        schema = schema["properties"][name]
    assert schema["type"] == column["type"]


def guarded(schema: dict[str, Any]) -> set[str]:
    """Fields of an object that a rule compares with what they were."""
    rules = schema["x-kubernetes-validations"]
    return {rule["fieldPath"].split(".")[1] for rule in rules if "oldSelf" in rule["rule"]}


@pytest.mark.parametrize(
    ("path", "free"),
    [
        pytest.param((), {"suspend", "ttlSecondsAfterFinished", "restart"}, id="spec"),
        pytest.param(("restart",), set(), id="spec.restart"),
        pytest.param(("pod",), {"priorityClassName"}, id="spec.pod"),
    ],
)
def test_every_field_is_guarded_against_change_but(path: tuple[str, ...], free: set[str]) -> None:
    """The priority is guarded by a rule of the spec, which knows whether the run is suspended."""
    schema = SCHEMA["properties"]["spec"]
    for name in path:
        schema = schema["properties"][name]
    assert guarded(schema) == set(schema["properties"]) - free


def test_the_chart_carries_the_same_definition_and_keeps_it_on_uninstall() -> None:
    comment, condition, *body, end = chart_template().splitlines()
    assert comment.startswith("#")
    assert (condition, end) == ("{{- if .Values.crds.create }}", "{{- end }}")
    definition = yaml.safe_load("\n".join(body))
    assert definition["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert definition == yaml.safe_load(manifest()) == custom_resource_definition()


def test_no_text_is_taken_for_a_template_by_helm() -> None:
    assert "{{" not in manifest()
