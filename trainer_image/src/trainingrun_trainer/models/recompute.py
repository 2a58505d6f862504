"""Gradient checkpointing of any network that is made of blocks: less memory, more time, the same result.

Only the inputs of blocks are kept in the forward pass; what happens inside is computed again in the backward
pass. Source: Chen et al., Training Deep Nets with Sublinear Memory Cost, arXiv:1604.06174.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def recompute_blocks(network: nn.Module) -> int:
    """Let the blocks of a network be computed again in the backward pass.

    Blocks are the outermost modules in a Sequential, ModuleList or ModuleDict that have parts of their own
    and can be called: the residual blocks of a ResNet, the stages of a decoder.

    Returns:
        How many blocks were found; where 0, nothing was changed.
    """
    blocks = list(_blocks(network))
    # torch.compile cannot follow _statistics_kept: it compiles what is around the blocks
    forward: Callable[..., Any] = torch.compiler.disable(_forward)  # type: ignore[no-untyped-call]
    for block in blocks:
        # an attribute of the instance: names in the state dict stay, as do hooks, which __call__ runs
        block.forward = partial(forward, block, block.forward)
    return len(blocks)


def _blocks(module: nn.Module, *, listed: bool = False) -> Iterator[nn.Module]:
    callable_ = type(module).forward is not nn.Module.forward
    if (
        listed
        and callable_
        and any(True for _ in module.children())
        and any(True for _ in module.parameters())
    ):
        yield module
        return
    for child in module.children():
        yield from _blocks(child, listed=isinstance(module, CONTAINERS))


def _forward(block: nn.Module, forward: Any, *inputs: Any, **options: Any) -> Any:
    if not (block.training and torch.is_grad_enabled()):
        return forward(*inputs, **options)
    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=partial(_contexts, block), **options)


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _statistics_kept(block)


@contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Batch normalization counts a batch once, though it sees it twice."""
    with ExitStack() as stack:
        for module in block.modules():
            if isinstance(module, _BatchNorm) and module.track_running_stats:
                for name, value in (("momentum", 0.0), ("num_batches_tracked", None)):
                    stack.callback(setattr, module, name, getattr(module, name))
                    setattr(module, name, value)
        yield
