"""A namespace with a claim and a small image, and what files are compared by."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.runs import Runs
from trainingrun_client.connection import Connection, connect
from trainingrun_client.files import Volume

MIB = 1 << 20
CLAIM = "files"
HELPERS = "app.kubernetes.io/name=trainingrun-files"


@dataclass(frozen=True)
class Place:
    """A namespace with a claim."""

    runs: Runs
    image: str
    folder: Path
    """The claim's, on this machine."""

    @property
    def kubeconfig(self) -> Path:
        return self.runs.cluster.kubeconfig

    def connection(self, kubeconfig: Path | None = None) -> Connection:
        return connect(kubeconfig=kubeconfig or self.kubeconfig, namespace=self.runs.namespace)

    def volume(self, kubeconfig: Path | None = None, **options: Any) -> Volume:
        return Volume(self.connection(kubeconfig), CLAIM, image=self.image, **options)

    def helpers(self) -> list[dict[str, Any]]:
        return self.runs.items("pods", HELPERS)


def blocks(path: Path, mebibytes: int, tail: bytes = b"") -> str:
    """Fills a file with blocks that all differ, quickly; returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, random = hashlib.sha256(), os.urandom(MIB - 8)
    with path.open("wb") as file:
        for number in range(mebibytes):
            block = number.to_bytes(8, "big") + random
            digest.update(block)
            file.write(block)
        file.write(tail)
    digest.update(tail)
    return digest.hexdigest()


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content(folder: Path) -> dict[str, str]:
    """Each path below a folder with its checksum; of directories without one."""
    return {
        str(path.relative_to(folder)): sha256(path) if path.is_file() else "" for path in folder.rglob("*")
    }
