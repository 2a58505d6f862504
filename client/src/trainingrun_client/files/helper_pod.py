"""The pod that mounts a claim for as long as files are brought there or fetched, and no longer.

It satisfies the Pod Security Standard `restricted`. Its name is chosen here and not by the API server, so
that it can be deleted even where the answer to its creation never arrived.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from trainingrun_client.connection import Connection, Resource
from trainingrun_client.errors import (
    AlreadyExistsError,
    ApiError,
    ForbiddenError,
    NotFoundError,
    TransferError,
    UnreachableError,
)
from trainingrun_client.files.commands import MOUNT
from trainingrun_client.files.executing import PODS, PodExec
from trainingrun_client.files.placing import Placement
from trainingrun_client.files.shell import PERMISSIONS

EVENTS = Resource("v1", "events")
PREFIX = "trainingrun-files-"
LABELS = {
    "app.kubernetes.io/name": "trainingrun-files",
    "app.kubernetes.io/managed-by": "kubectl-trainingrun",
}
CONTAINER = "files"
USER_ID = 1000
"""As the operator's training pods, which read and write the same files."""
LIFETIME_SECONDS = 24 * 3600
IDLE_SECONDS, SAMPLE_SECONDS = 30 * 60, 30
"""A pod that nobody could delete ends by itself, once no command was seen to run for so long."""
QUIET_SECONDS, LOOK_SECONDS = 2.0, 0.3
DELETE_PAUSES = (0.5, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Mount:
    """What is mounted."""

    namespace: str
    claim: str
    writable: bool


def manifest(name: str, mount: Mount, placement: Placement) -> dict[str, Any]:
    """The pod. Pure."""
    optional: dict[str, Any] = {
        "imagePullSecrets": list(placement.pull_secrets),
        "nodeSelector": dict(placement.node_selector or {}),
        "tolerations": list(placement.tolerations),
        "affinity": _only_on(placement.node) if placement.node else {},
    }
    container = {
        "name": CONTAINER,
        "image": placement.image,
        "command": ["sh", "-c", _until_idle()],
        "workingDir": MOUNT,
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"cpu": "2", "memory": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "volume", "mountPath": MOUNT, "readOnly": not mount.writable}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": mount.namespace, "labels": LABELS},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LIFETIME_SECONDS,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "runAsGroup": USER_ID,
                "fsGroup": USER_ID,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": mount.claim}}],
            **{field: value for field, value in optional.items() if value},
        },
    }


@contextmanager
def helper_pod(
    connection: Connection, mount: Mount, placement: Placement, seconds: float, say: Callable[[str], object]
) -> Iterator[PodExec]:
    """A running pod, which is deleted at the end however that comes.

    Raises ForbiddenError, and TransferError with the scheduler's or the kubelet's words where it does not run
    after so many seconds.
    """
    name = PREFIX + secrets.token_hex(4)
    path = PODS.path(mount.namespace, name)
    refused = False
    try:
        try:
            connection.create(PODS.path(mount.namespace), manifest(name, mount, placement))
        except ForbiddenError as error:
            refused = True
            raise ForbiddenError(error.status, f"{error}; {PERMISSIONS}", error.causes) from error
        except ApiError as error:
            refused = not isinstance(error, AlreadyExistsError)  # a first answer may have been lost
            raise
        _wait(connection, mount, path, seconds, say)
        yield PodExec(connection, mount.namespace, name, CONTAINER)
    finally:
        if not refused:
            _delete(connection, path, say)


def standing(pod: Mapping[str, Any]) -> str:
    """Why the pod does not run, in the words of its status; empty where it says nothing. Pure."""
    status = pod.get("status") or {}
    told = [status]
    told += [each for each in status.get("conditions") or () if each.get("status") == "False"]
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        told += [state[kind] for kind in ("waiting", "terminated") if kind in state]
    words = [": ".join(filter(None, (each.get("reason"), each.get("message")))) for each in told]
    return "; ".join(dict.fromkeys(filter(None, words)))


def _until_idle() -> str:
    """Process 1: a shell, because it must collect the orphans that commands leave.

    Beside it, /proc shows a process for each command that runs.
    """
    return (
        f"idle=0; while [ $idle -lt {IDLE_SECONDS // SAMPLE_SECONDS} ]; do "
        f"sleep {SAMPLE_SECONDS} & wait $!; set -- /proc/[0-9]*; "
        "if [ $# -gt 1 ]; then idle=0; else idle=$((idle + 1)); fi; done"
    )


def _only_on(node: str) -> dict[str, Any]:
    """By the scheduler, which spec.nodeName would pass by, and with it the binding of a claim."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def _wait(
    connection: Connection, mount: Mount, path: str, seconds: float, say: Callable[[str], object]
) -> None:
    start, told = time.monotonic(), False
    # By get: a watch would take the permission to list pods, which who moves files need not have.
    while True:
        pod = connection.get(path)
        phase = (pod.get("status") or {}).get("phase")
        waited = time.monotonic() - start
        if phase == "Running":
            return
        if phase in ("Failed", "Succeeded") or waited > seconds:
            name, image = pod["metadata"]["name"], pod["spec"]["containers"][0]["image"]
            words = "; ".join(filter(None, (standing(pod), _events(connection, pod))))
            when = f"has ended ({phase})" if waited <= seconds else f"did not start within {seconds:g} s"
            raise TransferError(
                f"the pod {name} of {image}, which mounts {mount.claim}, {when}: {words or 'nobody says why'}"
            )
        if waited > QUIET_SECONDS and not told:
            told = True
            say(f"waiting for the pod {pod['metadata']['name']}, which mounts {mount.claim}")
        time.sleep(LOOK_SECONDS)


def _events(connection: Connection, pod: Mapping[str, Any]) -> str:
    """Warnings about the pod, where they may be read."""
    meta = pod["metadata"]
    query = {"fieldSelector": f"involvedObject.uid={meta['uid']},type=Warning"}
    with suppress(ApiError, UnreachableError):
        found, _ = connection.list(EVENTS.path(meta["namespace"]), query)
        return "; ".join(dict.fromkeys(f"{each.get('reason')}: {each.get('message')}" for each in found))
    return ""


def _delete(connection: Connection, path: str, say: Callable[[str], object]) -> None:
    """At once; says so where it cannot, for another error may be on its way."""
    error: Exception | None = None
    for pause in (*DELETE_PAUSES, None):
        try:
            connection.delete(path, {"gracePeriodSeconds": 0})
            return
        except NotFoundError:
            return
        except (ApiError, UnreachableError) as failed:
            error = failed
            if isinstance(failed, ApiError) or pause is None:
                break
            time.sleep(pause)
    name = path.rpartition("/")[2]
    say(f"the pod {name} could not be deleted, and ends by itself in {IDLE_SECONDS // 60} min: {error}")
