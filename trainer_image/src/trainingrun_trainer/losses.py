"""What is minimised, as one loss for each image: means over any partition of a data set then agree."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from trainingrun_api.training import LossConfig
from trainingrun_trainer.errors import BadConfig

LossName = Literal["bce-with-logits", "cross-entropy"]


def choose_loss(config: LossConfig, classes: int) -> LossName:
    """The loss of a classifier for a number of classes.

    Raises:
        BadConfig: bce-with-logits for more than two classes.
    """
    if config.name == "bce-with-logits" and classes > 2:
        raise BadConfig(
            f"loss.name is bce-with-logits, but the data have {classes} classes",
            "Set loss.name to cross-entropy.",
        )
    binary = classes == 2 and config.name != "cross-entropy"
    return "bce-with-logits" if binary else "cross-entropy"


def balanced_weights(counts: Sequence[int]) -> list[float]:
    """Weights inverse to the frequency of each class, 1 on average over the images.

    Source: scikit-learn's class_weight="balanced": images / (classes * images of the class).
    """
    return [sum(counts) / (len(counts) * count) for count in counts]


class ClassificationLoss(nn.Module):
    """Weighted loss of each image."""

    weights: torch.Tensor

    def __init__(self, name: LossName, weights: Sequence[float]) -> None:
        super().__init__()
        self.name = name
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32), persistent=False)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Losses, (batch,), of logits, (batch, outputs), for classes, (batch,)."""
        if self.name == "bce-with-logits":
            losses = functional.binary_cross_entropy_with_logits(
                logits.squeeze(1), labels.to(logits.dtype), reduction="none"
            )
        else:
            losses = functional.cross_entropy(logits, labels, reduction="none")
        return losses * self.weights[labels]

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Probability of each class, (batch, classes), in single precision."""
        if self.name == "bce-with-logits":
            positive = logits.float().sigmoid()
            return torch.cat([1 - positive, positive], dim=1)
        return logits.float().softmax(dim=1)


def outputs(name: LossName, classes: int) -> int:
    """Outputs of a network that is trained with this loss."""
    return 1 if name == "bce-with-logits" else classes
