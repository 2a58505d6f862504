"""`wait`: its exit code says how a run ended."""

import time
from typing import Annotated

import typer

from trainingrun_client.cli import screen
from trainingrun_client.client import TrainingRunClient


def wait(
    client: TrainingRunClient,
    names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Names of runs.")],
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds, for all of them together.")] = None,
) -> None:
    """Wait until runs are Completed.

    Exit codes: 0 all are, 1 one is Failed, 3 one is gone, 124 a time-out.
    """
    end = None if timeout is None else time.monotonic() + timeout
    for name in names:
        left = None if end is None else max(end - time.monotonic(), 0.0)
        run = client.wait(name, timeout=left)
        screen.write(f"{run.name} {run.phase}")
