"""torch's optimizers, in the fused form wherever that works."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from trainingrun_api.training import OptimizerConfig


def build(
    config: OptimizerConfig, parameters: Iterable[nn.Parameter], rate: float, *, fused: bool
) -> Optimizer:
    """The optimizer of a config for some parameters.

    Args:
        rate: the learning rate to begin with.
        fused: one kernel for all parameters. Lightning refuses to clip the gradients of such an optimizer
            under mixed precision. Else torch chooses, which is a few kernels on a GPU.
    """
    trained = list(parameters)
    chosen = True if fused else None  # False would mean several kernels for each parameter
    decay = config.weight_decay
    match config.name:
        case "sgd":
            optimizer = SGD(trained, lr=rate, momentum=config.momentum, weight_decay=decay, fused=chosen)
            if config.momentum:
                # what torch begins with anyway; but its fused form fails where one has none yet, as a thawed
                # encoder beside a head that trained
                for parameter in trained:
                    optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
            return optimizer
        case "adam":
            return Adam(trained, lr=rate, weight_decay=decay, fused=chosen)
        case "adamw":
            return AdamW(trained, lr=rate, weight_decay=decay, fused=chosen)
