"""Networks as other programs use them: normalization before, probabilities after, no Lightning around."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from trainingrun_trainer.exports import Exportable

DETECTED = {
    "boxes": "(objects, 4): left, top, right, bottom in pixels",
    "labels": "(objects,): 1 for the first class",
    "scores": "(objects,): the best first",
    "masks": "(objects, 1, height, width): probability that a pixel belongs to the object",
}


class ClassPredictor(nn.Module):
    """Maps images, (batch, channels, ...), to the probability of each class, (batch, classes, ...)."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.normalization, self.network, self.loss = module.normalization, module.network, module.loss

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Probabilities of a batch."""
        probabilities: torch.Tensor = self.loss.probabilities(self.network(self.normalization(images)))
        return probabilities


class ObjectPredictor(nn.Module):
    """Maps a uint8 image, (channels, height, width), to boxes, labels, scores and perhaps masks."""

    def __init__(self, module: Any, outputs: Sequence[str]) -> None:
        super().__init__()
        self.network = module.network
        self.outputs = tuple(outputs)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What is found in the image."""
        (found,) = self.network([image])
        return tuple(found[name] for name in self.outputs)


def classes(module: Any) -> Exportable:
    """A trained network for classification or segmentation, for batches of any size."""
    meaning = "(batch, classes): of each class"
    if module.config.task == "semantic-segmentation":
        meaning = "of the images' shape, with classes in place of channels: of each class"
    return Exportable(ClassPredictor(module), {0: "batch"}, {"probabilities": meaning})


def objects(module: Any) -> Exportable:
    """A trained detector, for one image of any size."""
    masks = module.config.task == "instance-segmentation"
    outputs = {name: meaning for name, meaning in DETECTED.items() if masks or name != "masks"}
    return Exportable(ObjectPredictor(module, tuple(outputs)), {1: "height", 2: "width"}, outputs)
