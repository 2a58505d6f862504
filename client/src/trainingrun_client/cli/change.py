"""`suspend`, `resume`, `retry`, `cancel`: what people may do with a run that is there."""

from typing import Annotated

import typer

from trainingrun_api.reasons import Phase
from trainingrun_client.cli import screen
from trainingrun_client.cli.options import Runs
from trainingrun_client.cli.story import named
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.errors import InputError


def suspend(client: TrainingRunClient, names: Runs) -> None:
    """Write a checkpoint, give the GPUs back, and wait for `resume`."""
    for name in names:
        run = client.suspend(name)
        again = f"kubectl trainingrun resume {named(run)}"
        screen.write(f"{name} will be suspended; `{again}` goes on from its checkpoint")


def resume(client: TrainingRunClient, names: Runs) -> None:
    """Go on with suspended runs, from their checkpoints."""
    for name in names:
        run = client.get(name)
        if run.phase == Phase.FAILED:
            raise InputError(f"{name} is Failed: `kubectl trainingrun retry {named(run)}` starts it anew")
        client.resume(name)
        waits = run.raw["spec"].get("suspend")
        screen.write(f"{name} will be resumed" if waits else f"{name} is not suspended")


def retry(
    client: TrainingRunClient,
    names: Runs,
    why: Annotated[str | None, typer.Option(help="Stands in the run's conditions and events.")] = None,
) -> None:
    """Start Failed runs anew.

    From their checkpoints, with a whole budget of failures.
    """
    for name in names:
        client.retry(name, why)
        screen.write(f"{name} will be started anew")


def cancel(
    client: TrainingRunClient,
    names: Runs,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """End and delete runs.

    A run writes a checkpoint first; checkpoints and results stay in their claim.
    """
    for name in names:
        run = client.get(name)
        if not yes:
            if not screen.is_terminal():
                raise InputError(f"{name} would be deleted: say --yes where nobody can be asked")
            claim = run.status.checkpoint_claim
            kept = f"Its results stay in the claim {claim}" if claim else "It keeps no results"
            typer.confirm(f"End and delete {name} ({run.phase})? {kept}", abort=True)
        client.delete(name)
        screen.write(f"{name} deleted")
