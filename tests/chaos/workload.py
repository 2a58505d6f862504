"""The run that is struck: ten digits, a tiny network, two pods; and how far it is at each moment."""

import math
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from trainingrun_trainer import samples

DATA_CLAIM = "digits"
ARCHIVE = "digits.zip"
IMAGES = 314
VALIDATION_SPLIT = 0.4
TRAIN_IMAGES = 188
"""About what the stratified split leaves; the last batch of an epoch is not quite full."""
NODES = 2
EPOCHS = 3
STEPS_AN_EPOCH = 12
"""With the batch size that follows from it, whatever the number of processes."""
SAVE_STEPS = 4
"""Optimizer steps between two checkpoints."""
MID_EPOCH_STEP = STEPS_AN_EPOCH + SAVE_STEPS + SAVE_STEPS // 2
"""In the second epoch, half-way from one checkpoint to the next."""
STALL_SECONDS = 30
STARTUP_SECONDS = 120
NODE_LOST_SECONDS = 10
SETTLED_SECONDS = 600
"""Within this time any of the runs has ended, on a slow machine too."""


@dataclass(frozen=True)
class Shape:
    """How many processes train in each of the pods."""

    processes: int

    @property
    def world_size(self) -> int:
        return NODES * self.processes

    @property
    def last_rank(self) -> int:
        return self.world_size - 1

    def pod_of(self, rank: int) -> int:
        """The index of the pod that a rank runs in."""
        return rank // self.processes


def write_data(folder: Path) -> None:
    """The digits that all runs train on."""
    folder.mkdir(parents=True, exist_ok=True)
    samples.write_zip(islice(samples.digits(), IMAGES), folder / ARCHIVE)


def spec(shape: Shape, claim: str) -> dict[str, Any]:
    """`spec` of a run that keeps its results in a claim."""
    return {
        "nodes": NODES,
        "processesPerNode": shape.processes,
        "resources": {"gpus": 0, "sharedMemory": "64Mi"},
        "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],  # the pods of a cluster of one machine share it
        "volumes": [{"claim": DATA_CLAIM, "mountPath": "/data", "readOnly": True}],
        "checkpoints": {"claim": claim, "everySteps": SAVE_STEPS},
        "restart": {"backoffSeconds": 0, "nodeLostSeconds": NODE_LOST_SECONDS},
        "deadlines": {"stallSeconds": STALL_SECONDS, "startupSeconds": STARTUP_SECONDS},
        "training": {
            "task": "classification",
            "accelerator": "cpu",
            "data": {
                "format": "zip",
                "path": f"/data/{ARCHIVE}",
                "imageSize": 32,
                "batchSize": math.ceil(TRAIN_IMAGES / (STEPS_AN_EPOCH * shape.world_size)),
                "validationSplit": VALIDATION_SPLIT,
                "numWorkers": 0,
            },
            "model": {"architecture": "shufflenet_v2_x0_5"},
            "augmentation": {"horizontalFlip": 0.5, "rotateDegrees": 10},
            "earlyStopping": {"patience": 0},
            "artifacts": {"report": False},
            "monitor": "val_loss",
            "maxEpochs": EPOCHS,
        },
    }
