"""The two streams of the program: answers on standard output, what is said beside them on standard error.

Both are plain where they are not a terminal or NO_COLOR is set (https://no-color.org). A table is cut to the
width of a terminal; elsewhere lines are as long as they need to be.
"""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

UNBOUND = 100_000
"""Columns of what is no terminal."""
PHASE_STYLES = {"Completed": "green", "Failed": "bold red", "Running": "cyan", "Pending": "yellow"}


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else UNBOUND)


out = _console(stderr=False)
err = _console(stderr=True)


def show(answer: RenderableType) -> None:
    """An answer; elsewhere than on a terminal without the blanks that fill its lines."""
    if out.is_terminal:
        out.print(answer)
        return
    with out.capture() as written:
        out.print(answer)
    write("\n".join(line.rstrip() for line in written.get().splitlines()))


def say(text: str) -> None:
    """A line beside the answer."""
    err.print(text, markup=False, soft_wrap=True)


def is_terminal() -> bool:
    """Whether somebody watches the answer."""
    return out.is_terminal


def write(text: str) -> None:
    """Text as it is, for programs: no wrapping, no colour."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def phase(name: str) -> Text:
    """A phase in its colour."""
    return Text(name, PHASE_STYLES.get(name, ""))


def table(head: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Columns as kubectl's; the last one gives way first where the terminal is narrow."""
    shown = Table(box=None, pad_edge=False, show_edge=False, header_style="")
    for name in head:
        shown.add_column(name, no_wrap=True, overflow="ellipsis")
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return shown


def sheet(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Labels and what they stand for, which wraps beside them."""
    shown = Table.grid(padding=(0, 2))
    shown.add_column(no_wrap=True, style="dim")
    shown.add_column(overflow="fold")
    for label, value in rows:
        shown.add_row(Text(label), value if isinstance(value, Text) else Text(value))
    return shown


def glyphs(fancy: str, plain: str) -> str:
    """The first, or the second where the stream cannot write it."""
    try:
        fancy.encode(out.encoding)
    except UnicodeEncodeError:
        return plain
    return fancy
