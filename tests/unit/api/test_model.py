"""Constraints are stated once and hold on both sides."""

from typing import Annotated, ClassVar

import pytest
from pydantic import Field, ValidationError

from trainingrun_api.model import CEL_KEY, ApiModel, Cut, Matches, Report, Rule
from trainingrun_api.schema import structural_schema


class Split(ApiModel):
    """Two shares of a whole."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.first + self.secondShare < 1.0",
            "lower first or secondShare",
            ".first",
            lambda split: split.first + split.second_share < 1,
        ),
        Rule("self == oldSelf", "a split cannot change"),
    )

    first: float = 0.0
    second_share: float = 0.0
    name: Annotated[str, Field(max_length=9), Matches(r"^a\.b$", "must be a.b")] = "a.b"


def test_rules_reach_the_schema_beside_the_fields() -> None:
    schema = structural_schema(Split)
    assert schema[CEL_KEY] == [
        {
            "rule": "self.first + self.secondShare < 1.0",
            "message": "lower first or secondShare",
            "fieldPath": ".first",
        },
        {"rule": "self == oldSelf", "message": "a split cannot change"},
    ]
    assert schema["properties"]["name"][CEL_KEY] == [
        {"rule": r'self.matches("^a\\.b$")', "message": "must be a.b"},
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"first": 0.5, "secondShare": 0.5}, "lower first or secondShare"),
        ({"name": "axb"}, "must be a.b"),
        ({"name": "a.b\n"}, "must be a.b"),
        ({"third": 1}, "Extra inputs are not permitted"),
    ],
)
def test_python_refuses_with_the_same_words(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Split.model_validate(fields)


def test_python_names_and_wire_names_are_both_read_and_wire_names_are_written() -> None:
    assert Split.model_validate({"secondShare": 0.5}) == Split(second_share=0.5)
    assert Split(second_share=0.5).to_wire() == {"first": 0.0, "secondShare": 0.5, "name": "a.b"}


def test_a_text_for_people_is_cut_to_what_the_schema_takes() -> None:
    class Reported(Report):
        text: Annotated[str, Cut(3)] | None = None

    assert [Reported(text=text).text for text in ("", "éé", "ééé", "éééé", None)] == [
        "",
        "éé",
        "ééé",
        "ééé",
        None,
    ]
    assert structural_schema(Reported)["properties"]["text"] == {"type": "string", "maxLength": 3}


def test_a_report_of_a_newer_version_is_read() -> None:
    class Reported(Report):
        known: int

    assert Reported.model_validate({"known": 1, "new": 2}) == Reported(known=1)
