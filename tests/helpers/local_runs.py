"""Small runs that train on this machine, and what tests do with them."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainingrun_api import names
from trainingrun_client import NotFoundError, TrainingRunClient

IMAGES = 24
LONG = 500
"""Epochs that no test waits for."""
SECONDS = 120
CLAIM = "pictures"


def write_data(claim: Path) -> Path:
    """What the claim `pictures` holds."""
    folder = claim / "set"
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(5)
    rows = ["filename,label"]
    for number in range(IMAGES):
        pixels = random.integers(0, 100, (16, 16), dtype=np.uint8) + 100 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"{number}.png")
        rows.append(f"{number}.png,{'ab'[number % 2]}")
    (folder / "metadata.csv").write_text("\n".join(rows))
    return claim


def manifest(name: str = "small", epochs: int = 2, **spec: Any) -> dict[str, Any]:
    training = {
        "task": "classification",
        "data": {"format": "directory", "path": "/data/set", "imageSize": 16, "batchSize": 4},
        "model": {"architecture": "timm/test_resnet"},
        "monitor": "val_accuracy",
        "maxEpochs": epochs,
        "artifacts": {"report": False, "tensorboard": False},
    }
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name},
        "spec": {
            "volumes": [{"claim": CLAIM, "mountPath": "/data", "readOnly": True}],
            "checkpoints": {"size": "1Gi"},
            "training": training,
            **spec,
        },
    }


def until_epoch(client: TrainingRunClient, name: str, epoch: int) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with suppress(NotFoundError):  # another process is about to submit it
            if len(client.epochs(name)) >= epoch:
                return
            assert not client.get(name).finished, client.get(name).message
        time.sleep(0.1)
    raise TimeoutError(client.get(name).raw)
