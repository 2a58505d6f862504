"""Any classifier of torchvision, timm or the image itself, with the project's head: dropout and one layer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
import torchvision
from torch import nn

from trainingrun_api.training import ModelConfig
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.models import factory, trial, weights
from trainingrun_trainer.models.recompute import recompute_blocks

TIMM_PREFIX = "timm/"
TORCHVISION_EXTRAS: Mapping[str, Mapping[str, Any]] = {
    # these two return more than logits unless told otherwise
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}
OF_A_RUN = "network.network."
"""What the names of this network begin with in best_model.pt of an earlier run."""


class Classifier(nn.Module):
    """A network whose frozen layers also keep their batch statistics."""

    def __init__(self, network: nn.Module, backbone: list[nn.Module], frozen: int) -> None:
        """The first layers of the backbone are frozen for good, as many as `frozen` says."""
        super().__init__()
        self.network = network
        self.encoder = tuple(backbone)
        """All layers but the head; a tuple, so that they do not appear twice in the state dict."""
        self._frozen = self.encoder[:frozen]
        for layer in self._frozen:
            for parameter in layer.parameters(recurse=False):
                parameter.requires_grad_(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, (batch, outputs), of normalized images, (batch, channels, size, size)."""
        logits: torch.Tensor = self.network(images)
        return logits

    def train(self, mode: bool = True) -> "Classifier":
        super().train(mode)
        for layer in self._frozen:
            layer.eval()
        return self


def build(
    config: ModelConfig, *, outputs: int, channels: int, image_size: int, batch_size: int
) -> Classifier:
    """The classifier of a config, with weights where it names some.

    Raises:
        BadConfig: the architecture is unknown or does not take such images or batches, or the weights do not
            fit it.
    """
    network = _network(config, outputs, channels)
    head_name = _head_name(network, outputs, config.architecture)
    if channels == 1 and _is_of_torchvision(config.architecture):
        _use_one_channel(network)
    if config.weights is not None:
        _load_backbone(network, Path(config.weights), head_name)
    if config.gradient_checkpointing and not recompute_blocks(network):
        raise BadConfig(
            f"model.gradientCheckpointing: {config.architecture!r} has no blocks that can be computed again",
            "Set model.gradientCheckpointing to false, or choose another architecture.",
        )
    head = network.get_submodule(head_name)
    backbone = [layer for layer in _layers(network) if layer is not head]
    network.set_submodule(head_name, nn.Sequential(nn.Dropout(config.dropout), head))
    trained = len(backbone) if config.fine_tune_layers_count is None else config.fine_tune_layers_count
    classifier = Classifier(network, backbone, frozen=max(0, len(backbone) - trained))
    trial.step(
        classifier,
        config,
        channels=channels,
        image_size=image_size,
        outputs=(outputs,),
        batch_size=batch_size,
    )
    return classifier


def _is_of_torchvision(architecture: str) -> bool:
    return not (factory.is_factory(architecture) or architecture.startswith(TIMM_PREFIX))


def _network(config: ModelConfig, outputs: int, channels: int) -> nn.Module:
    architecture, parameters = config.architecture, config.parameters
    if "weights" in parameters and _is_of_torchvision(architecture):  # which would be downloaded
        raise BadConfig(
            "model.parameters has 'weights', for which the config has a field", "Use model.weights."
        )
    if factory.is_factory(architecture):
        return factory.build(architecture, in_channels=channels, classes=outputs, **parameters)
    try:
        if architecture.startswith(TIMM_PREFIX):
            import timm  # takes seconds, and most runs do without it

            network: nn.Module = timm.create_model(
                architecture.removeprefix(TIMM_PREFIX),
                pretrained=False,
                num_classes=outputs,
                in_chans=channels,
                **parameters,
            )
            return network
        if architecture not in torchvision.models.list_models(module=torchvision.models):
            raise BadConfig(
                f"model.architecture {architecture!r} is no classifier of torchvision",
                "Use one such as resnet50, one of timm with the prefix timm/, such as timm/convnext_tiny, or "
                "module:factory.",
            )
        extras = {**TORCHVISION_EXTRAS.get(architecture, {}), **parameters}
        return cast(nn.Module, torchvision.models.get_model(architecture, num_classes=outputs, **extras))
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise BadConfig(
            f"model.architecture {architecture!r} cannot be built: {error}",
            "Correct the name or model.parameters, or choose another architecture.",
        ) from error


def _layers(network: nn.Module) -> list[nn.Module]:
    """Modules with parameters of their own, in order."""
    return [module for module in network.modules() if any(True for _ in module.parameters(recurse=False))]


def _head_name(network: nn.Module, outputs: int, architecture: str) -> str:
    modules: list[tuple[str, nn.Module]] = list(network.named_modules())
    for name, module in reversed(modules):
        if (isinstance(module, nn.Linear) and module.out_features == outputs) or (
            isinstance(module, nn.Conv2d) and module.out_channels == outputs
        ):
            return name
    raise BadConfig(f"model.architecture {architecture!r} has no last layer to replace", "Choose another.")


def _use_one_channel(network: nn.Module) -> None:
    """Let the first convolution take grey images: the sum over colours answers a grey image as RGB would."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            grey = nn.Conv2d(
                1,
                module.out_channels,
                module.kernel_size,  # type: ignore[arg-type]
                module.stride,  # type: ignore[arg-type]
                module.padding,  # type: ignore[arg-type]
                bias=module.bias is not None,
            )
            grey.load_state_dict(
                {**module.state_dict(), "weight": module.weight.detach().sum(dim=1, keepdim=True)}
            )
            network.set_submodule(name, grey)
            return


def _load_backbone(network: nn.Module, path: Path, head_name: str) -> None:
    state = weights.without_prefix(weights.read(path, "model.weights"), OF_A_RUN)
    head, own = f"{head_name}.", network.state_dict()
    state = {
        name: weights.fitting(value, own[name].shape) if name in own else value
        for name, value in state.items()
        if not name.startswith(head)
    }
    try:
        result = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise BadConfig(
            f"model.weights {path} do not fit model.architecture: {error}", "Give matching weights."
        ) from error
    missing = [name for name in result.missing_keys if not name.startswith(head)]
    if missing or result.unexpected_keys:
        names = ", ".join([*missing, *result.unexpected_keys][:3])
        raise BadConfig(
            f"model.weights {path} do not fit model.architecture: {len(missing)} tensors missing, "
            f"{len(result.unexpected_keys)} unknown ({names}, ...)",
            "Give weights of the same architecture.",
        )
