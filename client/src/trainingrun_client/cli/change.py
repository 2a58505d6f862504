"""`suspend`, `resume`, `retry`, `cancel`: what people may do with a run that is there."""

from typing import Annotated

import typer

from trainingrun_api.reasons import Phase
from trainingrun_client.cli import screen
from trainingrun_client.cli.options import Run
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.errors import InputError


def suspend(client: TrainingRunClient, name: Run) -> None:
    """Write a checkpoint, give the GPUs back, and wait for `resume`."""
    run = client.get(name)
    if run.finished:
        raise InputError(f"{name} is {run.phase}: there is nothing to suspend")
    client.suspend(name)
    screen.write(f"{name} will be suspended; `kubectl trainingrun resume {name}` goes on from its checkpoint")


def resume(client: TrainingRunClient, name: Run) -> None:
    """Go on with a suspended run, from its checkpoint."""
    run = client.get(name)
    if run.phase == Phase.FAILED:
        raise InputError(f"{name} is Failed: `kubectl trainingrun retry {name}` starts it anew")
    client.resume(name)
    waits = run.raw["spec"].get("suspend")
    screen.write(f"{name} will be resumed" if waits else f"{name} is not suspended")


def retry(
    client: TrainingRunClient,
    name: Run,
    why: Annotated[str | None, typer.Option(help="Stands in the run's conditions and events.")] = None,
) -> None:
    """Start a Failed run anew.

    From its checkpoint, with a whole budget of failures.
    """
    run = client.get(name)
    if run.phase != Phase.FAILED:
        raise InputError(f"{name} is {run.phase}: only a Failed run can be tried again")
    client.retry(name, why)
    screen.write(f"{name} will be started anew")


def cancel(
    client: TrainingRunClient,
    name: Run,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """End and delete a run. It writes a checkpoint first; checkpoints and results stay in their claim."""
    run = client.get(name)
    if not yes:
        if not screen.is_terminal():
            raise InputError(f"{name} would be deleted: say --yes where nobody can be asked")
        claim = run.status.checkpoint_claim
        kept = f"its results stay in the claim {claim}" if claim else "it keeps no results"
        typer.confirm(f"End and delete {name} ({run.phase})? {kept[0].upper()}{kept[1:]}", abort=True)
    client.delete(name)
    screen.write(f"{name} deleted")
