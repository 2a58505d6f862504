"""Networks for the segmentation of volumes: D-Former, those of MONAI, or a factory of the image's own; and
how a network that was trained on patches answers for a whole volume."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainingrun_api.training import ModelConfig
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.models import factory, weights
from trainingrun_trainer.models.dformer import SegNetwork
from trainingrun_trainer.models.recompute import recompute_blocks

OVERLAP = 0.25
"""Of neighbouring windows, along each axis. MONAI's default; 0.5 would cost four to eight times as much."""
WINDOWS_AT_ONCE = 4
OURS = ("in_channels", "out_channels", "in_chan", "num_classes", "spatial_dims", "img_size")
"""Arguments that the data decide."""
UNET_CHANNELS = (16, 32, 64, 128, 256)
DYNUNET_STRIDES = (1, 2, 2, 2, 2)

Arguments = dict[str, Any]


def _dformer3d(inputs: int, outputs: int, patch: Sequence[int], extra: Arguments) -> nn.Module:
    return SegNetwork(**{"num_classes": outputs, "in_chan": inputs, **extra})


def _swinunetr(inputs: int, outputs: int, patch: Sequence[int], extra: Arguments) -> nn.Module:
    from monai.networks.nets.swin_unetr import SwinUNETR  # takes seconds, here and below

    return SwinUNETR(**{"in_channels": inputs, "out_channels": outputs, **extra})


def _unetr(inputs: int, outputs: int, patch: Sequence[int], extra: Arguments) -> nn.Module:
    from monai.networks.nets.unetr import UNETR

    return UNETR(**{"in_channels": inputs, "out_channels": outputs, "img_size": tuple(patch), **extra})


def _dynunet(inputs: int, outputs: int, patch: Sequence[int], extra: Arguments) -> nn.Module:
    from monai.networks.nets.dynunet import DynUNet

    strides = extra.get("strides", DYNUNET_STRIDES)
    return DynUNet(
        **{
            "spatial_dims": 3,
            "in_channels": inputs,
            "out_channels": outputs,
            "kernel_size": [3] * len(strides),
            "strides": strides,
            "upsample_kernel_size": strides[1:],
            **extra,
        }
    )


def _segresnet(inputs: int, outputs: int, patch: Sequence[int], extra: Arguments) -> nn.Module:
    from monai.networks.nets.segresnet import SegResNet

    return SegResNet(**{"spatial_dims": 3, "in_channels": inputs, "out_channels": outputs, **extra})


def _unet(inputs: int, outputs: int, patch: Sequence[int], extra: Arguments) -> nn.Module:
    from monai.networks.nets.unet import UNet

    channels = extra.get("channels", UNET_CHANNELS)
    return UNet(
        **{
            "spatial_dims": 3,
            "in_channels": inputs,
            "out_channels": outputs,
            "channels": channels,
            "strides": [2] * (len(channels) - 1),
            "num_res_units": 2,
            **extra,
        }
    )


ARCHITECTURES: Mapping[str, Callable[[int, int, Sequence[int], Arguments], nn.Module]] = {
    "dformer3d": _dformer3d,
    "swinunetr": _swinunetr,
    "unetr": _unetr,
    "dynunet": _dynunet,
    "segresnet": _segresnet,
    "unet": _unet,
}
"""Makes a network from input channels, outputs, patch size and `model.parameters`. What those do not say is
the library's default, or, where it has none, five levels: those of nnU-Net for dynunet, those of MONAI's
tutorials for unet."""
OWN_CHECKPOINTING = ("dformer3d", "swinunetr")
"""Networks that save activations by themselves, at the points that suit them best."""


