"""The examples are valid, and are what the earlier systems' own configurations become."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.api import TREE
from trainingrun_api import TrainingConfig, TrainingRunSpec
from trainingrun_trainer.importing.conversion import convert
from trainingrun_trainer.importing.sources import Source

EXAMPLES = sorted((TREE / "examples").glob("*.yaml"))


def spec(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((TREE / "examples" / f"{name}.yaml").read_text())["spec"]
    return content


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_and_its_data_are_in_a_volume(path: Path) -> None:
    parsed = TrainingRunSpec.model_validate(spec(path.stem))
    assert parsed.training is not None
    mounts = [volume.mount_path for volume in parsed.volumes or ()]
    model = parsed.training.model
    for file in filter(None, (parsed.training.data.path, model.weights, model.encoder_weights)):
        assert any(file == mount or file.startswith(f"{mount}/") for mount in mounts)


EXPERIMENT = {
    "learning_rate": 0.001,
    "weight_decay": 0.0001,
    "dropout_rate": 0.3,
    "early_stopping_patience": 7,
    "reduce_lr_patience": 3,
}


@pytest.mark.parametrize(
    ("example", "content", "beyond"),
    [
        pytest.param(
            "xray-screening",
            {
                "experiment": {**EXPERIMENT, "epochs": 10, "batch_size": 32, "monitor_metric": "val_loss"},
                "system": {"batch_size": 32, "num_workers": 0, "pin_memory": True, "validation_split": 0.2},
                "output": {"save_top_k": 3},
            },
            {"loss"},
            id="xray-screening",
        ),
        pytest.param(
            "xray-classification",
            {
                "dataset_path": "data/xray.zip",
                "experiment": {**EXPERIMENT, "epochs": 50},
                "system": {"batch_size": 32, "num_workers": 0, "validation_split": 0.2, "seed": 42},
            },
            {"loss"},
            id="xray-classification",
        ),
        pytest.param(
            "medical-3d",
            {
                "model_name": "dformer3d",
                "data_dir": "data_preprocessed",
                "max_epochs": 100,
                "learning_rate": 1e-4,
                "optimizer": "adamw",
                "gpus": 1,
            },
            {"loss", "monitor", "model.gradientCheckpointing", "data.classNames"},
            id="medical-3d",
        ),
        pytest.param(
            "defects",
            {
                "architecture": "unet",
                "encoder": "resnet34",
                "encoder_weights": "/data/weights/resnet34.pt",
                "num_epochs": 50,
                "batch_size": 8,
                "learning_rate": 0.0001,
                "num_workers": 4,
                "augmentation_prob": 0.5,
                "early_stopping_patience": 10,
                "image_size": [512, 512],
                "split_dir": "data/splits",
                "images_dir": "data/processed/images",
                "masks_dir": "data/processed/masks",
                "loss": "combined",
            },
            {"scheduler.patience"},
            id="defects",
        ),
        pytest.param(
            "object-detection",
            {
                "task": "object_detection",
                "project_path": "/data/parts",
                "split_index": 0,
                "num_workers": 4,
                "hardware": {"selected_devices": ["cuda:0"], "precision": "32"},
            },
            set(),
            id="object-detection",
        ),
        pytest.param(
            "instance-segmentation",
            {
                "task": "instance_segmentation",
                "project_path": "/data/parts",
                "split_index": 0,
                "num_workers": 4,
                "hardware": {"selected_devices": ["cuda:0"], "precision": "32"},
            },
            set(),
            id="instance-segmentation",
        ),
    ],
)
def test_an_example_is_what_its_system_was_configured_to(
    example: str, content: dict[str, Any], beyond: set[str]
) -> None:
    """Apart from what that system said elsewhere, as its loss."""
    run = convert(Source(content), example).run
    theirs, ours = (
        dict(leaves(TrainingConfig.model_validate(training).to_wire()))
        for training in (run["spec"]["training"], spec(example)["training"])
    )
    differing = {path for path in theirs.keys() | ours.keys() if theirs.get(path) != ours.get(path)}
    assert {path for path in differing if not any(path.startswith(allowed) for allowed in beyond)} == set()


def leaves(content: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    return [
        leaf
        for name, value in content.items()
        for leaf in (
            leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
        )
    ]
