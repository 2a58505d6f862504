"""Reviewed copies: what a generator or a server says, word for word, next to the tests."""

import os
from pathlib import Path


def assert_reviewed(path: Path, text: str) -> None:
    """The text equals the reviewed copy; `UPDATE_GOLDEN=1` writes the copy anew: then read the difference."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    reviewed = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == reviewed, f"{path} differs: run again with UPDATE_GOLDEN=1 and review the difference"
