"""What the demo does on the installed system: sample data into a claim, and a run that trains on it."""

import json
import sys
from pathlib import Path

import yaml

from tests.cluster.api import DOT_CLUSTER, TREE, Cluster, ClusterError
from tests.cluster.shell import run
from tests.demo.live import TERMINAL_PHASES, Object

NAMESPACE = "demo"
EXAMPLE = TREE / "examples" / "digits-classification.yaml"
_MANIFEST: Object = yaml.safe_load(EXAMPLE.read_text())
RUN: str = _MANIFEST["metadata"]["name"]
DATA_CLAIM: str = _MANIFEST["spec"]["volumes"][0]["claim"]
ARCHIVE = "digits.zip"
DATA_FOLDER = DOT_CLUSTER / "demo-data"


def write_sample_data(folder: Path) -> None:
    """Write scikit-learn's digits as a ZIP into a folder, once. Raises ClusterError."""
    archive = folder / ARCHIVE
    if archive.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder.parent / "digits.partial.zip"
    run([sys.executable, "-m", "trainingrun_trainer.samples", "digits", "--out", partial], cwd=TREE)
    partial.rename(archive)  # whole or absent, however the generator ended


def load_sample_data(cluster: Cluster) -> None:
    """Put the digits into the claim that the example mounts."""
    write_sample_data(DATA_FOLDER)
    cluster.put_folder(DATA_FOLDER, NAMESPACE, DATA_CLAIM)


def read_run(cluster: Cluster) -> Object:
    """The demo's TrainingRun. Raises ClusterError where it is gone."""
    found: Object = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "trainingrun", RUN, "-o", "json"))
    return found


def active_run(cluster: Cluster) -> bool:
    """Whether an earlier demo's run is still on its way."""
    try:
        earlier = read_run(cluster)
    except ClusterError:
        return False
    return earlier.get("status", {}).get("phase") not in TERMINAL_PHASES


def start_run(cluster: Cluster) -> None:
    """Apply the example anew; a finished earlier run makes room, and its results stay in the claim."""
    cluster.kubectl(
        "-n", NAMESPACE, "delete", "trainingrun", RUN, "--ignore-not-found", "--cascade=foreground"
    )
    cluster.kubectl("-n", NAMESPACE, "apply", "-f", str(EXAMPLE))
