"""Networks of the image's own: `model.architecture` as module:factory, for every task."""

from importlib import import_module
from typing import Any

from torch import nn

from trainingrun_trainer.errors import BadConfig

ADVICE = "Name a function or class of the image that gives a torch.nn.Module, such as my_package.nets:build."


def is_factory(architecture: str) -> bool:
    """Whether an architecture is an import path, module:factory."""
    return ":" in architecture


def build(architecture: str, **arguments: Any) -> nn.Module:
    """The network that the factory at an import path makes.

    Args:
        architecture: module:factory.
        arguments: what the factory is called with: in_channels, classes, and `model.parameters`.

    Raises:
        BadConfig: there is no such factory, it fails, or it gives no network.
    """
    module, _, name = architecture.partition(":")
    field = f"model.architecture {architecture!r}"
    try:
        factory = getattr(import_module(module), name)
    except Exception as error:  # the module is the user's, and may raise anything when it is imported
        raise BadConfig(f"{field} cannot be imported: {error}", ADVICE) from error
    try:
        network = factory(**arguments)
    except BadConfig:
        raise
    except Exception as error:  # and so may the factory
        raise BadConfig(
            f"{field} failed when called with {', '.join(sorted(arguments))}: {error}",
            "Correct the factory, or model.parameters.",
        ) from error
    if not isinstance(network, nn.Module):
        raise BadConfig(f"{field} gives a {type(network).__name__}", ADVICE)
    return network
