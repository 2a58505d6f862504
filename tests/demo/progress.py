"""Carries steps out: says which runs and how long it took, and what to do where it fails."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True)
class Step:
    """One thing to do."""

    what: str
    do: Callable[[], None]
    advice: str
    """What a person can do where it fails."""


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
            self._print(f"{label} ...")
            started = time.monotonic()
            try:
                step.do()
            except expected as error:
                raise StepError(
                    f"FAILED: {step.what}\n"
                    f"  why:        {error}\n"
                    f"  logs:       {collect_logs()}\n"
                    f"  what to do: {step.advice}"
                ) from error
            self.seconds[step.what] = time.monotonic() - started
            self._print(f"{label}: {self.seconds[step.what]:.1f} s")

    def _print(self, line: str) -> None:
        print(line, file=self.stream, flush=True)
