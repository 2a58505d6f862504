"""The corpus of invalid objects covers every rule of the generated definition."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.api.corpus import CHANGES, INVALID, merged
from trainingrun_api.crd import custom_resource_definition
from trainingrun_api.model import CEL_KEY


def messages(schema: Any) -> Iterator[str]:
    """Every CEL message in a schema."""
    if isinstance(schema, dict):
        yield from (rule["message"] for rule in schema.get(CEL_KEY, ()))
        for child in schema.values():
            yield from messages(child)
    elif isinstance(schema, list):
        for child in schema:
            yield from messages(child)


MESSAGES = sorted(set(messages(custom_resource_definition())))
CASES = [*INVALID, *CHANGES]


@pytest.mark.parametrize("message", MESSAGES)
def test_every_rule_has_an_invalid_object(message: str) -> None:
    assert any(case.words in message for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_words_of_a_case_point_to_one_rule_at_most(case: Any) -> None:
    assert sum(case.words in message for message in MESSAGES) <= 1


def test_names_of_cases_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_merge_patch_adds_replaces_and_removes() -> None:
    base = {"kept": 1, "gone": 2, "inner": {"a": 1, "b": [1, 2]}}
    patch = {"gone": None, "inner": {"b": [3]}, "new": {"x": 1, "y": None}}
    assert merged(base, patch) == {"kept": 1, "inner": {"a": 1, "b": [3]}, "new": {"x": 1}}
