"""Pretrained weights from state-dict files: read safely, and refused where they do not fit."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainingrun_trainer.errors import BadConfig

NETWORK = "network."
"""What names begin with in the trainer's own best_model.pt, which holds a whole task module."""
OPTIONAL = "num_batches_tracked"
"""Counts that old files lack, and that nothing but batch normalization without momentum reads."""


def read(path: Path | str, field: str) -> dict[str, torch.Tensor]:
    """The tensors of a state-dict file; of one in Lightning's form those below its key state_dict.

    Raises:
        BadConfig: the file, which the config names in a field, cannot be read or holds something else.
    """
    advice = "Give a state dict saved by torch.save."
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the damaged or foreign file provokes
        raise BadConfig(f"{field} {path} cannot be loaded: {error}", advice) from error
    if isinstance(state, Mapping):
        state = state.get("state_dict", state)
    if not isinstance(state, Mapping):
        raise BadConfig(f"{field} {path} hold a {type(state).__name__}", advice)
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def without_prefix(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors below a prefix, or all where none has it."""
    below = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    return below or dict(state)


def fill(
    module: nn.Module,
    state: Mapping[str, torch.Tensor],
    source: str,
    alias: Callable[[str], str] = lambda name: name,
) -> None:
    """Put tensors into a module. The file must have all that the module has; what else it has, such as the
    head of a classifier, is left out. Where the module takes grey images and the file is for colours, the
    first convolution gets the sum over the colours, so that it answers a grey image as it would RGB.

    Args:
        module: what is filled.
        state: tensors by name.
        source: field and file, for the error.
        alias: what a name is known by on both sides.

    Raises:
        BadConfig: tensors are missing or have other shapes.
    """
    known = {alias(name): value for name, value in state.items()}
    wanted = module.state_dict()
    missing = [name for name in wanted if alias(name) not in known and not name.endswith(OPTIONAL)]
    found = {
        name: fitting(known[alias(name)], value.shape)
        for name, value in wanted.items()
        if alias(name) in known
    }
    misshapen = [name for name, value in found.items() if value.shape != wanted[name].shape]
    if missing or misshapen:
        names = ", ".join([*missing, *misshapen][:3])
        raise BadConfig(
            f"{source} do not fit the network: {len(missing)} tensors are missing and {len(misshapen)} have "
            f"other shapes ({names}, ...)",
            "Give weights of the same architecture.",
        )
    nn.Module.load_state_dict(module, found, strict=False)


def fitting(value: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """A tensor of a file for one of this shape in a network: summed over the colours where that takes grey
    images."""
    grey = value.ndim >= 4 and value.shape[1] == 3 and shape == (shape[0], 1, *value.shape[2:])
    return value.sum(dim=1, keepdim=True) if grey else value
