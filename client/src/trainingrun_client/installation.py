"""What is installed in a cluster, as far as its Deployment tells: the operator's settings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainingrun_client.connection import Connection, Resource
from trainingrun_client.errors import ForbiddenError
from trainingrun_operator.pod_defaults import PodDefaults
from trainingrun_operator.settings import PREFIX

DEPLOYMENTS = Resource("apps/v1", "deployments")
SELECTOR = "app.kubernetes.io/name=trainingrun-operator"


@dataclass(frozen=True, slots=True)
class Installation:
    """One operator."""

    namespace: str
    name: str
    image: str
    ready: int
    wanted: int
    trainer_image: str
    pull_policy: str
    namespaces: tuple[str, ...]
    """That it watches; none stands for all."""
    pod_defaults: PodDefaults
    message: str = ""
    """Why it is not available, in the words of the Deployment."""

    @classmethod
    def assumed(cls, trainer_image: str) -> "Installation":
        """With the chart's defaults, where nothing can be read."""
        return cls("", "", "", 0, 0, trainer_image, "IfNotPresent", (), PodDefaults())

    def serves(self, namespace: str) -> bool:
        """Whether runs of a namespace are its own."""
        return not self.namespaces or namespace in self.namespaces


def find_installations(connection: Connection) -> list[Installation]:
    """All that can be seen. Raises ForbiddenError."""
    found, _ = connection.list(DEPLOYMENTS.path(), {"labelSelector": SELECTOR})
    return [_installation(each) for each in found]


def find_installation(connection: Connection) -> Installation | None:
    """The one that serves the connection's namespace; None where none does, or nobody may look."""
    try:
        found = find_installations(connection)
    except ForbiddenError:
        return None
    return next((each for each in found if each.serves(connection.namespace)), None)


def _installation(deployment: Mapping[str, Any]) -> Installation:
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    given = {each["name"].removeprefix(PREFIX): each.get("value", "") for each in container.get("env") or ()}
    status = deployment.get("status") or {}
    complaints = [
        each.get("message", "")
        for each in status.get("conditions") or ()
        if (each["type"], each["status"]) == ("Available", "False")
    ]
    return Installation(
        namespace=deployment["metadata"]["namespace"],
        name=deployment["metadata"]["name"],
        image=container["image"],
        ready=status.get("readyReplicas", 0),
        wanted=deployment["spec"].get("replicas", 1),
        trainer_image=given.get("TRAINER_IMAGE", ""),
        pull_policy=given.get("IMAGE_PULL_POLICY") or "IfNotPresent",
        namespaces=tuple(name for name in given.get("NAMESPACES", "").split(",") if name),
        pod_defaults=PodDefaults.model_validate(json.loads(given.get("POD_DEFAULTS") or "{}")),
        message="; ".join(complaints),
    )
