"""Each step from a pydantic model to a structural schema."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from trainingrun_api.schema import structural_schema


class Colour(StrEnum):
    """Its docstring."""

    RED = "red"
    BLUE = "blue"


class Child(BaseModel):
    """The child's docstring."""

    size: int = 3
    name: str | None = None


INT = {"type": "integer", "format": "int64"}
CHILD = {
    "description": "The child's docstring.",
    "type": "object",
    "properties": {"size": {**INT, "default": 3}, "name": {"type": "string"}},
}


def field_schema(annotation: Any, default: Any = ...) -> tuple[dict[str, Any], bool]:
    """The structural schema of one field, and whether it is required."""
    model: Any = type(
        "Model", (BaseModel,), {"__annotations__": {"field": annotation}, "field": Field(default)}
    )
    schema = structural_schema(model)
    return schema["properties"]["field"], "field" in schema.get("required", [])


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        pytest.param(int, INT, id="integers have 64 bits"),
        pytest.param(float, {"type": "number", "format": "double"}, id="numbers are doubles"),
        pytest.param(str | None, {"type": "string"}, id="optional is not nullable"),
        pytest.param(
            Annotated[str, Field(max_length=3)] | None, {"type": "string", "maxLength": 3}, id="inner bounds"
        ),
        pytest.param(Literal["a"], {"type": "string", "enum": ["a"]}, id="const becomes enum"),
        pytest.param(Literal[1, 3], {**INT, "enum": [1, 3]}, id="enum of integers"),
        pytest.param(
            Colour,
            {"type": "string", "enum": ["red", "blue"], "description": "Its docstring."},
            id="enum class is inlined",
        ),
        pytest.param(
            Annotated[float, Field(gt=0, lt=1)],
            {
                "type": "number",
                "format": "double",
                "minimum": 0,
                "exclusiveMinimum": True,
                "maximum": 1,
                "exclusiveMaximum": True,
            },
            id="exclusive bounds are flags",
        ),
        pytest.param(
            Annotated[dict[Annotated[str, Field(max_length=5)], int], Field(max_length=2)],
            {"type": "object", "additionalProperties": INT, "maxProperties": 2},
            id="map drops what it says of keys",
        ),
        pytest.param(
            Annotated[list[int], Field(max_length=2, json_schema_extra={"x-kubernetes-list-type": "set"})],
            {"type": "array", "items": INT, "maxItems": 2, "x-kubernetes-list-type": "set"},
            id="list keeps its extension",
        ),
        pytest.param(
            Annotated[str, Field(json_schema_extra={"x-kubernetes-int-or-string": True})],
            {"x-kubernetes-int-or-string": True},
            id="int-or-string has no type",
        ),
        pytest.param(
            Annotated[str, Field(title="T", examples=["e"])], {"type": "string"}, id="no title, no examples"
        ),
        pytest.param(Child, CHILD, id="reference is inlined"),
        pytest.param(Child | None, CHILD, id="optional reference is inlined"),
        pytest.param(list[Child], {"type": "array", "items": CHILD}, id="reference in a list is inlined"),
        pytest.param(
            Annotated[Child, Field(description="The field's own.")],
            {**CHILD, "description": "The field's own."},
            id="description of the field wins",
        ),
    ],
)
def test_a_field_becomes(annotation: Any, expected: dict[str, Any]) -> None:
    assert field_schema(annotation) == (expected, True)


@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        pytest.param(int, 5, {**INT, "default": 5}, id="a value"),
        pytest.param(bool, False, {"type": "boolean", "default": False}, id="a false value"),
        pytest.param(str | None, None, {"type": "string"}, id="None is absence"),
        pytest.param(Child, Child(), {**CHILD, "default": {}}, id="an object is filled by its fields"),
    ],
)
def test_a_default_becomes(annotation: Any, default: Any, expected: dict[str, Any]) -> None:
    assert field_schema(annotation, default) == (expected, False)


@pytest.mark.parametrize(
    ("annotation", "default", "complaint"),
    [
        pytest.param(int | str, ..., "field: a structural schema has no alternatives", id="alternatives"),
        pytest.param(
            Annotated[int, Field(multiple_of=2)],
            ...,
            "field: a structural schema has no multipleOf",
            id="keyword",
        ),
        pytest.param(Child, Child(size=4), "field: the default differs", id="default of an object"),
    ],
)
def test_what_the_dialect_cannot_say_is_an_error(annotation: Any, default: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        field_schema(annotation, default)


def test_an_object_is_closed_by_saying_nothing() -> None:
    """`additionalProperties: false` is not allowed beside properties; unknown fields are pruned anyway."""

    class Closed(BaseModel, extra="forbid"):
        field: int

    schema = structural_schema(Closed)
    assert schema == {"type": "object", "properties": {"field": INT}, "required": ["field"]}
