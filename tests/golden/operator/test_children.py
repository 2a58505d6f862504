"""The objects of a run, word for word: what the operator asks Kubernetes for."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.golden import assert_reviewed
from tests.unit.operator.builders import TRAINER_IMAGE, run
from trainingrun_api import TrainingRunSpec
from trainingrun_operator.desired.children import children

HERE = Path(__file__).parent
TRAINING = {
    "task": "classification",
    "data": {"format": "zip", "path": "/data/chest.zip"},
    "accelerator": "cpu",
}

SPECS: dict[str, dict[str, Any]] = {
    "smallest-command": {"image": "example/program:1", "command": ["train"]},
    "one-node-on-the-cpu": {
        "resources": {"gpus": 0, "cpu": "2", "memory": "4Gi"},
        "training": TRAINING,
        "volumes": [{"claim": "xray", "mountPath": "/data", "readOnly": True}],
        "checkpoints": {"claim": "team-checkpoints"},
    },
    "two-nodes-with-four-gpus": {
        "nodes": 2,
        "resources": {"gpus": 4, "cpu": "16", "memory": "64Gi", "sharedMemory": "8Gi"},
        "training": {**TRAINING, "accelerator": "gpu", "database": {"secretName": "team-database"}},
        "volumes": [{"claim": "xray", "mountPath": "/data", "readOnly": True}],
        "checkpoints": {"size": "50Gi", "storageClass": "fast"},
    },
    "command-with-everything": {
        "nodes": 3,
        "processesPerNode": 2,
        "resources": {"gpus": 1, "gpuResource": "amd.com/gpu"},
        "image": "example/program:1",
        "command": ["torchrun", "train.py"],
        "args": ["--epochs", "3"],
        "env": [{"name": "HF_HOME", "value": "/tmp/hf"}],
        "volumes": [
            {"claim": "data", "mountPath": "/data"},
            {"claim": "data", "mountPath": "/labels", "subPath": "labels", "readOnly": True},
            {"claim": "weights", "mountPath": "/weights"},
        ],
        "checkpoints": {"size": "1Gi", "accessMode": "ReadWriteMany", "retain": False},
        "queue": "team-a",
        "pod": {
            "nodeSelector": {"gpu": "a100"},
            "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "priorityClassName": "high",
            "imagePullSecrets": ["registry"],
            "labels": {"team": "xray"},
            "annotations": {"cost-centre": "12"},
            "terminationGracePeriodSeconds": 120,
        },
    },
}


@pytest.mark.parametrize("name", SPECS)
def test_the_children_are_as_reviewed(name: str) -> None:
    manifests = children(run(SPECS[name]), TrainingRunSpec.model_validate(SPECS[name]), 1, TRAINER_IMAGE)
    plain = [json.loads(json.dumps(manifest)) for manifest in manifests]  # without YAML's anchors
    text = yaml.safe_dump_all(plain, sort_keys=False, width=100)
    assert_reviewed(HERE / f"{name}.yaml", text)
