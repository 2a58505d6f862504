"""The namespace in which files are brought and fetched, and a directory in which runs are trained."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import objects
from tests.cluster.api import Cluster
from tests.cluster.images import build
from tests.helpers.definition import install_definition
from tests.helpers.local_runs import write_data
from tests.helpers.runs import Runs
from tests.integration.client.place import CLAIM, Place
from trainingrun_client import TrainingRunClient
from trainingrun_client.local import LocalBackend


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


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "claim")


@pytest.fixture
def backend(tmp_path: Path, data: Path) -> Iterator[LocalBackend]:
    backend = LocalBackend(tmp_path / "runs", data={"pictures": data})
    yield backend
    for run in backend.list(None):
        backend.kill(run.name)


@pytest.fixture
def client(backend: LocalBackend) -> TrainingRunClient:
    return TrainingRunClient(backend=backend)
