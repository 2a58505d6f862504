"""What lies on the volume: checkpoint files, the manifests that tell which are whole, and how both are read.

last.ckpt is the newest, previous.ckpt the one before it, best.ckpt the best epoch by the monitored metric,
and best_model.pt the bare weights of the best. Where several best epochs are kept, each has an epoch-<n>.ckpt
too: a hard link where the file system has them. Each checkpoint has a manifest beside it with its SHA-256. A
file is whole if any of the manifests describes it: `checkpointing` says in which order they are written.
"""

import hashlib
import io
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.ranking import BestCheckpoint

BEST = "best.ckpt"
LAST = "last.ckpt"
PREVIOUS = "previous.ckpt"
BEST_WEIGHTS = "best_model.pt"


@dataclass(frozen=True)
class Manifest:
    """What describes a checkpoint file."""

    file: str
    sha256: str
    size: int
    step: int
    epoch: int
    """Finished epochs."""
    attempt: int
    time: str


@dataclass(frozen=True)
class Stored:
    """A whole checkpoint as it lies on the volume."""

    manifest: Manifest
    path: Path
    content: bytes


@dataclass(frozen=True)
class CheckpointFiles:
    """The checkpoint files of a run, to be read."""

    directory: Path

    def newest(self) -> tuple[Stored | None, list[str]]:
        """The whole checkpoint of the highest step, and the names of files that no manifest describes."""
        manifests = self.manifests()
        by_digest = {manifest.sha256: manifest for manifest in manifests.values()}
        steps = {name: manifest.step for name, manifest in manifests.items()}
        found: Stored | None = None
        damaged = []
        # a file without a manifest may be newer than all others
        for name in sorted((LAST, PREVIOUS, BEST), key=lambda name: -steps.get(name, sys.maxsize)):
            path = self.directory / name
            if not path.exists():
                continue
            content = path.read_bytes()
            manifest = by_digest.get(hashlib.sha256(content).hexdigest())
            if manifest is None:
                damaged.append(name)
            elif found is None or manifest.step > found.manifest.step:
                found = Stored(manifest, path, content)
                if manifest.step == max(steps.values()):
                    break
        return found, damaged

    def stored(self, name: str) -> Stored:
        """A file that is known to be whole."""
        path = self.directory / name
        return Stored(self.manifests([name])[name], path, path.read_bytes())

    def holds_best(self, step: int) -> bool:
        """Whether best.ckpt is whole and of this step."""
        path = self.directory / BEST
        if not path.exists():
            return False
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return any(m.sha256 == digest and m.step == step for m in self.manifests().values())

    def holds_epoch(self, epoch: BestCheckpoint) -> bool:
        """Whether an epoch has a file of its own. By step and size: to read gigabytes of each would hold up
        every start."""
        path = self.directory / epoch_file(epoch.epoch)
        manifest = self.manifests([path.name]).get(path.name)
        return (
            manifest is not None
            and path.exists()
            and (manifest.step, manifest.size) == (epoch.step, path.stat().st_size)
        )

    def holds(self, epoch: BestCheckpoint) -> bool:
        """Whether the checkpoint of an epoch is there, as best.ckpt or in a file of its own."""
        return self.holds_epoch(epoch) or self.holds_best(epoch.step)

    def manifests(self, names: Iterable[str] = (LAST, PREVIOUS, BEST)) -> dict[str, Manifest]:
        """By the name of their checkpoint file."""
        found = {}
        for name in names:
            path = manifest_path(self.directory / name)
            try:
                found[name] = Manifest(**json.loads(path.read_bytes()))
            except FileNotFoundError:
                continue
            except (ValueError, TypeError) as error:
                LOGGER.warning("%s is damaged: %s", path.name, error)
        return found


def dumps(checkpoint: dict[str, Any]) -> bytes:
    """A checkpoint as torch.save writes it: a copy that later steps do not change."""
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    return buffer.getvalue()


def loads(content: bytes) -> dict[str, Any]:
    """A checkpoint, on the CPU, read without running code that it may hold."""
    return cast(dict[str, Any], torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))


def load(path: Path) -> dict[str, Any]:
    """Like loads, from a file."""
    return loads(path.read_bytes())


def epoch_file(epoch: int | str) -> str:
    """Name of the checkpoint of one of several best epochs, counted from 1."""
    return f"epoch-{epoch}.ckpt"


def manifest_path(checkpoint: Path) -> Path:
    """Where the manifest of a checkpoint stands."""
    return checkpoint.with_suffix(".manifest.json")
