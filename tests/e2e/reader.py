"""A reader of the documentation: a folder, a namespace, and a shell in which every command must work."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.api import TREE, Cluster


def environment(cluster: Cluster, namespace: str, folder: Path) -> dict[str, str]:
    """A reader whose kubectl speaks to a namespace of their own, and knows `kubectl trainingrun`."""
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--output=json"))
    for context in config["contexts"]:
        context["context"]["namespace"] = namespace
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    programs = [cluster.binary("kubectl").parent, cluster.binary("helm").parent, Path(sys.executable).parent]
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    return {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path}


def follow(script: str, folder: Path, environment: Mapping[str, str], seconds: float) -> None:
    """Run the commands in one shell, from the first to the last.

    Raises AssertionError with the end of what they printed where one fails.
    """
    _run(["bash", "-euxo", "pipefail", "-c", script], folder, environment, seconds)


def follow_python(script: str, folder: Path, environment: Mapping[str, str], seconds: float) -> None:
    """The same with the statements of a page, in one interpreter."""
    _run([sys.executable, "-c", script], folder, environment, seconds)


def _run(command: list[str], folder: Path, environment: Mapping[str, str], seconds: float) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


def write_sample(kind: str, archive: Path) -> None:
    """A sample data set as a ZIP."""
    samples = [sys.executable, "-m", "trainingrun_trainer.samples", kind, "--out", str(archive)]
    subprocess.run(samples, cwd=TREE, check=True)


def unpack(archive: Path, folder: Path) -> None:
    """Its files beside it, as a reader has them before they are packed."""
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(archive), str(folder)], check=True)
    archive.unlink()
