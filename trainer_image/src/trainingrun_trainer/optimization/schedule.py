"""The learning rate of each optimizer step, as a function of the config and the step alone.

So there is nothing to save, and a resumed run has the rates of an undisturbed one. `plateau` alone answers to
scores: torch's ReduceLROnPlateau keeps its rate after warm-up.
"""

import math

from trainingrun_api.training import SchedulerConfig


def learning_rate(
    config: SchedulerConfig, base: float, *, epoch: int, step: int, steps: int, max_epochs: int
) -> float | None:
    """The rate of one optimizer step; None where it stays what it is.

    warm-up: rises evenly with each step, to `base` in its last one. The rest counts from there.
    step: torch's StepLR by epochs. cosine: torch's CosineAnnealingLR by steps (Loshchilov and Hutter, SGDR,
    arXiv:1608.03983, without restarts).

    Args:
        base: the rate after warm-up.
        epoch, step: counted from 0; the step is one of the epoch.
        steps: of the optimizer in an epoch.
        max_epochs: where cosine ends.
    """
    warmup = config.warmup_epochs
    if epoch < warmup:
        return base * (epoch * steps + step + 1) / (warmup * steps)
    match config.name:
        case "plateau":
            return None
        case "step":
            return float(base * config.factor ** ((epoch - warmup) // config.step_size))
        case "cosine":
            done = (epoch - warmup + step / steps) / (max_epochs - warmup)
            lowest = config.min_learning_rate
            return lowest + (base - lowest) * (1 + math.cos(math.pi * done)) / 2
        case _:
            return base
