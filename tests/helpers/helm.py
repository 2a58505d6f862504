"""Renders the chart with the cluster's own helm."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import ClusterError, current
from tests.cluster.api import TREE
from tests.cluster.shell import run

CHART = TREE / "charts" / "trainingrun-operator"
NAMESPACE = "trainingrun-system"
Object = dict[str, Any]


def helm() -> Path:
    """The binary; skips the test where it was never built."""
    try:
        return current().binary("helm")
    except ClusterError as error:
        pytest.skip(f"no helm: {error}")


def render(*settings: str, release: str = "trainingrun-operator") -> str:
    """`helm template` with `--set` arguments. Raises ClusterError with helm's message."""
    arguments = [f"--set={setting}" for setting in settings]
    return run([helm(), "template", release, CHART, "--namespace", NAMESPACE, *arguments])


def objects(*settings: str, release: str = "trainingrun-operator") -> list[Object]:
    """The rendered objects."""
    return [document for document in yaml.safe_load_all(render(*settings, release=release)) if document]


def one(kind: str, *settings: str) -> Object:
    """The only rendered object of a kind."""
    [found] = [document for document in objects(*settings) if document["kind"] == kind]
    return found
