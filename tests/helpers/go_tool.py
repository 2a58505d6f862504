"""Programs in Go that only some tests want, each built once from a pinned module of their own.

Apart from the cluster's `tools/`, so that a change here does not build Kubernetes anew.
"""

import os
import platform
import tempfile
from pathlib import Path

from tests.cluster.cache import cache_root, content_key
from tests.cluster.shell import run, step
from tests.cluster.toolchain import find_go


def go_tool(module: Path, package: str) -> Path:
    """The binary of a package of a module (a folder with go.mod and go.sum), built where the cache lacks it.

    Raises:
        ClusterError: there is no Go, or it cannot be built.
    """
    name = package.rpartition("/")[2]
    folder = cache_root() / "tools" / content_key(module, [platform.machine()])
    binary = folder / name
    if not binary.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with step(f"building {name}"), tempfile.TemporaryDirectory(dir=folder) as scratch:
            flags = ["-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
            environment = {**os.environ, "CGO_ENABLED": "0"}
            run([find_go(), "build", *flags, "-o", f"{scratch}/", package], cwd=module, env=environment)
            (Path(scratch) / name).rename(binary)
    return binary
