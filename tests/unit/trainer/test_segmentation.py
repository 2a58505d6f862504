"""The module of semantic segmentation learns what it is shown, in images and volumes, with any loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainingrun_api import TrainingConfig
from trainingrun_trainer.data.labels import IGNORED
from trainingrun_trainer.data.segmentation import SegmentationBatch
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.tasks.semantic_segmentation import TASK, SegmentationModule

SIZE = 32
SIDE = 12
STEPS = 100
TINY = f"{__name__}:tiny"


def tiny(in_channels: int, classes: int, dimensions: int = 2, width: int = 12) -> nn.Module:
    """Three layers that see 7 pixels around."""
    layer = nn.Conv2d if dimensions == 2 else nn.Conv3d
    return nn.Sequential(
        layer(in_channels, width, 3, padding=1),
        nn.ReLU(),
        layer(width, width, 3, padding=1),
        nn.ReLU(),
        layer(width, classes, 3, padding=1),
    )


@dataclass(frozen=True)
class Data:
    """What the module asks of prepared data."""

    classes: tuple[str, ...]

    def pixel_counts(self, split: str) -> list[int]:
        return [900, 100, 50][: len(self.classes)]


def config(
    dimensions: int = 2, loss: Mapping[str, Any] | None = None, architecture: str = TINY, **data: Any
) -> TrainingConfig:
    return TrainingConfig.model_validate(
        {
            "task": "semantic-segmentation",
            "data": {
                "format": "directory",
                "path": "/data",
                "dimensions": dimensions,
                "imageSize": SIZE,
                "normalization": "unit",
                **({"patchSize": [SIDE] * 3} if dimensions == 3 else {}),
                **data,
            },
            "model": {
                "architecture": architecture,
                "parameters": {"dimensions": dimensions} if architecture == TINY else {},
            },
            "loss": loss or {},
        }
    )


def module(parsed: TrainingConfig, classes: int = 2) -> SegmentationModule:
    torch.manual_seed(0)
    names = ("background", "crack", "hole")[:classes]
    data: Any = Data(names)
    built = TASK.module(parsed, data)
    assert isinstance(built, SegmentationModule)
    return built


def batch(
    classes: int, dimensions: int = 2, channels: int = 3, *, ignored: bool = False
) -> SegmentationBatch:
    """Bright boxes of one class, grey boxes of the other."""
    random = np.random.default_rng(0)
    side = SIZE if dimensions == 2 else SIDE
    images = random.normal(40, 5, (2, channels, *[side] * dimensions))
    masks = np.zeros((2, *[side] * dimensions), dtype=np.int64)
    for number in range(2):
        for label, level in ((1, 220), (2, 130))[: classes - 1]:
            corner = random.integers(0, side // 2, dimensions)
            box: tuple[slice, ...] = tuple(slice(start, start + side // 3) for start in corner)
            images[number][:, *box] = level
            masks[number][box] = label
    if ignored:
        masks[random.random(masks.shape) < 0.2] = IGNORED
    pixels = images.clip(0, 255)
    if dimensions == 3:
        return SegmentationBatch(torch.from_numpy(pixels[:, :1] / 255).float(), torch.from_numpy(masks))
    return SegmentationBatch(torch.from_numpy(pixels.astype(np.uint8)), torch.from_numpy(masks))


@pytest.mark.parametrize(
    ("classes", "dimensions", "channels", "loss"),
    [
        (2, 2, 3, {}),
        (2, 2, 1, {"name": "combined"}),
        (2, 2, 3, {"name": "dice"}),
        (2, 2, 3, {"name": "iou"}),
        (2, 2, 3, {"name": "focal"}),
        (2, 2, 3, {"name": "cross-entropy", "classWeights": "balanced"}),
        (3, 2, 3, {}),
        (3, 2, 3, {"name": "combined", "classWeightValues": [1, 2, 3]}),
        (3, 3, 1, {}),
        (3, 3, 1, {"name": "combined", "classWeights": "balanced"}),
    ],
)
def test_a_batch_is_learned_by_heart(
    classes: int, dimensions: int, channels: int, loss: Mapping[str, Any]
) -> None:
    learner = module(config(dimensions, loss, channels=channels), classes)
    shown = batch(classes, dimensions, channels, ignored=True)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=0.02)
    learner.train()
    for _ in range(STEPS):
        optimizer.zero_grad()
        learner.train_batch(shown).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    learner.eval()
    with torch.no_grad():
        predicted, masks = learner.evaluate_batch(shown, learner.val_metrics)
    scores = learner.val_metrics.scores()
    assert scores["iou"] > 0.9, scores
    assert scores["boundary_f1"] > 0.9
    assert torch.equal(masks, shown.masks)
    assert torch.equal(predicted, learner.predict_batch(shown))
    assert learner.train_metrics.scores()["loss"] > scores["loss"]
    best = TASK.results({f"val_{name}": value for name, value in scores.items()})
    assert best["best_iou"] == scores["iou"]


def test_volumes_are_answered_as_a_whole_whatever_their_shape() -> None:
    learner = module(config(3), 3)
    volume = torch.rand(1, 1, 20, 24, 17, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = learner.infer(volume)
        assert whole.shape == (1, 3, 20, 24, 17)
        # a network that sees 7 voxels around says in the middle of a window what it says of the whole
        torch.testing.assert_close(
            whole[..., 8:9, 8:9, 8:9], learner(volume)[..., 8:9, 8:9, 8:9], atol=0.05, rtol=0
        )


def test_the_evidence_is_the_confusion_of_the_validation() -> None:
    learner = module(config(), 2)
    shown = batch(2, ignored=True)
    with torch.no_grad():
        predicted, masks = learner.evaluate_batch(shown, learner.val_metrics)
    confusion = learner.evidence()["confusion"]
    assert confusion.sum() == (masks != IGNORED).sum()
    assert confusion[1, 0] == ((masks == 1) & (predicted == 0)).sum()


@pytest.mark.parametrize(
    ("dimensions", "architecture", "said"),
    [
        (2, "dformer3d", "no network of segmentation-models-pytorch"),
        (3, "fpn", "no network for volumes"),
    ],
)
def test_images_and_volumes_have_networks_of_their_own(dimensions: int, architecture: str, said: str) -> None:
    with pytest.raises(BadConfig, match=f"model.architecture '{architecture}' is {said}"):
        module(config(dimensions, architecture=architecture))
