"""Of which image a helper pod is, and on which node it may be: as the pods that use the claim otherwise."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from trainingrun_api import names
from trainingrun_client.connection import Connection, Resource
from trainingrun_client.errors import ForbiddenError, InputError
from trainingrun_client.files.claims import user_of
from trainingrun_client.installation import find_installation
from trainingrun_client.run import TrainingRun

Fields = Mapping[str, Any]
"""Of a pod's spec."""

JOBS = Resource("batch/v1", "jobs")


@dataclass(frozen=True, slots=True)
class Placement:
    """What a helper pod takes from others."""

    image: str
    pull_secrets: tuple[Fields, ...] = ()
    node_selector: Mapping[str, str] | None = None
    tolerations: tuple[Fields, ...] = ()
    node: str | None = None
    """The only one that can mount the claim now."""


def place(
    connection: Connection, namespace: str, claim: str, *, image: str | None, run: TrainingRun | None
) -> Placement:
    """Raises NotFoundError where there is no such claim, and InputError where no image can be found."""
    user = user_of(connection, namespace, claim)
    jobs = _jobs(connection, namespace)
    own = _template([job for job in jobs if run is not None and _uid(job) == run.uid])
    options = own or (run.raw["spec"].get("pod") or {} if run is not None else {})
    source = own or _template(jobs)
    if image is not None:
        secrets: Sequence[Fields] = source.get("imagePullSecrets") or ()
    elif source:
        image, secrets = _trainer_image(source), source.get("imagePullSecrets") or ()
    else:
        image, secrets = _operators_choice(connection)
    on_node = user["spec"] if user is not None else {}
    return Placement(
        image=image,
        pull_secrets=tuple(secrets),
        node_selector=None if user is not None else options.get("nodeSelector"),
        tolerations=(*(options.get("tolerations") or ()), *(on_node.get("tolerations") or ())),
        node=on_node.get("nodeName"),
    )


def _jobs(connection: Connection, namespace: str) -> list[dict[str, Any]]:
    """Of runs, the newest first."""
    with suppress(ForbiddenError):
        found, _ = connection.list(JOBS.path(namespace), {"labelSelector": names.RUN_LABEL})
        return sorted(found, key=lambda job: str(job["metadata"]["creationTimestamp"]), reverse=True)
    return []


def _uid(job: Fields) -> str | None:
    uid: str | None = job["metadata"]["labels"].get(names.UID_LABEL)
    return uid


def _template(jobs: Sequence[Fields]) -> Fields:
    """The pods' spec of the first Job; empty where there is none."""
    spec: Fields = jobs[0]["spec"]["template"]["spec"] if jobs else {}
    return spec


def _trainer_image(template: Fields) -> str:
    containers = template["containers"]
    found = next((each for each in containers if each["name"] == names.CONTAINER_NAME), containers[0])
    return str(found["image"])


def _operators_choice(connection: Connection) -> tuple[str, Sequence[Fields]]:
    installation = find_installation(connection)
    if installation is None or not installation.trainer_image:
        raise InputError(
            "files of volumes go through a pod, and there is neither a Job of a run nor an operator's "
            "Deployment that can be read to take its image from: give --image, any image with a POSIX shell"
        )
    secrets = installation.pod_defaults.image_pull_secrets
    return installation.trainer_image, [{"name": name} for name in secrets]
