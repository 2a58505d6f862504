"""`submit`: creates a run from a file."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from trainingrun_client.cli import screen
from trainingrun_client.cli.listing import full_name, show_object
from trainingrun_client.cli.options import Form, Output
from trainingrun_client.cli.watch import watch
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.errors import AlreadyExistsError, InputError, InvalidError
from trainingrun_client.manifests import read_manifest


def submit(
    client: TrainingRunClient,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="YAML of one TrainingRun; - is standard input.")
    ],
    name: Annotated[str | None, typer.Option(help="In place of the one in the file.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Override, as training.optimizer.learningRate=0.01."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Have the API server check it, and no more.")
    ] = False,
    follow: Annotated[bool, typer.Option("--watch", "-w", help="Then see it learn, until it ends.")] = False,
    output: Output = None,
) -> None:
    """Create a run from a file.

    The API server checks it, and refuses a wrong one with what to write instead.
    """
    source = Path("/dev/stdin") if str(file) == "-" else file
    manifest = with_changes(read_manifest(source, name=name, namespace=client.namespace), changes or [])
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


def with_changes(manifest: dict[str, Any], changes: list[str]) -> dict[str, Any]:
    """The manifest with dotted paths of its spec set to values, which are read as YAML.

    Raises InputError.
    """
    spec = dict(manifest.get("spec") or {})
    for change in changes:
        path, equals, text = change.partition("=")
        *parents, last = path.removeprefix("spec.").split(".")
        if not equals or not last:
            raise InputError(f"--set {change}: write PATH=VALUE, as training.optimizer.learningRate=0.01")
        place = spec
        for part in parents:
            below = place.get(part)
            if below is not None and not isinstance(below, dict):
                raise InputError(f"--set {change}: {part} is a value and has no fields")
            inner = dict(below or {})
            place[part] = inner
            place = inner
        place[last] = _value(change, text)
    return {**manifest, "spec": spec}


def _value(change: str, text: str) -> Any:
    if not text:
        raise InputError(f"--set {change}: there is no value; null takes the field out")
    try:
        value = yaml.safe_load(text)
        json.dumps(value)
    except (yaml.YAMLError, TypeError) as error:
        raise InputError(f"--set {change}: {text} is no value of YAML that JSON has: {error}") from error
    return value


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
