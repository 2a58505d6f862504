"""Where data and checkpoints go, and what a quota leaves."""

from collections.abc import Iterator

from trainingrun_client.checks.finding import Finding, State
from trainingrun_client.connection import Connection, Resource

CLASSES = Resource("storage.k8s.io/v1", "storageclasses")
QUOTAS = Resource("v1", "resourcequotas")
DEFAULT = "storageclass.kubernetes.io/is-default-class"


def classes(connection: Connection) -> Iterator[Finding]:
    """Storage classes, and whether claims that name none get one."""
    found, _ = connection.list(CLASSES.path())
    if not found:
        advice = "install a provisioner, or make volumes by hand and give runs checkpoints.claim"
        yield Finding("storage", State.WARNING, "there is no StorageClass", advice)
        return
    default = [
        each["metadata"]["name"]
        for each in found
        if (each["metadata"].get("annotations") or {}).get(DEFAULT) == "true"
    ]
    names = ", ".join(f"{each['metadata']['name']} ({each['provisioner']})" for each in found)
    if default:
        detail = (
            f"{names}; default {default[0]}. Whether it offers ReadWriteMany, which runs on several nodes "
        )
        yield Finding("storage", State.OK, f"{detail}need, only its provider knows")
    else:
        advice = "mark one as default, or give runs checkpoints.storageClass"
        yield Finding("storage", State.WARNING, f"{names}; none is the default", advice)


def quotas(connection: Connection) -> Iterator[Finding]:
    """What is used up in the namespace."""
    found, _ = connection.list(QUOTAS.path(connection.namespace))
    if not found:
        yield Finding("quota", State.OK, f"none in {connection.namespace}")
    for quota in found:
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        full = [name for name, most in hard.items() if used.get(name) == most]
        told = ", ".join(f"{name} {used.get(name, 0)} of {most}" for name, most in sorted(hard.items()))
        advice = f"{', '.join(full)} is used up: end something, or have the quota raised" if full else ""
        state = State.WARNING if full else State.OK
        yield Finding("quota", state, f"{quota['metadata']['name']}: {told}", advice)
