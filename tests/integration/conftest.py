"""The test cluster with the generated definition, and with no operator but those that tests start."""

from collections.abc import Iterator

import pytest

from tests.cluster.api import Cluster
from tests.demo.install import NAMESPACE, RELEASE
from tests.helpers.definition import install_definition


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
    """The cluster with the definition."""
    install_definition(alone)
    return alone
