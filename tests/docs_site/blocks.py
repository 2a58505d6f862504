"""The code in the documentation: what a reader would run, and what a reader would apply.

A block that a test cannot run has `<!-- not run: why -->` in the line above it.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.api import TREE
from trainingrun_api import names

DOCS = TREE / "docs"
CODE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n)?^```(?P<language>sh|python)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
NOT_RUN = re.compile(r"^<!-- not run", re.MULTILINE)
YAML = re.compile(r"^```yaml\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
HERE = re.compile(r"<<'EOF'\n(?P<text>.*?)^EOF$", re.DOTALL | re.MULTILINE)
"""A document inside a shell block."""


def pages() -> list[Path]:
    """The README, CONTRIBUTING and all pages of the site."""
    return [TREE / "README.md", TREE / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def script(page: str, replacements: Mapping[str, str], language: str = "sh") -> str:
    """The blocks of a page that can be run, as one script, with what a reader fills in.

    Raises AssertionError where the page no longer says what is to be replaced.
    """
    text = "\n".join(
        block["text"]
        for block in CODE.finditer(page)
        if block["language"] == language and not block["reason"]
    )
    for place, filled in replacements.items():
        assert place in page, f"the page no longer says {place}"
        text = text.replace(place, filled)
    return text


def unexplained(page: str) -> int:
    """How many of its marks `not run` stand above no code, or give no reason."""
    return len(NOT_RUN.findall(page)) - sum(bool(block["reason"]) for block in CODE.finditer(page))


def runs(page: str) -> Iterator[dict[str, Any]]:
    """The TrainingRuns of a page. Those shown in part, as a `spec` or fields of it, are none.

    Raises yaml.YAMLError where a block is no YAML.
    """
    for block in (*YAML.finditer(page), *HERE.finditer(page)):
        for document in yaml.safe_load_all(block["text"]):
            if isinstance(document, dict) and document.get("kind") == names.KIND:
                yield document


def parts(page: str) -> Iterator[dict[str, Any]]:
    """What stands below `spec:` in blocks that show no whole object."""
    for block in YAML.finditer(page):
        for document in yaml.safe_load_all(block["text"]):
            if isinstance(document, dict) and document.keys() == {"spec"}:
                yield document["spec"]
