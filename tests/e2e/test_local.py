"""What begins on this machine ends in the cluster: runs that `init` writes, and one model bit for bit."""

import copy
import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.api import Cluster
from tests.demo import install
from tests.e2e.digits import DATA_CLAIM, EXAMPLE
from tests.helpers.data_forms import FORMS
from tests.helpers.runs import Runs, manifest
from trainingrun_client import TrainingRunClient
from trainingrun_client.cli.init import init
from trainingrun_client.local import LocalBackend

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

NAME = "digits-alike"
DIGESTS = """
import hashlib, json, sys
from pathlib import Path
import torch

def told(value):
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), list(value.shape), hashlib.sha256(value.numpy().tobytes()).hexdigest()]
    if isinstance(value, dict):
        return {str(name): told(each) for name, each in value.items()}
    return None

checkpoints = Path(sys.argv[1]) / "checkpoints"
best = torch.load(checkpoints / "best_model.pt", weights_only=True)
last = torch.load(checkpoints / "last.ckpt", weights_only=True)["state_dict"]
print(json.dumps({"best": told(best), "last": told(last)}))
"""


def run() -> dict[str, Any]:
    """The digits example: two epochs by one process with one thread, as a container of one core has it."""
    body: dict[str, Any] = copy.deepcopy(yaml.safe_load(EXAMPLE.read_text()))
    body["metadata"]["name"] = NAME
    body["spec"] |= {"nodes": 1, "env": [{"name": "OMP_NUM_THREADS", "value": "1"}]}
    body["spec"]["resources"]["gpus"] = 0
    body["spec"]["training"] |= {"maxEpochs": 2}
    return body


def test_this_machine_trains_the_same_weights_as_the_cluster(
    installed: Cluster, runs: Runs, images: install.Images, digits_folder: Path, tmp_path: Path
) -> None:
    installed.put_folder(digits_folder, runs.namespace, DATA_CLAIM)
    runs.apply(run())
    here = TrainingRunClient(backend=LocalBackend(tmp_path, data={DATA_CLAIM: digits_folder}))
    status = runs.wait(NAME, "Completed", "Failed", seconds=600)
    assert status["phase"] == "Completed", json.dumps(status, indent=1)
    runs.apply(
        manifest(
            "digests",
            {
                "image": images.trainer,
                "resources": {"gpus": 0},
                "command": ["python", "-c", DIGESTS, status["runDirectory"]],
                "checkpoints": {"claim": status["checkpointClaim"]},
            },
        )
    )
    here.submit(run())
    done = here.wait(NAME, timeout=600)
    runs.wait("digests", "Completed", seconds=180)
    pod = runs.children("digests")["pods"][0]["metadata"]["name"]
    there = json.loads(runs.kubectl("logs", pod).splitlines()[-1])
    own = subprocess.run(
        [sys.executable, "-c", DIGESTS, str(tmp_path / NAME)], check=True, capture_output=True, text=True
    )
    assert json.loads(own.stdout) == there
    assert len(there["last"]) > 100

    local = done.status.to_wire()
    assert local["metrics"] == status["metrics"]
    assert local["best"] == status["best"]
    assert local["columns"] == status["columns"]
    assert (local["phase"], local["reason"], local["message"]) == (
        status["phase"],
        status["reason"],
        status["message"],
    )
    assert local.keys() >= status.keys() - {"checkpointClaim"}


def test_the_api_server_takes_the_runs_that_init_writes(runs: Runs, tmp_path: Path) -> None:
    texts = []
    for number, (form, write) in enumerate(FORMS.items()):
        place = tmp_path / form
        place.mkdir()
        with redirect_stdout(io.StringIO()) as written:
            init(write(place), name=f"run-{number}", write_list=True)
        texts.append(written.getvalue())
    said = runs.kubectl("apply", "--dry-run=server", "-f", "-", input="---\n".join(texts))
    assert said.count("created (server dry run)") == len(FORMS)
