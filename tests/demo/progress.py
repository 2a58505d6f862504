"""Carries steps out: says which runs and how long it took, and what to do where it fails.

Each step is a line with its time. On a terminal it has a spinner meanwhile, which says what it is at;
elsewhere standard error tells that.
"""

import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Spinner
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn


@dataclass(frozen=True)
class Step:
    """One thing to do."""

    what: str
    do: Callable[[], None]
    advice: str
    """What a person can do where it fails."""
    draws: bool = False
    """Whether it shows itself how far it is."""


class StepError(Exception):
    """A step failed; the message says which, why, where the logs are, and what to do."""


@dataclass
class Progress:
    """Runs steps one after the other and keeps their times."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall seconds of each finished step, in order."""
    current: str = ""
    """The step that runs, or that was left."""

    def carry_out(
        self,
        steps: Sequence[Step],
        expected: tuple[type[Exception], ...],
        collect_logs: Callable[[], Path],
    ) -> None:
        """Run all steps.

        Raises:
            StepError: a step raised one of the `expected` errors; the logs were collected.
        """
        for number, step in enumerate(steps, 1):
            self.current = step.what
            label = f"[{number}/{len(steps)}] {step.what}"
            started = time.monotonic()
            try:
                with self._waiting(label, step):
                    step.do()
            except expected as error:
                raise StepError(
                    f"FAILED: {step.what}\n"
                    f"  why:        {error}\n"
                    f"  logs:       {collect_logs()}\n"
                    f"  what to do: {step.advice}"
                ) from error
            self.seconds[step.what] = time.monotonic() - started
            print(f"{label}: {self.seconds[step.what]:.1f} s", file=self.stream, flush=True)

    @contextmanager
    def _waiting(self, label: str, step: Step) -> Iterator[None]:
        console = Console(file=self.stream)
        if step.draws:
            print(f"{label} ...", file=self.stream, flush=True)
            yield
            return
        if not self.stream.isatty() or console.is_dumb_terminal:
            yield
            return
        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        with Spinner(
            *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
        ) as spinner:
            task = spinner.add_task(escape(label), total=None)

            def tell(line: str) -> None:
                spinner.update(task, description=escape(f"{label}: {line}" if line else label))

            with redirect_stderr(_Told(tell)):
                yield


class _Told(io.TextIOBase):
    """Standard error of a step: the line that it is at, while that goes on."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def write(self, text: str) -> int:
        for line in filter(str.strip, text.splitlines()):
            self._tell(line.strip().removesuffix(" ...") if line.endswith(" ...") else "")
        return len(text)
