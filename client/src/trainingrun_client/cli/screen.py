"""The two streams of the program: answers on standard output, what is said beside them on standard error.

Both are plain where they are not a terminal or NO_COLOR is set (https://no-color.org). What others
wrote, such as logs and messages, reaches a terminal without its control characters.
"""

import io
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

UNBOUND = 100_000
"""Columns of what is no terminal."""
GAP = 2
"""Blanks between columns."""
PHASE_STYLES = {"Completed": "green", "Failed": "bold red", "Running": "cyan", "Pending": "yellow"}


def _stream(stream: TextIO | None) -> TextIO:
    """The stream, which may be closed, and may have an encoding that lacks a letter."""
    if stream is None:
        return Path(os.devnull).open("w")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


sys.stdout, sys.stderr = _stream(sys.stdout), _stream(sys.stderr)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else UNBOUND)


out = _console(stderr=False)
err = _console(stderr=True)


def clean(text: str, allowed: str = "\n\t") -> str:
    """Text of anybody, without what would take over a terminal."""
    return "".join(each if each.isprintable() or each in allowed else _escaped(each) for each in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def show(answer: RenderableType) -> None:
    """An answer; elsewhere than on a terminal without the blanks that fill its lines."""
    if out.is_terminal:
        out.print(answer, soft_wrap=isinstance(answer, Text))
        return
    with out.capture() as written:
        out.print(answer, soft_wrap=isinstance(answer, Text))
    write("\n".join(line.rstrip() for line in written.get().splitlines()))


def say(text: str) -> None:
    """A line beside the answer."""
    err.print(clean(text), markup=False, soft_wrap=True)


def is_terminal() -> bool:
    """Whether somebody watches the answer."""
    return out.is_terminal


def write(text: str) -> None:
    """Text as it is, for programs: no wrapping, no colour."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def phase(name: str) -> Text:
    """A phase in its colour."""
    return Text(name, PHASE_STYLES.get(name, ""))


def table(head: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Text:
    """Columns as kubectl's: nothing is left out, and a terminal breaks lines that are too long for it."""
    cells = [[_cell(name) for name in head], *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(row[place].cell_len for row in cells) for place in range(len(head))]
    lines = []
    for row in cells:
        line = Text()
        for cell, width in zip(row, widths, strict=True):
            line.append_text(cell).append(" " * (width - cell.cell_len + GAP))
        line.rstrip()
        lines.append(line)
    return Text("\n").join(lines)


def sheet(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Labels and what they stand for, which wraps beside them."""
    shown = Table.grid(padding=(0, GAP))
    shown.add_column(no_wrap=True, style="dim")
    shown.add_column(overflow="fold")
    for label, value in rows:
        shown.add_row(Text(label), value if isinstance(value, Text) else Text(clean(value)))
    return shown


def _cell(content: str | Text) -> Text:
    """In one line."""
    return content.copy() if isinstance(content, Text) else Text(clean(content).replace("\n", " "))


def glyphs(fancy: str, plain: str) -> str:
    """The first, or the second where the stream cannot write it."""
    try:
        fancy.encode(out.encoding)
    except UnicodeEncodeError:
        return plain
    return fancy
