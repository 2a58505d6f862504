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
    count = 0
    terminal = screen.is_terminal()
    for line in client.logs(name, rank=rank, attempt=attempt, follow=follow, tail=tail):
        count += 1
        if terminal:
            screen.show(Text(screen.clean(line.text)) if raw else render(line))
        else:
            screen.write(line.text if raw else plain(line))
        if follow:
            screen.out.file.flush()
    if count:
        return
    if rank is not None or attempt is not None or tail == 0:
        screen.say(f"{name} has no lines of that rank or attempt that are still there")
    else:
        screen.say(f"{name} has written nothing that is still there: {client.get(name).message}")


def render(line: LogLine) -> Text:
    """Whose line it is, and what it says."""
    style = STYLES.get(line.level, "")
    parts = [Text.assemble((_whose(line), "dim"), (part, style)) for part in _said(line)]
    return Text("\n").join(parts)


def plain(line: LogLine) -> str:
    """The same for a pipe, where 200,000 lines must not take long."""
    whose = _whose(line)
    return "\n".join(f"{whose}{part}" for part in _said(line))


def _whose(line: LogLine) -> str:
    whose = f"node {line.node}" if line.rank is None else f"rank {line.rank}"
    return f"#{line.attempt} {whose} | "


def _said(line: LogLine) -> list[str]:
    """Each of its lines, so that none passes for somebody else's."""
    message = line.message
    return [message] if message.isprintable() else screen.clean(message).splitlines()
