"""The test cluster with the generated definition, and with no operator but those that tests start."""

from collections.abc import Iterator

import pytest

from tests.cluster.api import TREE, Cluster
from tests.demo.install import NAMESPACE, RELEASE
from trainingrun_api import names


@pytest.fixture(scope="session")
def alone(cluster: Cluster) -> Iterator[Cluster]:
    """Puts an installed operator to rest meanwhile: it would answer for the tests' namespaces as well.

    The end-to-end tests install the chart anew, which wakes it.
    """
    deployment = ("-n", NAMESPACE, "deployment", RELEASE)
    if not cluster.kubectl("get", *deployment, "--ignore-not-found", "-o", "name"):
        yield cluster
        return
    cluster.kubectl("scale", *deployment, "--replicas=0")
    pods = ("pod", "-n", NAMESPACE, "-l", f"app.kubernetes.io/name={RELEASE}")
    cluster.kubectl("wait", *pods, "--for=delete", "--timeout=60s")
    yield cluster
    cluster.kubectl("scale", *deployment, "--replicas=1")


@pytest.fixture(scope="session")
def definition(alone: Cluster) -> Cluster:
    """The cluster with the definition applied as a user would: plain, client-side `kubectl apply`."""
    alone.kubectl("apply", "-f", str(TREE / "crds"))
    alone.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{names.CRD_NAME}")
    return alone
