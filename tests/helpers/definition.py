"""Installs the CustomResourceDefinition and waits until kubectl, too, knows it."""

import time
from collections.abc import Iterator
from typing import Any

from tests.cluster.api import TREE, Cluster, ClusterError
from trainingrun_api import names
from trainingrun_api.crd import custom_resource_definition

READY_SECONDS = 60.0


def install_definition(cluster: Cluster) -> None:
    """As a user would: plain, client-side `kubectl apply`. Raises ClusterError and TimeoutError.

    The schema that kubectl reads, and keeps, lags a moment behind a definition that was created or changed:
    until then `kubectl explain` says that there is no such kind, or shows an old one.
    """
    cluster.kubectl("apply", "-f", str(TREE / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{names.CRD_NAME}")
    deadline = time.monotonic() + READY_SECONDS
    while not _explained(cluster):
        if time.monotonic() > deadline:
            raise TimeoutError(f"kubectl did not know the definition within {READY_SECONDS} s")
        time.sleep(0.5)


def _explained(cluster: Cluster) -> bool:
    try:
        text = cluster.kubectl("explain", f"{names.SINGULAR}.spec", "--recursive")
    except ClusterError:
        return False
    schema = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return set(_fields(schema["properties"]["spec"])) <= set(text.split())


def _fields(schema: Any) -> Iterator[str]:
    """The names of all fields below a schema."""
    for name, child in schema.get("properties", {}).items():
        yield name
        yield from _fields(child)
    if "items" in schema:
        yield from _fields(schema["items"])