def build(config: ModelConfig, *, in_channels: int, outputs: int, patch_size: Sequence[int]) -> nn.Module:
    """The network of a config, with weights where it names some.

    It gives logits, (batch, outputs, depth, height, width), of volumes, (batch, in_channels, depth, height,
    width), with intensities in [0, 1] and the sides of a patch.

    Raises:
        BadConfig: the architecture is unknown, its parameters are wrong, it does not take such patches, or
            the weights do not fit it.
    """
    own = factory.is_factory(config.architecture)
    if own:
        network = factory.build(
            config.architecture, in_channels=in_channels, classes=outputs, **config.parameters
        )
    else:
        network = _network(config, in_channels, outputs, patch_size)
    if config.encoder_weights is not None:
        raise BadConfig(
            "model.encoderWeights is for networks of images (data.dimensions 2)",
            "Give the weights of the whole network as model.weights.",
        )
    if config.weights is not None:
        state = weights.without_prefix(weights.read(config.weights, "model.weights"), weights.NETWORK)
        weights.fill(network, state, f"model.weights {config.weights}")
    _probe(network, config.architecture, in_channels, outputs, patch_size, without_arithmetic=not own)
    by_itself = config.architecture.lower() in OWN_CHECKPOINTING
    if config.gradient_checkpointing and not by_itself and recompute_blocks(network) == 0:
        raise BadConfig(
            f"model.gradientCheckpointing: {config.architecture!r} is not made of blocks that can be "
            "computed again",
            "Set model.gradientCheckpointing to false, or choose another model.architecture.",
        )
    return network


def infer(
    network: Callable[[torch.Tensor], torch.Tensor], volumes: torch.Tensor, patch_size: Sequence[int]
) -> torch.Tensor:
    """Logits, (batch, outputs, depth, height, width), of whole volumes, (batch, channels, depth, height,
    width), from windows of the size of a patch.

    Windows overlap by OVERLAP; where they do, the logits are averaged with the weight of a Gaussian around
    the middle of each window. A volume that is smaller than a patch is padded evenly with 0, as patches in
    training are.
    """
    from monai.inferers.utils import sliding_window_inference

    logits = sliding_window_inference(
        volumes, tuple(patch_size), WINDOWS_AT_ONCE, network, overlap=OVERLAP, mode="gaussian"
    )
    assert isinstance(logits, torch.Tensor)
    return logits


def _network(config: ModelConfig, in_channels: int, outputs: int, patch_size: Sequence[int]) -> nn.Module:
    make = ARCHITECTURES.get(config.architecture.lower())
    if make is None:
        raise BadConfig(
            f"model.architecture {config.architecture!r} is no network for volumes (data.dimensions 3)",
            f"Use one of {', '.join(ARCHITECTURES)}, or module:factory.",
        )
    for name in OURS:
        if name in config.parameters:
            raise BadConfig(f"model.parameters.{name} follows from the data", "Remove it.")
    arguments = dict(config.parameters)
    if config.gradient_checkpointing and config.architecture.lower() in OWN_CHECKPOINTING:
        arguments["use_checkpoint"] = True
    try:
        return make(in_channels, outputs, patch_size, arguments)
    except Exception as error:  # the libraries raise whatever a wrong argument provokes
        raise BadConfig(
            f"model.architecture {config.architecture!r} with model.parameters {sorted(config.parameters)} "
            f"and data.patchSize {list(patch_size)} cannot be built: {error}",
            "Correct the parameters, or set data.patchSize to multiples of 32.",
        ) from error


def _probe(
    network: nn.Module,
    architecture: str,
    in_channels: int,
    outputs: int,
    patch_size: Sequence[int],
    *,
    without_arithmetic: bool,
) -> None:
    """Send a patch through a copy as in training, so that what does not fit is found before.

    Weights that take no part, which MONAI's transformers have, are frozen: data parallel training would wait
    for their gradients.

    On torch's meta device that costs neither memory nor arithmetic; a factory's network may do what that
    device cannot, so it computes.
    """
    device = torch.device("meta" if without_arithmetic else "cpu")
    trial = copy.deepcopy(network).to(device).train()
    expected = (1, outputs, *patch_size)
    try:
        with torch.set_grad_enabled(without_arithmetic):
            logits = trial(torch.zeros(1, in_channels, *patch_size, device=device))
    except Exception as error:  # whatever the layers raise
        raise BadConfig(
            f"model.architecture {architecture!r} does not take data.patchSize {list(patch_size)}: {error}",
            "Set data.patchSize to multiples of 32, and no side to less than 64.",
        ) from error
    if not isinstance(logits, torch.Tensor) or logits.shape != expected:
        found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise BadConfig(
            f"model.architecture {architecture!r} gives {found} instead of logits {expected}",
            "Correct the factory or model.parameters: one output for each class, of the size of the patch.",
        )
    if without_arithmetic:
        logits.sum().backward()  # type: ignore[no-untyped-call]
        for mine, its in zip(network.parameters(), trial.parameters(), strict=True):
            mine.requires_grad_(its.grad is not None)
