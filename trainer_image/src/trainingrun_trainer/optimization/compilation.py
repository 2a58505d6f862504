"""`compile`: torch.compile of a task's network."""

import os
import shutil

from trainingrun_trainer.errors import BadConfig

COMPILERS = ("g++", "clang++", "c++", "gcc", "clang", "cc")


def check_compiler() -> None:
    """Check for what torch.compile translates kernels and their launchers with, on CPUs and GPUs alike.

    Raises:
        BadConfig: there is no C or C++ compiler.
    """
    wanted = [os.environ[name] for name in ("CXX", "CC") if os.environ.get(name)]
    if not any(shutil.which(compiler) for compiler in (*wanted, *COMPILERS)):
        raise BadConfig(
            "compile is true, but the image has no C++ compiler, which torch.compile needs",
            "Set training.compile to false, or use an image with g++.",
        )
