"""The two streams of the program: answers on standard output, what is said beside them on standard error.

Both are plain where they are not a terminal or NO_COLOR is set (https://no-color.org).
"""

import sys

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line beside the answer."""
    err.print(text, markup=False)


def is_terminal() -> bool:
    """Whether somebody watches the answer."""
    return out.is_terminal


def write(text: str) -> None:
    """Text as it is, for programs: no wrapping, no colour."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
