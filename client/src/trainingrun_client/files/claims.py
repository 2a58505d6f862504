"""PersistentVolumeClaims: one that is asked for, and which pods use it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from trainingrun_client.connection import Connection, Resource
from trainingrun_client.errors import AlreadyExistsError, ForbiddenError

CLAIMS = Resource("v1", "persistentvolumeclaims")
PODS = Resource("v1", "pods")
SHARED_MODES = frozenset({"ReadWriteMany", "ReadOnlyMany"})
"""With one of these, pods of several nodes mount a claim at the same time."""


def create_claim(
    connection: Connection,
    namespace: str,
    name: str,
    size: str,
    *,
    storage_class: str | None = None,
    access_mode: str = "ReadWriteOnce",
) -> bool:
    """Whether it was created; one that exists stays as it is.

    Raises InvalidError with the field that is wrong, and ForbiddenError.
    """
    spec: dict[str, Any] = {"accessModes": [access_mode], "resources": {"requests": {"storage": size}}}
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    body = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    try:
        connection.create(CLAIMS.path(namespace), body)
    except AlreadyExistsError:
        return False
    return True


def user_of(connection: Connection, namespace: str, claim: str) -> Mapping[str, Any] | None:
    """A pod on whose node another one must be in order to mount the claim; None where any node will do.

    Raises NotFoundError where there is no such claim.
    """
    with suppress(ForbiddenError):  # who may not look is helped by the scheduler's words
        found = connection.get(CLAIMS.path(namespace, claim))
        if SHARED_MODES.isdisjoint(found["spec"].get("accessModes") or ()):
            pods, _ = connection.list(PODS.path(namespace))
            return mounting(pods, claim)
    return None


def mounting(pods: Sequence[Mapping[str, Any]], claim: str) -> Mapping[str, Any] | None:
    """The first of the pods that holds the claim on a node. Pure."""
    for pod in pods:
        ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        claims = [
            (volume.get("persistentVolumeClaim") or {}).get("claimName")
            for volume in pod["spec"].get("volumes") or ()
        ]
        if claim in claims and pod["spec"].get("nodeName") and not ended:
            return pod
    return None
