"""`wait`: its exit code says how a run ended."""

from typing import Annotated

import typer

from trainingrun_client.cli import screen
from trainingrun_client.cli.listing import suspended
from trainingrun_client.cli.options import Runs
from trainingrun_client.cli.story import named
from trainingrun_client.client import TrainingRunClient


def wait(
    client: TrainingRunClient,
    names: Runs,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds, for all of them together.")] = None,
) -> None:
    """Wait until runs are Completed, or one is not.

    Exit codes: 0 all are, 1 one is Failed, 3 one is gone, 124 a time-out.
    """
    for run in map(client.get, names):
        if suspended(run):
            screen.say(f"{run.name} is suspended: `kubectl trainingrun resume {named(run)}` goes on with it")
    client.wait_all(names, timeout=timeout, ended=lambda run: screen.write(f"{run.name} {run.phase}"))
