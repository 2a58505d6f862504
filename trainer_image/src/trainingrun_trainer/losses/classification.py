"""The losses of classifiers."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class ClassificationLoss(nn.Module):
    """Weighted loss of each image."""

    weights: torch.Tensor

    def __init__(self, name: str, weights: Sequence[float]) -> None:
        """The loss bce-with-logits or cross-entropy with the weight of each class."""
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
