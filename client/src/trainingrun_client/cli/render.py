"""`render`: the objects that the operator would create for a run, made by the operator's own code."""

import uuid
from typing import Annotated, Any

import typer
import yaml

from trainingrun_client.cli import screen
from trainingrun_client.cli.given import Changes, File, manifest_of
from trainingrun_client.cli.listing import show_objects
from trainingrun_client.cli.options import Form, Output
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.cluster import ClusterBackend
from trainingrun_client.errors import AlreadyExistsError, InputError
from trainingrun_client.installation import Installation, find_installation
from trainingrun_client.manifests import checked_spec
from trainingrun_operator.desired.children import children
from trainingrun_operator.observed import run_from
from trainingrun_operator.plan import Image
from trainingrun_operator.pod_defaults import PodDefaults

UNKNOWN_UID = "00000000-0000-0000-0000-000000000000"


def render(
    client: TrainingRunClient,
    file: File,
    changes: Changes = None,
    attempt: Annotated[int, typer.Option(min=1, help="Of which attempt.")] = 1,
    image: Annotated[
        str | None,
        typer.Option(help="Trainer image of a run that names none. Default: that of the operator."),
    ] = None,
    output: Output = None,
) -> None:
    """Show what the operator would create.

    Job, Service and claim, made by the operator's own code.

    The API server checks the run and fills in its defaults; nothing is created. The run's UID, which stands
    in labels and in the run directory, is only known once it exists; here it is zero.
    """
    manifest = manifest_of(file, changes, namespace=client.namespace)
    accepted = _accepted(client, manifest)
    found = _installation(client, image)
    run, spec = run_from(accepted), PodDefaults.applied(found.pod_defaults, checked_spec(accepted))
    objects = children(run, spec, attempt, Image(image or found.trainer_image, found.pull_policy))
    if output == Form.JSON:
        show_objects(objects, Form.JSON)
    elif output == Form.NAME:
        for each in objects:
            screen.write(f"{each['kind'].lower()}/{each['metadata']['name']}")
    else:
        screen.write(yaml.safe_dump_all(objects, sort_keys=False, explicit_start=True))


def _accepted(client: TrainingRunClient, manifest: dict[str, Any]) -> dict[str, Any]:
    """As the API server would keep it, even where a run of that name exists."""
    name = manifest["metadata"]["name"]
    try:
        told = client.submit(manifest, dry_run=True).raw
    except AlreadyExistsError:
        told = client.submit(manifest, name=f"render-{uuid.uuid4().hex[:8]}", dry_run=True).raw
    known = {"name": name, "uid": UNKNOWN_UID, "resourceVersion": ""}
    return {**told, "metadata": {**told["metadata"], **known}}


def _installation(client: TrainingRunClient, image: str | None) -> Installation:
    assert isinstance(client.backend, ClusterBackend)
    found = find_installation(client.backend.connection)
    if found is not None:
        return found
    if image is None:
        raise InputError(
            "the operator's Deployment cannot be read, so its trainer image is not known: give --image"
        )
    return Installation.assumed(image)
