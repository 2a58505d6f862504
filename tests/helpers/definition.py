"""Installs the CustomResourceDefinition and waits until the whole API server knows it."""

import json
import time
from typing import Any

from tests.cluster.api import TREE, Cluster, ClusterError
from trainingrun_api import names
from trainingrun_api.crd import custom_resource_definition

READY_SECONDS = 60.0
OPENAPI = "/openapi/v3"
"""The index of all published schemas, each at an address that changes with it. kubectl goes this way too."""


def install_definition(cluster: Cluster) -> None:
    """As a user would: plain, client-side `kubectl apply`. Raises ClusterError and TimeoutError.

    The schema that kubectl reads lags a moment behind a definition that was created or changed: until then
    `kubectl explain` says that there is no such kind, or shows an old one.
    """
    cluster.kubectl("apply", "-f", str(TREE / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{names.CRD_NAME}")
    deadline = time.monotonic() + READY_SECONDS
    while not _published(cluster):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the API server did not publish the schema within {READY_SECONDS} s")
        time.sleep(0.5)
    cluster.kubectl("explain", f"{names.SINGULAR}.spec")


def _published(cluster: Cluster) -> bool:
    try:
        index = json.loads(cluster.kubectl("get", "--raw", OPENAPI))["paths"]
        address = index[f"apis/{names.API_VERSION}"]["serverRelativeURL"]
        schemas = json.loads(cluster.kubectl("get", "--raw", address))["components"]["schemas"]
    except (ClusterError, KeyError):
        return False
    kind = f"{'.'.join(reversed(names.GROUP.split('.')))}.{names.VERSION}.{names.KIND}"
    wanted = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return _holds(schemas.get(kind, {}).get("properties", {}), {"spec": wanted["spec"]})


def _holds(published: Any, wanted: Any) -> bool:
    """Whether all that is wanted is published; the API server adds to it."""
    if isinstance(published, dict) and isinstance(wanted, dict):
        return all(key in published and _holds(published[key], value) for key, value in wanted.items())
    return bool(published == wanted)
