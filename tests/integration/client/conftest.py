"""The namespace in which files are brought and fetched."""

import uuid
from collections.abc import Iterator

import pytest

from tests.cluster import objects
from tests.cluster.api import Cluster
from tests.cluster.images import build
from tests.helpers.definition import install_definition
from tests.helpers.runs import Runs
from tests.integration.client.place import CLAIM, Place


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    """Its namespace enforces Pod Security `restricted`."""
    install_definition(cluster)
    name = f"files-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    runs = Runs(cluster, name)
    runs.apply(objects.claim(name, CLAIM, "4Gi"))
    yield Place(runs, cluster.load_image(build("base")), cluster.volume_folder(name, CLAIM))
    cluster.kubectl("delete", "namespace", name, "--wait=false")
