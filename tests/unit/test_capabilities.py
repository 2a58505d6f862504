"""docs/capabilities.md has a row for each capability, and every test that it names exists."""

import ast
import re
from functools import cache

import pytest

from tests.cluster.api import TREE

TABLE = (TREE / "docs" / "capabilities.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| (.+) \| (.*) \|$", TABLE, re.MULTILINE)
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TABLE)))
CAPABILITIES = 81


@cache
def functions_in(path: str) -> set[str]:
    tree = ast.parse((TREE / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_there_is_a_row_for_each_capability() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, CAPABILITIES + 1))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_named_test_exists(path: str, name: str) -> None:
    assert name in functions_in(path)


@pytest.mark.parametrize(("number", "proof"), [(number, proof) for number, _, proof in ROWS])
def test_a_row_has_a_test_or_says_why_it_is_none_of_our_goals(number: str, proof: str) -> None:
    assert "::" in proof or proof.startswith("Non-goal: ")
