"""Networks for the segmentation of images: any of segmentation-models-pytorch with any of its encoders, or a
factory of the image's own. Those for volumes stand in `volumes`."""

import inspect
from pathlib import Path

import segmentation_models_pytorch as smp
from segmentation_models_pytorch.encoders import TimmUniversalEncoder
from torch import nn

from trainingrun_api.training import ModelConfig
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.models import factory, trial, weights
from trainingrun_trainer.models.recompute import recompute_blocks

ARCHITECTURES = tuple(smp.MODEL_ARCHITECTURES_MAPPING)
ENCODERS = tuple(name for name in smp.encoders.get_encoder_names() if not name.startswith("timm-"))
"""Those of the library itself, without the ones that it deprecates; tu- leads to those of timm."""


def build(config: ModelConfig, *, outputs: int, channels: int, image_size: int, batch_size: int) -> nn.Module:
    """The network of a config, with weights where it names some.

    It gives logits, (batch, outputs, size, size), of normalized images, (batch, channels, size, size).

    Raises:
        BadConfig: the architecture or encoder is unknown, does not take such images or batches, or the
            weights do not fit it.
    """
    own = factory.is_factory(config.architecture)
    network = (
        factory.build(config.architecture, in_channels=channels, classes=outputs, **config.parameters)
        if own
        else _network(config, outputs, channels)
    )
    if config.encoder_weights is not None:
        _load_encoder(network, Path(config.encoder_weights), config.architecture)
    if config.weights is not None:
        state = weights.without_prefix(weights.read(config.weights, "model.weights"), weights.NETWORK)
        weights.fill(network, state, f"model.weights {config.weights}")
    trial.step(
        network,
        config,
        channels=channels,
        image_size=image_size,
        outputs=(outputs, image_size, image_size),
        batch_size=batch_size,
    )
    if config.gradient_checkpointing and not _checkpoint_gradients(network):
        raise BadConfig(
            f"model.gradientCheckpointing: {config.architecture!r} with {config.encoder!r} as encoder has no "
            "blocks that can be computed again",
            "Set model.gradientCheckpointing to false, or choose another model.encoder, such as resnet34.",
        )
    return network


def _network(config: ModelConfig, outputs: int, channels: int) -> nn.Module:
    name = config.architecture.lower()
    if name not in ARCHITECTURES:
        raise BadConfig(
            f"model.architecture {config.architecture!r} is no network of segmentation-models-pytorch",
            f"Use one of {', '.join(ARCHITECTURES)}, or module:factory.",
        )
    if not config.encoder.startswith("tu-") and config.encoder not in ENCODERS:
        raise BadConfig(
            f"model.encoder {config.encoder!r} is no encoder of segmentation-models-pytorch",
            f"Use one of {', '.join(ENCODERS)}, or one of timm with the prefix tu-.",
        )
    known = inspect.signature(smp.MODEL_ARCHITECTURES_MAPPING[name]).parameters
    unknown = sorted(config.parameters.keys() - known.keys())
    if unknown and not config.encoder.startswith("tu-"):  # which the library would not mention
        raise BadConfig(
            f"model.parameters {', '.join(unknown)}: {config.architecture!r} has none of that name",
            f"Use {', '.join(parameter for parameter in known if parameter != 'kwargs')}.",
        )
    try:
        network: nn.Module = smp.create_model(
            name,
            encoder_name=config.encoder,
            encoder_weights=None,
            in_channels=channels,
            classes=outputs,
            **config.parameters,
        )
        return network
    except Exception as error:  # the libraries raise whatever a wrong name or argument provokes
        raise BadConfig(
            f"model.architecture {config.architecture!r} with model.encoder {config.encoder!r} and "
            f"model.parameters {sorted(config.parameters)} cannot be built: {error}",
            "Correct the names, or choose another encoder.",
        ) from error


def _load_encoder(network: nn.Module, path: Path, architecture: str) -> None:
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise BadConfig(
            f"model.encoderWeights: {architecture!r} has no part named encoder",
            "Give the weights of the whole network as model.weights.",
        )
    state = weights.without_prefix(weights.read(path, "model.encoderWeights"), weights.NETWORK)
    weights.fill(encoder, weights.without_prefix(state, "encoder."), f"model.encoderWeights {path}", _alias)


def _alias(name: str) -> str:
    """One name for a tensor of a network of timm, and of its features alone, which flattens "stages.0" to
    "stages_0" and lies below "model."."""
    return name.removeprefix("model.").replace(".", "_")


def _checkpoint_gradients(network: nn.Module) -> bool:
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, TimmUniversalEncoder):
        return recompute_blocks(network) > 0
    try:  # timm gathers features by hooks, which only its own way of checkpointing respects
        encoder.model.set_grad_checkpointing(True)
    except (AssertionError, AttributeError):
        return False
    return True
