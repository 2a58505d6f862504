"""The Debian packages that the cluster stands on: installed where they are missing."""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.api import ClusterError, UnsupportedMachineError
from tests.cluster.cache import cache_root
from tests.cluster.shell import exclusive, run, step

PROGRAMS = {
    "buildah": "buildah",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "containernetworking-plugins": "/usr/lib/cni/ptp",
    "docker-registry": "docker-registry",
    "iproute2": "ip",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "nftables": "nft",
    "openssl": "openssl",
    "runc": "runc",
    "socat": "socat",
}
"""Each package and a program that proves that it, or another package in its place, is installed."""

POLICY = Path("/usr/sbin/policy-rc.d")
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
LOCK = Path("/run/lock/trainingrun-packages.lock")


def missing_packages(which: Callable[[str], str | None]) -> list[str]:
    """The packages whose program is not found."""
    return [package for package, program in PROGRAMS.items() if which(program) is None]


def obstacle(*, root: bool, apt: bool, missing: Sequence[str]) -> str:
    """What to do before the bare cluster can run on a machine; empty where it can."""
    if not root:
        return "run as root, or start a Docker engine, which needs no root"
    if missing and not apt:
        return f"install {', '.join(missing)}, for there is no apt-get, or start a Docker engine"
    return ""


def find_obstacle() -> str:
    """The obstacle on this machine."""
    return obstacle(root=os.geteuid() == 0, apt=shutil.which("apt-get") is not None, missing=_missing())


def ensure_packages() -> None:
    """Install what the bare cluster lacks.

    Raises:
        UnsupportedMachineError: not root, or no apt-get on this machine.
        ClusterError: apt-get failed.
    """
    if reason := find_obstacle():
        raise UnsupportedMachineError(f"no cluster can run on this machine: {reason}")
    _install(_missing)


def _missing() -> list[str]:
    return missing_packages(lambda program: shutil.which(program, path=SYSTEM_PATH))


def ensure_pip() -> None:
    """Install pip for the Python that runs this, where it is Debian's own and comes without."""
    _install(lambda: [] if importlib.util.find_spec("pip") else ["python3-pip"])


def unpacked(package: str) -> Path:
    """The folder with a package's files, in the cache: for a program that is run by its path, and whose
    installation would add a user and a service to the machine.

    Raises:
        UnsupportedMachineError: this machine is no Debian.
        ClusterError: the package could not be fetched.
    """
    folder = cache_root() / "debian" / package
    with exclusive(folder.with_suffix(".lock")):
        if folder.exists():
            return folder
        if shutil.which("apt-get") is None:
            raise UnsupportedMachineError(f"no {package} on this machine: there is no apt-get to fetch it")
        with step(f"fetching {package}"), tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            if os.geteuid() == 0:  # a new machine has no lists of packages
                run(["apt-get", "-qq", "update"])
            run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package], cwd=Path(scratch))
            [archive] = Path(scratch).glob("*.deb")
            files = Path(scratch, "files")
            run(["dpkg-deb", "--extract", archive, files])
            files.rename(folder)  # whole or absent
    return folder


def _install(missing: Callable[[], list[str]]) -> None:
    if not (packages := missing()):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ClusterError(f"install {', '.join(packages)} first, or run as root on Debian or Ubuntu")
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with exclusive(LOCK):  # apt-get itself waits for only one of its locks
        importlib.invalidate_caches()
        if not (packages := missing()):  # another command installed them while this one waited
            return
        with step(f"installing {', '.join(packages)}"), _no_service_starts():
            run([*apt, "update"], env=environment)
            run([*apt, "install", "--yes", "--no-install-recommends", *packages], env=environment)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep the packages from starting their services: a registry for the whole network, for one."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
