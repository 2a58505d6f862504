"""What others wrote reaches a terminal without taking it over, and a table loses nothing."""

import pytest
from rich.text import Text

from trainingrun_client.cli import screen


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("grün ✔", "grün ✔"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\rb\x9bc\u202ed", "a\\rb\\x9bc\\u202ed"),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert screen.clean(text) == shown


def test_a_table_is_as_wide_as_its_cells() -> None:
    rows: list[list[str | Text]] = [["a" * 40, Text("Running", "cyan"), ""], ["b", "漢字", "x\ny\x1b"]]
    assert screen.table(("NAME", "PHASE", "MESSAGE"), rows).plain.splitlines() == [
        f"{'NAME':40}  PHASE    MESSAGE",
        f"{'a' * 40}  Running",
        f"{'b':40}  漢字     x y\\x1b",
    ]
