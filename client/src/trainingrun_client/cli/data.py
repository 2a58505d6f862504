"""`data`: files on a claim, for runs to train on."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trainingrun_client.cli import screen
from trainingrun_client.cli.options import Output, of_cluster
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
from trainingrun_client.errors import InputError
from trainingrun_client.files import Volume, create_claim
from trainingrun_client.files.sources import check


class AccessMode(StrEnum):
    """Of a new claim."""

    ONE_NODE = "ReadWriteOnce"
    MANY_NODES = "ReadWriteMany"
    ONE_POD = "ReadWriteOncePod"


app = typer.Typer(
    help="Files of a PersistentVolumeClaim: data to train on.", no_args_is_help=True, rich_markup_mode=None
)


def push(
    client: TrainingRunClient,
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE", help="Files or directories.")],
    claim: Annotated[str, typer.Option(metavar="NAME", help="PersistentVolumeClaim.")],
    path: Annotated[str, typer.Option(metavar="DIR", help="Directory of the claim; is made.")] = ".",
    create: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Create the claim where it does not exist, such as 50Gi."),
    ] = None,
    storage_class: Annotated[str | None, typer.Option(help="Of a new claim. Default: the cluster's.")] = None,
    access_mode: Annotated[
        AccessMode | None,
        typer.Option(
            help="Of a new claim; runs on several nodes need ReadWriteMany. [default: ReadWriteOnce]"
        ),
    ] = None,
    image: Image = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
) -> None:
    """Bring files to a claim.

    What is there already is not sent again, and what was cut off goes on: each file is compared by its
    SHA-256. A directory keeps its name, as with cp -r; of `.` the content is taken.
    Links that lead out of a directory are left out, and named; so are links to directories.
    """
    connection = connection_of(client)
    check(sources)
    if create is not None:
        mode = access_mode or AccessMode.ONE_NODE
        made = create_claim(
            connection, client.namespace, claim, create, storage_class=storage_class, access_mode=mode
        )
        screen.say(f"claim {claim} created" if made else f"claim {claim} exists, and stays as it is")
    elif storage_class or access_mode:
        raise InputError("--storage-class and --access-mode belong to a new claim: give its size by --create")
    with (
        sight() as seen,
        Volume(
            connection,
            claim,
            namespace=client.namespace,
            writable=True,
            image=image,
            timeout=timeout,
            progress=seen,
        ) as volume,
    ):
        summary = volume.put(sources, path)
    tell_summary(summary, seen.size, f"brought to the claim {claim}")


def list_data(
    client: TrainingRunClient,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="PersistentVolumeClaim.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="File or directory in it.")] = ".",
    recursive: Annotated[bool, typer.Option("--recursive", "-R", help="Directories in it too.")] = False,
    image: Image = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    output: Output = None,
) -> None:
    """Files of a claim."""
    with (
        sight() as seen,
        Volume(
            connection_of(client),
            claim,
            namespace=client.namespace,
            image=image,
            timeout=timeout,
            progress=seen,
        ) as volume,
    ):
        entries = volume.ls(path, recursive=recursive)
    show_entries(entries, output, directories=not recursive)


app.command("push")(of_cluster(push))
app.command("ls")(of_cluster(list_data))
