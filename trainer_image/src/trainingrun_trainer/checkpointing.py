"""Checkpoint files: at whatever moment a writer dies, the newest complete one is there and can be told.

last.ckpt is the newest, previous.ckpt the one before it, best.ckpt the best epoch by the monitored metric,
and best_model.pt the bare weights of the best. Each checkpoint has a manifest beside it with its SHA-256. A
file is whole if any of the manifests describes it, so a new last.ckpt comes in this order, each step atomic:

1. the new file, whole, under another name
2. previous.manifest.json := the one of last.ckpt
3. last.manifest.json := the one of the new file
4. last.ckpt -> previous.ckpt
5. the new file -> last.ckpt
"""

import hashlib
import io
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from lightning_fabric.plugins import CheckpointIO
from torch import nn

from trainingrun_trainer.artifacts import as_json, utc_now
from trainingrun_trainer.fence import Fence
from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.patience import patiently

BEST = "best.ckpt"
LAST = "last.ckpt"
PREVIOUS = "previous.ckpt"
BEST_WEIGHTS = "best_model.pt"
CHUNK = 32 * 2**20
"""Bytes between two signs of life of a slow volume."""


class Observer(Protocol):
    """Is told of saves on rank 0."""

    def saving(self) -> None:
        """A checkpoint is about to be written."""

    def written(self) -> None:
        """Some bytes of it are on the volume."""

    def saved(self, seconds: float, step: int) -> None:
        """It is complete: the seconds that it held training up, and its optimizer step."""

    def not_saved(self) -> None:
        """It could not be written; training goes on."""


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


class CheckpointStore(CheckpointIO):
    """The checkpoint files of a run, as Lightning and the resume read and write them."""

    def __init__(self, directory: Path, fence: Fence, observer: Observer | None = None) -> None:
        self._directory = directory
        self._fence = fence
        self._observer = observer
        self._last: Manifest | None = None
        """Of last.ckpt, once it is known to be whole."""
        self._pending: tuple[Manifest, bytes] | None = None
        """A best checkpoint that could not be written yet."""
        self._loaded: dict[str, Any] | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write last.ckpt, and best.ckpt alike where the path names it.

        Training survives a volume that cannot be written: the next save tries again, and the best epoch is
        kept in memory until then. It is written before any later last.ckpt, so that no checkpoint on the
        volume speaks of a best one that is lost.

        Raises:
            Fenced: a later attempt has begun.
        """
        assert self._observer is not None
        self._observer.saving()
        started = time.monotonic()
        content = dumps(checkpoint)
        manifest = Manifest(
            file=LAST,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            step=checkpoint["global_step"],
            # finished epochs; checkpoint["epoch"] is the same number at an epoch's end and within it
            epoch=checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"],
            attempt=self._fence.attempt,
            time=utc_now(),
        )
        best = Path(path).name == BEST
        try:
            if self._pending and not best:
                self._write_pending()
            self._write_last(manifest, content)
            if best:
                self._write_best(manifest, content)
        except OSError as error:
            LOGGER.warning("the checkpoint of step %d could not be written: %s", manifest.step, error)
            if best:
                self._pending = manifest, content
            self._observer.not_saved()
            return
        self._observer.saved(time.monotonic() - started, manifest.step)

    def settle(self, wait: Callable[[], None]) -> None:
        """Write what is still to be written, and wait for the volume some minutes if need be.

        Raises:
            OSError: the best checkpoint cannot be written.
        """
        if self._pending:
            patiently(self._write_pending, wait)

    def newest(self) -> tuple[Stored | None, list[str]]:
        """The whole checkpoint of the highest step, and the names of files that no manifest describes."""
        manifests = self._manifests()
        by_digest = {manifest.sha256: manifest for manifest in manifests.values()}
        steps = {name: manifest.step for name, manifest in manifests.items()}
        found: Stored | None = None
        damaged = []
        # a file without a manifest may be newer than all others
        for name in sorted((LAST, PREVIOUS, BEST), key=lambda name: -steps.get(name, sys.maxsize)):
            path = self._directory / name
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
        self._last = found.manifest if found and found.path.name == LAST else None
        return found, damaged

    def holds_best(self, step: int) -> bool:
        """Whether best.ckpt is whole and of this step."""
        path = self._directory / BEST
        if not path.exists():
            return False
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return any(m.sha256 == digest and m.step == step for m in self._manifests().values())

    def copy_to_best(self, stored: Stored) -> None:
        """Make a whole checkpoint the best one."""
        self._write_best(stored.manifest, stored.content)

    def lend(self, checkpoint: dict[str, Any]) -> None:
        """Let Lightning load this one, whatever path it asks for."""
        self._loaded = checkpoint

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        loaded, self._loaded = self._loaded, None
        assert loaded is not None
        return loaded

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        raise NotImplementedError("checkpoints replace each other")

    def _write_pending(self) -> None:
        assert self._pending is not None
        self._write_best(*self._pending)
        self._pending = None

    def _write_last(self, manifest: Manifest, content: bytes) -> None:
        def make_way() -> None:
            if self._last:
                self._describe(replace(self._last, file=PREVIOUS))
            self._describe(manifest)
            if self._last:
                self._fence.check()
                self._last = None
                (self._directory / LAST).replace(self._directory / PREVIOUS)

        self._write(self._directory / LAST, content, make_way)
        self._last = manifest

    def _write_best(self, manifest: Manifest, content: bytes) -> None:
        best = replace(manifest, file=BEST)
        self._write(self._directory / BEST, content, lambda: self._describe(best))
        if self._pending and self._pending[0].step <= manifest.step:
            self._pending = None

    def _write(self, path: Path, content: bytes, make_way: Callable[[], None]) -> None:
        view = memoryview(content)
        with self._fence.file(path, make_way) as file:
            for start in range(0, len(view), CHUNK):
                file.write(view[start : start + CHUNK])
                file.flush()
                os.fdatasync(file.fileno())
                if self._observer:
                    self._observer.written()

    def _describe(self, manifest: Manifest) -> None:
        with self._fence.file(manifest_path(self._directory / manifest.file)) as file:
            file.write(as_json(asdict(manifest)))

    def _manifests(self) -> dict[str, Manifest]:
        """By the name of their checkpoint file."""
        found = {}
        for name in (LAST, PREVIOUS, BEST):
            path = manifest_path(self._directory / name)
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


def manifest_path(checkpoint: Path) -> Path:
    """Where the manifest of a checkpoint stands."""
    return checkpoint.with_suffix(".manifest.json")


def export_weights(module: nn.Module, path: Path, fence: Fence) -> None:
    """Write the bare weights of a module."""
    with fence.file(path) as file:
        file.write(dumps(module.state_dict()))
