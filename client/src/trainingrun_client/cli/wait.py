"""`wait`: its exit code says how a run ended."""

from typing import Annotated

import typer

from trainingrun_api.reasons import Phase
from trainingrun_client.backend import Gone
from trainingrun_client.cli import screen
from trainingrun_client.cli.listing import suspended
from trainingrun_client.cli.options import Runs
from trainingrun_client.cli.story import named
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.errors import RunDeletedError, RunFailedError, WaitTimeoutError
from trainingrun_client.following import Lost
from trainingrun_client.run import TrainingRun


def wait(
    client: TrainingRunClient,
    names: Runs,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds, for all of them together.")] = None,
) -> None:
    """Wait until runs are Completed, or one is not.

    Exit codes: 0 all are, 1 one is Failed, 3 one is gone, 124 a time-out.
    """
    runs = {name: client.get(name) for name in dict.fromkeys(names)}
    for run in runs.values():
        if suspended(run):
            screen.say(f"{run.name} is suspended: `kubectl trainingrun resume {named(run)}` goes on with it")
    for name in [name for name, run in runs.items() if run.finished]:
        _end(runs.pop(name))
    for change in client.backend.watch(client.namespace, seconds=timeout) if runs else ():
        if isinstance(change, Lost):
            continue
        now = change.run if isinstance(change, Gone) else change
        if now.name not in runs:
            continue
        if isinstance(change, Gone) or now.uid != runs[now.name].uid:
            raise RunDeletedError(f"{now.name} was deleted")
        if now.finished:
            del runs[now.name]
            _end(now)
        if not runs:
            return
    for name in runs:
        phase = client.get(name).phase
        raise WaitTimeoutError(f"{name} is still {phase} after {timeout:g} s; it goes on")


def _end(run: TrainingRun) -> None:
    if run.phase == Phase.FAILED:
        raise RunFailedError(run)
    screen.write(f"{run.name} {run.phase}")
