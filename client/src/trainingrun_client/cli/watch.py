"""`watch`: a run as it learns.

On a terminal its story is redrawn in place, with the last lines of the log below; elsewhere each change is a
line of its own.
"""

import threading
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from trainingrun_api.reasons import Phase
from trainingrun_client import epochs as history
from trainingrun_client.cli import screen
from trainingrun_client.cli.listing import cells
from trainingrun_client.cli.logs import render
from trainingrun_client.cli.options import Run
from trainingrun_client.cli.story import named, story
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.errors import TrainingRunError
from trainingrun_client.following import Lost
from trainingrun_client.log_lines import LogLine
from trainingrun_client.run import TrainingRun

LOG_LINES = 5
REDRAWS_A_SECOND = 4
LAST_WORDS_SECONDS = 3.0
"""For the log to come to its end after the run did."""


def watch(client: TrainingRunClient, name: Run) -> None:
    """See a run learn.

    Until it is Completed (exit code 0) or Failed (1). Ctrl-C does not end the run.
    """
    redraws = screen.is_terminal() and not screen.out.is_dumb_terminal
    run = _on_terminal(client, name) if redraws else _in_lines(client, name)
    if run.phase == Phase.FAILED:
        raise typer.Exit(1)


def _in_lines(client: TrainingRunClient, name: str) -> TrainingRun:
    shown = ""
    run = client.get(name)
    for run in client.watch(name, lost=_say_lost):
        line = in_a_line(run)
        if line != shown:
            screen.write(f"{datetime.now(UTC):%H:%M:%SZ} {line}")
            screen.out.file.flush()
            shown = line
    return run


def in_a_line(run: TrainingRun) -> str:
    """Where it stands; the age and what moves all the time are left out."""
    row = cells(run, run.created)
    told = [str(row[name]) for name in ("PHASE", "EPOCH", "METRIC", "PROGRESS")]
    explained = run.reason and run.phase not in (Phase.RUNNING, Phase.COMPLETED)
    why = f"{run.reason}: {run.message}" if explained else ""
    return screen.clean("  ".join(part for part in (run.name, *told, why) if part)).replace("\n", " ")


def _say_lost(lost: Lost) -> None:
    screen.say(f"{lost.error}; trying again in {lost.seconds:g} s")


class _Scene:
    """What is on the terminal: written by two threads, drawn by a third."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self.lost = ""
        self.lines: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.reports: list[LogLine] = []

    def __rich__(self) -> Group:
        epochs = history.of_lines(tuple(self.reports))
        log = [Text.assemble(render(line), overflow="ellipsis", no_wrap=True) for line in tuple(self.lines)]
        sheet = screen.sheet(story(self.run, epochs, datetime.now(UTC))[:-1])
        below = [Text(self.lost, "yellow")] if self.lost else []
        return Group(sheet, Text(), *log, *below)

    def read_log(self, client: TrainingRunClient) -> None:
        """Until the run is over. Without the right to read logs the scene does without them."""
        with suppress(TrainingRunError):
            for line in client.backend.logs(self.run, follow=True):
                self.lines.append(line)
                if line.epoch:
                    self.reports.append(line)


def _on_terminal(client: TrainingRunClient, name: str) -> TrainingRun:
    scene = _Scene(client.get(name))
    log = threading.Thread(target=scene.read_log, args=(client,), daemon=True)
    log.start()

    def tell(lost: Lost) -> None:
        scene.lost = f"{lost.error}; trying again in {lost.seconds:g} s"

    try:
        with Live(scene, console=screen.out, refresh_per_second=REDRAWS_A_SECOND) as live:
            for run in client.watch(name, lost=tell):
                scene.run, scene.lost = run, ""
            end = time.monotonic() + LAST_WORDS_SECONDS
            while log.is_alive() and time.monotonic() < end:
                time.sleep(1 / REDRAWS_A_SECOND)
            live.refresh()
    except KeyboardInterrupt:
        screen.say(f"{name} goes on; `kubectl trainingrun watch {named(scene.run)}` shows it again")
        raise
    return scene.run
