"""A classifier that takes its time on one rank, as a factory of an image's own."""

import os
import time
from typing import Any

import torch
from torch import nn

from tests.integration.trainer.tiny_classifier import perceptron

SLOW, PAUSE = 0, 1.0
"""Rank 0 is the slow one, so the other waits for its batch statistics before each step."""


class Slow(nn.Module):
    """Sleeps so many seconds in each training step of that rank."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> Any:
        if self.training and os.environ["RANK"] == str(SLOW):
            time.sleep(PAUSE)
        return self.network(images)


def network(in_channels: int, classes: int, size: int) -> nn.Module:
    """The tiny classifier, slowed down."""
    return Slow(perceptron(in_channels, classes, size))
