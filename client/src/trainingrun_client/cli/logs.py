"""`logs`: of all ranks and attempts in one stream."""

from typing import Annotated

import typer
from rich.text import Text

from trainingrun_client.cli import screen
from trainingrun_client.cli.options import Run
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.log_lines import LogLine

STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}


def logs(
    client: TrainingRunClient,
    name: Run,
    rank: Annotated[int | None, typer.Option(min=0, help="Only of this global rank.")] = None,
    attempt: Annotated[int | None, typer.Option(min=1, help="Only of this attempt.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run is over.")] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Only the last lines of each pod.")] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Lines as they were written: JSON of the trainer.")
    ] = False,
) -> None:
    """Logs of all ranks and attempts.

    Each line with its attempt and rank, in the order of time.

    Pods of attempts that are long over may be gone; logs/training.log in the run directory has it all.
    """
    lines = client.logs(name, rank=rank, attempt=attempt, follow=follow, tail=tail)
    count = 0
    for count, line in enumerate(lines, 1):  # noqa: B007 - asked for below
        if raw:
            screen.write(line.text)
        else:
            screen.out.print(render(line), soft_wrap=True)
        if follow:
            screen.out.file.flush()
    if not count:
        screen.say(f"{name} has written nothing that is still there: {client.get(name).message}")


def render(line: LogLine) -> Text:
    """Whose line it is, and what it says."""
    whose = f"node {line.node}" if line.rank is None else f"rank {line.rank}"
    return Text.assemble((f"#{line.attempt} {whose} | ", "dim"), (line.message, STYLES.get(line.level, "")))
