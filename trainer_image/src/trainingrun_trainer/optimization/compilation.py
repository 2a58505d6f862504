"""`compile`: torch.compile of a task's network."""

import os
import shutil
import sysconfig
from pathlib import Path

from torch import nn

from trainingrun_trainer.errors import BadConfig

COMPILERS = ("g++", "clang++", "c++", "gcc", "clang", "cc")
MOST_GRAPHS = 64
"""Of one network: beyond, torch would go on without compiling, and say so once."""


def compile_network(network: nn.Module, threads: int) -> None:
    """Let a network be compiled by torch.compile as it is called.

    Each shape of a batch gets a graph of its own. torch's default makes a general one as soon as it has seen
    two shapes and uses it from then on, so a resumed attempt, which sees them in another order, might compute
    with other graphs than an undisturbed one.

    Args:
        network: compiled in place.
        threads: compilers that run at the same time. torch's default is one for each core of the machine,
            however few of them the container may use.

    Raises:
        BadConfig: there is no C++ compiler, or no headers of Python.
    """
    check_compiler()
    import torch._inductor.config as inductor  # takes seconds

    inductor.compile_threads = threads
    network.compile(dynamic=False, recompile_limit=MOST_GRAPHS)


def check_compiler() -> None:
    """Check for what torch.compile translates kernels and their launchers with, on CPUs and GPUs alike.

    Raises:
        BadConfig: there is no C or C++ compiler, or no headers of Python.
    """
    wanted = [os.environ[name] for name in ("CXX", "CC") if os.environ.get(name)]
    if not any(shutil.which(compiler) for compiler in (*wanted, *COMPILERS)):
        raise _missing("C++ compiler", "g++")
    if not Path(sysconfig.get_path("include", "posix_prefix"), "Python.h").exists():
        raise _missing("Python.h", "the headers of its Python (on Debian, libpython3-dev)")


def _missing(what: str, advised: str) -> BadConfig:
    return BadConfig(
        f"compile is true, but the image has no {what}, which torch.compile needs",
        f"Set training.compile to false, or use an image with {advised}.",
    )
