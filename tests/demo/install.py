"""Puts the operator onto a test cluster, as a user would: images in a registry, then Helm."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.api import TREE, Cluster, no_one
from tests.cluster.images import build
from tests.cluster.shell import run

CHART = TREE / "charts" / "trainingrun-operator"
RELEASE = "trainingrun-operator"
NAMESPACE = "trainingrun-system"
OPERATOR_USER = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
"""As the API server's audit log names the operator."""
READY_SECONDS = 180


@dataclass(frozen=True)
class Images:
    """References as pods use them."""

    operator: str
    trainer: str


def load_images(cluster: Cluster, loadable: Callable[[], object] = no_one) -> Images:
    """Build both images where their content is new, the long one first, and give them to the cluster.

    `loadable` returns once the cluster takes images. Raises ClusterError.
    """
    trainer = build("trainer")
    loadable()
    loaded = cluster.load_image(trainer)
    return Images(operator=cluster.load_image(build("operator")), trainer=loaded)


def ensure_namespace(cluster: Cluster, name: str) -> None:
    """A namespace that enforces Pod Security `restricted`. Raises ClusterError."""
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(namespace))


def install_chart(cluster: Cluster, loaded: Images, *settings: str) -> None:
    """Install or upgrade the chart and wait until the operator is ready.

    `settings` are further values as `helm --set` takes them. Raises ClusterError.
    """
    ensure_namespace(cluster, NAMESPACE)
    # An upgrade that was killed half-way leaves its lock behind, and every later one would refuse to start.
    cluster.kubectl(
        "-n", NAMESPACE, "delete", "secrets", "-l",
        f"owner=helm,name={RELEASE},status in (pending-install,pending-upgrade,pending-rollback)",
    )  # fmt: skip
    further = [f"--set={setting}" for setting in settings]
    run([cluster.binary("helm"), *upgrade_arguments(loaded), *further, "--kubeconfig", cluster.kubeconfig])


def upgrade_arguments(loaded: Images) -> list[str]:
    """`helm upgrade` for these images; adopts a CRD that somebody applied by hand before."""
    values = {**image_settings("image", loaded.operator), **image_settings("trainerImage", loaded.trainer)}
    return [
        "upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE,
        "--take-ownership", "--force-conflicts", "--wait", f"--timeout={READY_SECONDS}s",
        *(f"--set-string={key}={value}" for key, value in values.items()),
    ]  # fmt: skip


def image_settings(value: str, reference: str) -> dict[str, str]:
    """Chart values for an image reference with a tag, such as 10.0.0.1:5000/name:tag."""
    repository, _, tag = reference.rpartition(":")
    return {f"{value}.repository": repository, f"{value}.tag": tag}
