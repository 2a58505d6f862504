"""`submit`: creates a run from a file."""

from typing import Annotated

import typer

from trainingrun_client.cli import screen
from trainingrun_client.cli.given import Changes, File, manifest_of
from trainingrun_client.cli.listing import full_name, show_object
from trainingrun_client.cli.options import Form, Output
from trainingrun_client.cli.watch import watch
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.errors import AlreadyExistsError, InputError, InvalidError


def submit(
    client: TrainingRunClient,
    file: File,
    name: Annotated[str | None, typer.Option(help="In place of the one in the file.")] = None,
    changes: Changes = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Have the API server check it, and no more.")
    ] = False,
    follow: Annotated[bool, typer.Option("--watch", "-w", help="Then see it learn, until it ends.")] = False,
    output: Output = None,
) -> None:
    """Create a run from a file.

    The API server checks it, and refuses a wrong one with what to write instead.
    """
    manifest = manifest_of(file, changes, name=name, namespace=client.namespace)
    try:
        run = client.submit(manifest, dry_run=dry_run)
    except InvalidError as error:
        raise InvalidError(error.status, _by_field(str(file), error), error.causes) from error
    except AlreadyExistsError as error:
        raise InputError(
            f"a run {manifest['metadata']['name']} exists in {manifest['metadata']['namespace']}: choose "
            "another --name, or `kubectl trainingrun cancel` that one first"
        ) from error
    if output in (Form.JSON, Form.YAML):
        show_object(run.raw, output)
    else:
        screen.write(full_name(run) if output == Form.NAME else f"{full_name(run)} {_done(dry_run)}")
    if follow and not dry_run:
        watch(TrainingRunClient(run.namespace, backend=client.backend), run.name)


def _done(dry_run: bool) -> str:
    return "would be created (dry run)" if dry_run else "created"


def _by_field(file: str, error: InvalidError) -> str:
    if not error.causes:
        return f"{file}: {error.message}"
    lines = [
        f"  {cause.message}" if cause.field in ("", "<nil>") else f"  {cause.field}: {cause.message}"
        for cause in error.causes
    ]
    return "\n".join([f"{file} is refused", *lines])
