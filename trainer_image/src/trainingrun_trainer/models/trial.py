"""One step with a copy of a network for images, before training: what does not fit is found in time."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from trainingrun_api.training import ModelConfig
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.models import factory

BATCH = 2
SMALL = 64
"""Pictures of so many pixels a side are quicker to compute with than to reckon without: the meta device takes
batch norms apart in Python."""


def step(
    network: nn.Module,
    config: ModelConfig,
    *,
    channels: int,
    image_size: int,
    outputs: Sequence[int],
    batch_size: int,
) -> None:
    """Try a network as in training, and freeze those of its weights that take no part: DDP would wait for
    their gradients.

    Networks of libraries are tried on torch's meta device, without memory and arithmetic, unless pictures are
    small; what fails there is tried again on the CPU before it is refused. A factory's network may do what
    that device cannot.

    Args:
        network: of logits, (batch, *outputs), of images, (batch, channels, image_size, image_size).
        config: where the network comes from.
        batch_size: of training.

    Raises:
        BadConfig: the network does not take such images or batches, gives something else, or has nothing to
            train.
    """
    field = f"model.architecture {config.architecture!r}"
    size = (channels, image_size, image_size)
    problem: Exception | None = None
    on_cpu = factory.is_factory(config.architecture) or image_size <= SMALL
    for device in ("cpu",) if on_cpu else ("meta", "cpu"):
        try:
            tried, logits = _tried(network, torch.zeros(BATCH, *size, device=device))
            break
        except Exception as error:  # noqa: BLE001 - whatever the layers raise
            problem = error
    else:
        raise BadConfig(
            f"{field} does not take data.imageSize {image_size} with data.channels {channels}: {problem}",
            "Set data.imageSize to a multiple of 32, or to what the network was made for, often 224.",
        ) from problem
    expected = (BATCH, *outputs)
    if not isinstance(logits, torch.Tensor) or logits.shape != expected:
        found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise BadConfig(
            f"{field} gives {found} instead of logits {expected}", "Correct the factory or model.parameters."
        )
    if not logits.requires_grad:
        raise BadConfig(f"{field} has no weights that train", "Correct the factory or model.parameters.")
    if batch_size == 1:
        try:
            tried(torch.zeros(1, *size, device=device))
        except ValueError as error:  # batch normalization of a single value
            raise BadConfig(
                f"{field} cannot train with data.batchSize 1: {error}",
                "Set data.batchSize to 2 or more, or choose another architecture.",
            ) from error
    reached = (
        _reached(logits) if logits.is_meta else {one for one in tried.parameters() if one.grad is not None}
    )
    for parameter, one in zip(network.parameters(), tried.parameters(), strict=True):
        parameter.requires_grad_(one in reached)


def _tried(network: nn.Module, images: torch.Tensor) -> tuple[nn.Module, Any]:
    """A copy that made one step, and what it said. Without arithmetic the way back shows nothing new, and
    would take as long as the way there."""
    copied = copy.deepcopy(network).to(images.device).train()
    logits = copied(images)
    if isinstance(logits, torch.Tensor) and logits.requires_grad and not logits.is_meta:
        logits.sum().backward()  # type: ignore[no-untyped-call]
    return copied, logits


def _reached(logits: torch.Tensor) -> set[torch.Tensor]:
    """The parameters that a backward pass would come to, by the graph of autograd, as DDP looks for them."""
    found, seen, ahead = set(), set(), [logits.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(parameter := getattr(node, "variable", None), torch.Tensor):
            found.add(parameter)
        ahead.extend(before for before, _ in node.next_functions)
    return found
