"""The generated definition as a whole."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.api import TREE
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


LONG = {
    "Phase": "Completed",
    "Epoch": "1000/1000",
    "Metric": "val_boundary_f1=0.9679",
    "Progress": "100%",
    "ETA": "23h59m",
    "Restarts": "12",
    "Age": "119d",
}
"""What the columns of `kubectl get tr` say of a long run."""
GAP = 3
"""Blanks between two columns of kubectl."""


@pytest.mark.parametrize("name", ["chest-xray-resnet50-fold-3"])
def test_the_columns_of_a_long_run_fit_into_120_characters(name: str) -> None:
    columns = [column["name"] for column in PRINTER_COLUMNS if "priority" not in column]
    widths = [max(len(column), len(LONG[column])) for column in columns]
    assert len(name) + sum(GAP + width for width in widths) <= 120


def test_the_columns_for_k9s_exist() -> None:
    views = yaml.safe_load((TREE / "docs" / "k9s-views.yaml").read_text(encoding="utf-8"))["views"]
    definition = custom_resource_definition()["spec"]
    (kind,) = views
    assert kind == f"{definition['group']}/{VERSION['name']}/{definition['names']['plural']}"
    shown = {"NAMESPACE", "NAME", "AGE", *(column["name"].upper() for column in PRINTER_COLUMNS)}
    for column in views[kind]["columns"]:
        # as the source of k9s has it in internal/render/cust_col.go
        found = re.fullmatch(r"(?P<name>[\w\s%/-]+)(:(?P<path>[^|]+))?(\|[TNWLRH]{1,3})?", column)
        assert found is not None, column
        if found["path"] is None:
            assert found["name"] in shown
            continue
        schema = SCHEMA
        for name in found["path"].strip(".").split("."):
            schema = schema["properties"][name]
    column, _, order = views[kind]["sortColumn"].partition(":")
    assert (column in shown, order) == (True, "asc")


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
