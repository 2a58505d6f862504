"""Transcripts in the documentation: what a command printed, held against what it prints now.

Times, numbers and names that differ each time do not count, nor does how often a table was redrawn.
"""

import os
import re
from pathlib import Path

from tests.cluster.api import TREE
from tests.cluster.cache import cache_root

BLOCK = "<!-- transcript: {name} -->\n```text\n"
END = "```\n"
ROW = re.compile(r"\S+ +(?:([A-Z][a-z]+)\b.*? )?(?:\d+/\d+ +)?(?:\d+m)?\d+s( {2,}|$)")
"""Of a run: its phase, where it has one yet, and its age, before what it waits for."""
PHASES = ("Running", "Completed", "Failed")
"""Those of a run's row that it cannot leave out; it may be Pending for less than a look."""


def shown(printed: str) -> str:
    """As it may stand in a document: without the places of this machine."""
    places = {str(TREE): "/home/me/trainingrun", str(cache_root()): "/home/me/.cache/trainingrun"}
    for place, name in places.items():
        printed = printed.replace(place, name)
    return printed.strip() + "\n"


def shape(text: str) -> list[str]:
    """Its lines without numbers, identifiers and widths; of the rows of a run one for each phase."""
    lines: list[str] = []
    for line in text.splitlines():
        if row := ROW.match(line):
            line = row[1] if row[1] in PHASES else ""
        line = re.sub(r"\b[0-9a-f]{8,}\b", "ID", line)
        line = " ".join(re.sub(r"\d+(\.\d+)?([mh]\d+s)?", "N", line).split())
        if line and line not in lines[-1:]:
            lines.append(line)
    return lines


def assert_current(document: Path, name: str, printed: str) -> None:
    """The document shows what is printed; `UPDATE_GOLDEN=1` writes it anew: then read the difference."""
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BLOCK.format(name=name))
    transcript, end, after = rest.partition(END)
    assert end, f"{document} has no transcript of {name}"
    if os.environ.get("UPDATE_GOLDEN"):
        document.write_text(before + begin + shown(printed) + end + after, encoding="utf-8")
        return
    assert shape(shown(printed)) == shape(transcript), (
        f"{document}: run again with UPDATE_GOLDEN=1 and review"
    )
