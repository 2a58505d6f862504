"""Claims and the folders behind them: both providers keep their volumes in a folder of this machine."""

import json
import shutil
from pathlib import Path
from typing import Protocol

from tests.cluster import objects
from tests.cluster.api import STORAGE_CLASS, ClusterError
from tests.cluster.shell import wait_until


class Kubectl(Protocol):
    """What this module needs of a cluster."""

    def kubectl(self, *args: str, input: str | None = None) -> str: ...


def ensure_claim(cluster: Kubectl, namespace: str, claim: str, size: str) -> Path:
    """The folder of a claim, which is created when it is missing. Raises as `volume_folder` does."""
    kind = ["--namespace", namespace, "persistentvolumeclaim"]
    if claim not in cluster.kubectl("get", *kind, "--output=jsonpath={.items[*].metadata.name}").split():
        cluster.kubectl("create", "--filename=-", input=json.dumps(objects.claim(namespace, claim, size)))
    return volume_folder(cluster, namespace, claim)


def volume_folder(cluster: Kubectl, namespace: str, claim: str) -> Path:
    """The folder of this machine that a claim is.

    Raises:
        ClusterError: the claim is not bound within 60 s, or its volume is of another storage class.
    """
    reference = ["--namespace", namespace, "persistentvolumeclaim", claim]

    def bound() -> bool:
        return cluster.kubectl("get", *reference, "--output=jsonpath={.status.phase}") == "Bound"

    wait_until(f"claim {namespace}/{claim} to be bound", bound, seconds=60)
    volume = cluster.kubectl("get", *reference, "--output=jsonpath={.spec.volumeName}")
    source = json.loads(cluster.kubectl("get", "persistentvolume", volume, "--output=json"))["spec"]
    if "hostPath" not in source and "local" not in source:
        raise ClusterError(f"claim {namespace}/{claim} is no volume of the storage class {STORAGE_CLASS}")
    return Path((source.get("hostPath") or source["local"])["path"])


def put_folder(cluster: Kubectl, folder: Path, namespace: str, claim: str, size: str) -> None:
    """Copy the content of `folder` into a claim, creating it when it is missing.

    Raises:
        ClusterError: no such folder, the claim is not bound within 60 s, or a file may not be written.
    """
    if not folder.is_dir():
        raise ClusterError(f"{folder} is not a folder")
    target = ensure_claim(cluster, namespace, claim, size)
    try:
        copy_readable(folder, target)
    except OSError as error:
        raise ClusterError(
            f"cannot copy {folder} into claim {namespace}/{claim}: {error}; where a file of another user "
            "is in the way, run this as root or take a new claim"
        ) from error


def copy_readable(folder: Path, target: Path) -> None:
    """Copy the content of a folder into another one, for any user to read, as pods run as any.

    The target's own mode stays: a volume's folder may be root's, and pods write into it.
    """
    for source in folder.iterdir():
        copy = target / source.name
        if source.is_dir():
            copy.mkdir(exist_ok=True)
            copy_readable(source, copy)
        else:
            shutil.copyfile(source, copy)
        readable = 0o555 if source.is_dir() else 0o444
        copy.chmod(source.stat().st_mode & 0o777 | readable)
