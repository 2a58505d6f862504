"""A network for volumes of which a part is never asked, as a factory of an image's own."""

import torch
from torch import nn


class Partly(nn.Module):
    """Answers for each voxel by itself, and has a layer that takes no part."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.answer = nn.Conv3d(in_channels, classes, kernel_size=1)
        self.aside = nn.Linear(2, 2)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.answer(volumes)
        return logits
