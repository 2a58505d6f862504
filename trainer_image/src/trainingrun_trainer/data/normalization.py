"""From uint8 pixels to what networks are trained on, on the device that trains."""

from typing import Literal

import torch
from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Source: torchvision's reference transforms."""


class Normalization(nn.Module):
    """Maps (batch, channels, height, width) of uint8 to float32. Grey images get the mean over ImageNet's
    colours."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, name: Literal["imagenet", "unit"], channels: int) -> None:
        super().__init__()
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        if name == "unit":
            mean, std = torch.zeros(3), torch.ones(3)
        if channels == 1:
            mean, std = mean.mean(dim=0, keepdim=True), std.mean(dim=0, keepdim=True)
        self.register_buffer("mean", 255 * mean.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", 255 * std.view(1, -1, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalize a batch."""
        return (images - self.mean) / self.std
