"""What nodes offer: GPUs, the trainer image, names."""

from collections.abc import Iterator, Mapping
from typing import Any

from trainingrun_client.checks.finding import Finding, State
from trainingrun_client.connection import Connection, Resource
from trainingrun_client.installation import find_installation

NODES = Resource("v1", "nodes")
PODS = Resource("v1", "pods")
SERVICES = Resource("v1", "services")
SLICES = Resource("discovery.k8s.io/v1", "endpointslices")
SYSTEM = "kube-system"
OVER = ("Succeeded", "Failed")


def gpus(connection: Connection) -> Iterator[Finding]:
    """How many there are of each kind, and how many are free."""
    found, _ = connection.list(NODES.path())
    offered: dict[str, int] = {}
    ready = [node for node in found if _ready(node) and not node["spec"].get("unschedulable")]
    for node in ready:
        for name, count in (node["status"].get("allocatable") or {}).items():
            if _is_gpu(name) and int(count):
                offered[name] = offered.get(name, 0) + int(count)
    if not offered:
        advice = "install the device plugin of the GPUs, or train on the CPU with resources.gpus: 0"
        yield Finding("GPUs", State.WARNING, f"none of {len(ready)} ready nodes offers any", advice)
        return
    taken = _requested(connection)
    for name, count in sorted(offered.items()):
        free = count - taken.get(name, 0)
        detail = f"{free} of {count} {name} free, on {len(ready)} ready nodes"
        advice = (
            "" if free else "runs wait as Pending until others end; `kubectl trainingrun list -A` shows them"
        )
        yield Finding("GPUs", State.OK if free else State.WARNING, detail, advice)


def image(connection: Connection) -> Iterator[Finding]:
    """Whether nodes have the trainer image; it has gigabytes, and the first run of a node waits for it."""
    operator = find_installation(connection)
    if operator is None or not operator.trainer_image:
        yield Finding("image", State.UNKNOWN, "no operator whose trainer image could be looked for")
        return
    found, _ = connection.list(NODES.path())
    wanted = operator.trainer_image
    have = [
        node for node in found if any(wanted in each["names"] for each in node["status"].get("images") or ())
    ]
    detail = f"{wanted} is on {len(have)} of {len(found)} nodes"
    # A node tells of its fifty largest images only, so an absent one may be there.
    if have:
        yield Finding("image", State.OK, detail)
    else:
        advice = "the first run pulls it, which takes minutes; where that fails, the run says ImagePull"
        yield Finding("image", State.WARNING, detail, advice)


def dns(connection: Connection) -> Iterator[Finding]:
    """Runs on several nodes find rank 0 by name."""
    query = {"labelSelector": "k8s-app=kube-dns"}
    services, _ = connection.list(SERVICES.path(SYSTEM), query)
    if not services:
        detail = f"no Service of {SYSTEM} is labelled k8s-app=kube-dns"
        advice = "runs on several nodes need the names of headless Services to resolve in pods"
        yield Finding("DNS", State.UNKNOWN, detail, advice)
        return
    name = services[0]["metadata"]["name"]
    chosen = {"labelSelector": f"kubernetes.io/service-name={name}"}
    slices, _ = connection.list(SLICES.path(SYSTEM), chosen)
    ready = sum(
        len(each.get("addresses") or ())
        for one in slices
        for each in one.get("endpoints") or ()
        if (each.get("conditions") or {}).get("ready") is not False
    )
    if ready:
        yield Finding("DNS", State.OK, f"{SYSTEM}/{name}, {ready} servers ready")
    else:
        advice = (
            f"kubectl -n {SYSTEM} get pods -l k8s-app=kube-dns; without it runs on several nodes cannot start"
        )
        yield Finding("DNS", State.FAILED, f"{SYSTEM}/{name} has no server that is ready", advice)


def _requested(connection: Connection) -> dict[str, int]:
    pods, _ = connection.list(PODS.path())
    taken: dict[str, int] = {}
    for pod in pods:
        if pod["status"].get("phase") in OVER or not pod["spec"].get("nodeName"):
            continue
        for container in pod["spec"]["containers"]:
            for name, count in ((container.get("resources") or {}).get("requests") or {}).items():
                if _is_gpu(name):
                    taken[name] = taken.get(name, 0) + int(count)
    return taken


def _is_gpu(resource: str) -> bool:
    return "/" in resource and ("gpu" in resource or "/mig-" in resource)


def _ready(node: Mapping[str, Any]) -> bool:
    conditions = node["status"].get("conditions") or ()
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)
