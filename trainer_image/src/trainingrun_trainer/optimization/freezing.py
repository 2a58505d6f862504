"""An encoder that does not train in the first epochs: no gradients, no new batch statistics, no dropout."""

from collections.abc import Iterable

from torch import nn

from trainingrun_trainer.errors import BadConfig

NAMES = ("encoder", "backbone")
"""What segmentation-models-pytorch and torchvision call it. May be one module or several."""


def encoder_of(network: nn.Module) -> list[nn.Module]:
    """The modules of a network, or of the `network` within it, that turn images into features.

    Raises:
        BadConfig: the network does not tell.
    """
    for holder in (network, getattr(network, "network", None)):
        for name in NAMES:
            match getattr(holder, name, None):
                case nn.Module() as module:
                    return [module]
                case list() | tuple() as modules:
                    return list(modules)
    raise BadConfig(
        "model.freezeEncoderEpochs is set, but nobody knows which part of model.architecture is the encoder",
        "Remove freezeEncoderEpochs; or let the network have its encoder in an attribute `encoder`.",
    )


class Freezer:
    """Freezes modules and lets them go. What was frozen before stays so."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._modules = list(modules)
        self._parameters = [
            parameter
            for module in self._modules
            for parameter in module.parameters()
            if parameter.requires_grad
        ]
        self.frozen = False

    def freeze(self, frozen: bool) -> None:
        """Freeze, or let train."""
        self.frozen = frozen
        for parameter in self._parameters:
            parameter.requires_grad_(not frozen)
            if frozen:
                parameter.grad = None

    def still(self) -> None:
        """Call it whenever the network was set to train: what is frozen keeps to evaluation."""
        if self.frozen:
            for module in self._modules:
                module.eval()
