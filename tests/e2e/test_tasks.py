"""Every task beside classification: one `kubectl apply` on two nodes, from a sample to a model."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.runs import Runs, manifest
from tests.integration.trainer import tiny_detector
from trainingrun_trainer.samples import SAMPLES

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

DATA_CLAIM = "task-data"
FACTORY = Path(tiny_detector.__file__)
"""Goes into the claim too: an architecture of the user's own."""


@dataclass(frozen=True)
class Case:
    """A task, its sample, and the score that its monitored metric must reach."""

    task: str
    sample: str
    training: dict[str, Any]
    reaches: float

    @property
    def name(self) -> str:
        return f"{self.task}-{self.sample}"

    def spec(self) -> dict[str, Any]:
        """`spec` of a run on the CPUs of two nodes."""
        data = {"path": f"/data/{self.sample}.zip", "numWorkers": 0, **self.training["data"]}
        return {
            "nodes": 2,
            "resources": {"gpus": 0, "sharedMemory": "256Mi"},
            "env": [
                {"name": "OMP_NUM_THREADS", "value": "1"},  # the pods of a cluster of one machine share it
                {"name": "PYTHONPATH", "value": "/data"},
            ],
            "volumes": [{"claim": DATA_CLAIM, "mountPath": "/data", "readOnly": True}],
            "checkpoints": {"size": "2Gi"},
            "training": {
                "task": self.task,
                "accelerator": "cpu",
                "artifacts": {"report": False},
                **self.training,
                "data": data,
            },
        }


def detector(factory: str) -> dict[str, Any]:
    """A config that finds parts within a minute."""
    return {
        "data": {"format": "coco", "imageSize": 128, "batchSize": 2},
        "model": {"architecture": f"{FACTORY.stem}:{factory}", "parameters": {"size": 128}},
        "optimizer": {"learningRate": 0.002},
        "maxEpochs": 5,
    }


CASES = (
    Case(
        "semantic-segmentation",
        "defects",
        {
            "data": {"format": "split-files", "imageSize": 64, "batchSize": 4},
            "model": {"encoder": "resnet18"},
            "loss": {"name": "combined"},
            "optimizer": {"learningRate": 0.002},
            "maxEpochs": 3,
        },
        reaches=0.5,
    ),
    Case(
        "semantic-segmentation",
        "liver",
        {
            "data": {"format": "zip", "dimensions": 3, "patchSize": [32, 32, 32]},
            "model": {"architecture": "segresnet"},
            "optimizer": {"learningRate": 0.005},
            "maxEpochs": 4,
        },
        reaches=0.1,
    ),
    Case("object-detection", "parts", detector("boxes"), reaches=0.3),
    Case("instance-segmentation", "parts", detector("masks"), reaches=0.2),
)


@pytest.fixture(scope="module")
def runs_with_data(module_runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A namespace with a claim that holds the samples of all cases."""
    folder = tmp_path_factory.mktemp("samples")
    for sample in {case.sample for case in CASES}:
        SAMPLES[sample](folder / f"{sample}.zip")
    shutil.copy(FACTORY, folder)
    module_runs.cluster.put_folder(folder, module_runs.namespace, DATA_CLAIM)
    return module_runs


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_two_nodes_train_a_task_to_a_model_that_works(runs_with_data: Runs, case: Case) -> None:
    runs_with_data.apply(manifest(case.name, case.spec()))
    status = runs_with_data.wait(case.name, "Completed", "Failed", seconds=900)
    assert status["phase"] == "Completed", json.dumps(status, indent=1)
    assert status["attempt"] == 1, json.dumps(status, indent=1)
    assert float(status["best"]["value"]) >= case.reaches, json.dumps(status["metrics"], indent=1)
    pods = runs_with_data.children(case.name)["pods"]
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
