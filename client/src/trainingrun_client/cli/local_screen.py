"""What `local` shows while it trains: on a terminal a bar that moves, elsewhere a line an epoch."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from trainingrun_client.cli import screen
from trainingrun_client.log_lines import LogLine
from trainingrun_client.run import TrainingRun

LOUD = ("WARNING", "ERROR", "CRITICAL")
ASIDE = re.compile(r"(\[rank\d+\]:)?[IWEF]\d{4} \d\d:\d\d:\d\d|Interrupted: ")
"""How lines begin that say nothing here: those of torch's launcher, and the words for the user of a pod."""


class Shown(Protocol):
    """Where it is shown."""

    def show(self, run: TrainingRun, lines: Sequence[LogLine]) -> None:
        """The run as it is now, and the lines that are new in its log."""

    def say(self, text: str) -> None:
        """A line that stays."""


@contextmanager
def shown_on(terminal: bool) -> Iterator[Shown]:
    """What fits the standard output."""
    if not terminal:
        yield Lines()
        return
    moving = Moving()
    with Live(moving, console=screen.out, refresh_per_second=4, transient=True):
        yield moving


def is_told(line: LogLine) -> bool:
    """Whether a line is worth one where all cannot be shown: an epoch, or trouble."""
    return not ASIDE.match(line.message) and (line.epoch is not None or line.level in LOUD)


class Lines:
    """For files and pipes."""

    def show(self, run: TrainingRun, lines: Sequence[LogLine]) -> None:
        for line in filter(is_told, lines):
            screen.write(screen.clean(line.message))
        screen.out.file.flush()

    def say(self, text: str) -> None:
        screen.say(text)


class Moving:
    """For a terminal."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[metric]}"),
            TextColumn("{task.fields[left]}"),
            console=screen.out,
        )
        self._task = self._bar.add_task("", total=100, metric="", left="")
        self._last = Text()
        self._percent = 0

    def __rich__(self) -> Group:
        return Group(self._bar, self._last)

    def show(self, run: TrainingRun, lines: Sequence[LogLine]) -> None:
        progress, columns = run.status.progress, run.status.columns
        epoch = f"epoch {columns.epoch}" if columns and columns.epoch else ""
        phase = (progress and progress.trainer_phase) or ("" if epoch else "starting")
        self._percent = max(self._percent, (progress and progress.percent) or 0)
        self._bar.update(
            self._task,
            description=", ".join(filter(None, (epoch, phase))),
            completed=self._percent,
            metric=(columns and columns.metric) or "",
            left=f"{columns.eta} left" if columns and columns.eta else "",
        )
        for line in lines:
            if is_told(line):
                screen.out.print(Text(screen.clean(line.message)), soft_wrap=True)
        if told := [line.message for line in lines if not ASIDE.match(line.message)]:
            self._last = Text(screen.clean(told[-1]), "dim", no_wrap=True, overflow="ellipsis")

    def say(self, text: str) -> None:
        screen.out.print(Text(screen.clean(text)), soft_wrap=True)
