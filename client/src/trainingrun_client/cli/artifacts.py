"""`artifacts`: results, checkpoints and logs of a run, from its directory on the checkpoint claim."""

from pathlib import Path
from typing import Annotated

import typer

from trainingrun_client.cli.options import Output, Run, of_cluster
from trainingrun_client.cli.transfers import (
    DEFAULT_TIMEOUT,
    Image,
    Timeout,
    connection_of,
    show_entries,
    sight,
    tell_summary,
)
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.files import volume_of

CHECKPOINTS = "checkpoints"

app = typer.Typer(
    help="Files of a run: results, metrics, plots, logs, checkpoints.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def list_artifacts(
    client: TrainingRunClient,
    name: Run,
    image: Image = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    output: Output = None,
) -> None:
    """All files of a run."""
    with (
        sight() as seen,
        volume_of(
            connection_of(client), client.get(name), image=image, timeout=timeout, progress=seen
        ) as volume,
    ):
        entries = volume.ls()
    show_entries(entries, output, directories=False)


def get_artifacts(
    client: TrainingRunClient,
    name: Run,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Files or directories. Default: all but the checkpoints.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to. Default: a folder named as the run.")
    ] = None,
    checkpoints: Annotated[bool, typer.Option("--checkpoints", help="The checkpoints too.")] = False,
    image: Image = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
) -> None:
    """Fetch files of a run.

    What is there already is not fetched again, and what was cut off goes on: each file is compared by its
    SHA-256.
    """
    with (
        sight() as seen,
        volume_of(
            connection_of(client), client.get(name), image=image, timeout=timeout, progress=seen
        ) as volume,
    ):
        without = () if checkpoints else (CHECKPOINTS,)
        summary = volume.get(paths or ["."], to or Path(name), without=without)
    tell_summary(summary, seen.size, f"fetched into {to or name}")


app.command("ls")(of_cluster(list_artifacts))
app.command("get")(of_cluster(get_artifacts))
