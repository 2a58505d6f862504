"""An exponential moving average of a network's weights, which changes places with them for validation."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

State = dict[str, torch.Tensor]


class WeightAverage:
    """After the first step the weights themselves, after each later one decay * average + (1 - decay) *
    weights; likewise of batch statistics.

    Source: Polyak and Juditsky, 1992; torch.optim.swa_utils.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._network = network
        averaging = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self._average = AveragedModel(network, multi_avg_fn=averaging, use_buffers=True)
        self._swapped = False

    def update(self) -> None:
        """Count the network's weights after an optimizer step."""
        self._average.update_parameters(self._network)

    @torch.no_grad()
    def swap(self) -> None:
        """Put the average into the network, and its weights where the average was; or back."""
        self._swapped = not self._swapped
        mine, others = self._average.module.state_dict(), self._network.state_dict()
        for name, tensor in mine.items():
            held = tensor.clone()
            tensor.copy_(others[name])
            others[name].copy_(held)

    @property
    def updates(self) -> int:
        """How many optimizer steps it holds."""
        return int(self._average.n_averaged)

    def states(self) -> tuple[State, State]:
        """The averaged weights and those that train, wherever they are just now."""
        inside, outside = self._network.state_dict(), self._average.module.state_dict()
        return (inside, outside) if self._swapped else (outside, inside)

    def load(self, average: State, updates: int) -> None:
        """Go on from an average of so many steps."""
        self._average.module.load_state_dict(average)
        self._average.n_averaged.fill_(updates)
