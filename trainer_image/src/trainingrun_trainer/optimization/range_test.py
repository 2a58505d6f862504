"""The learning rate range test: in one short training the rate rises, and the loss tells where it falls best.

Source: Smith, Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186; bounds, smoothing and
the choice of the steepest descent are those of fastai and Lightning's Tuner, which cannot run beside this
trainer's checkpoints.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from itertools import islice
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import Optimizer

LOWEST, HIGHEST = 1e-7, 1.0
STEPS = 100
SMOOTHING = 0.98
"""Share of the past in the running mean of losses."""
DIVERGED = 4.0
"""The test ends where the loss is so many times the least one."""
SKIPPED = 10
"""First steps, whose losses say little."""


class Trainable(Protocol):
    """What a range test needs of a task's module."""

    def train_batch(self, batch: Any) -> torch.Tensor: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...
    def train(self, mode: bool = True) -> Any: ...
    def parameters(self) -> Iterable[nn.Parameter]: ...


def rates() -> list[float]:
    """The rates that are tried, each step's the same number of times the last one's."""
    return [LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1)) for step in range(STEPS)]


def find(
    module: Trainable,
    batches: Iterable[Any],
    optimizer: Optimizer,
    precision: Callable[[], AbstractContextManager[Any]],
    *,
    clip_norm: float | None,
) -> float | None:
    """The rate at which the loss falls fastest, or None where it never does. The module is left as it was.

    Args:
        batches: at least STEPS, on the module's device.
        optimizer: of the module's parameters, for this test alone.
        precision: makes the context in which a loss is computed.
    """
    before = deepcopy(module.state_dict())
    module.train()
    losses: list[float] = []
    smooth = 0.0
    for number, (rate, batch) in enumerate(zip(rates(), islice(batches, STEPS), strict=False)):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        with precision():
            loss = module.train_batch(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(module.parameters(), clip_norm)
        optimizer.step()
        smooth = SMOOTHING * smooth + (1 - SMOOTHING) * float(loss.detach())
        corrected = smooth / (1 - SMOOTHING ** (number + 1))
        if not math.isfinite(corrected) or (losses and corrected > DIVERGED * min(losses)):
            break
        losses.append(corrected)
    optimizer.zero_grad()
    module.load_state_dict(before)
    return steepest(losses)


def steepest(losses: Sequence[float]) -> float | None:
    """The rate of the step at which the losses of rates() fall fastest; None where they never fall."""
    if len(losses) < SKIPPED + 2:
        return None
    (slopes,) = torch.gradient(torch.tensor(losses[SKIPPED:], dtype=torch.float64))
    step = int(slopes.argmin())
    return rates()[SKIPPED + step] if slopes[step] < 0 else None
