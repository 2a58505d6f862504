"""From the checkpoint files of earlier attempts to the state that every rank goes on from."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from trainingrun_trainer.checkpoint_files import Manifest, Stored, loads
from trainingrun_trainer.checkpointing import CheckpointStore
from trainingrun_trainer.data.sampler import Position
from trainingrun_trainer.distributed import Ranks, on_rank_0
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.patience import patiently
from trainingrun_trainer.progress import Progress
from trainingrun_trainer.ranking import BestCheckpoint

STATE = "trainingrun"
"""Where a Lightning checkpoint holds SavedState."""
FORMAT = 1
"""Raised whenever a checkpoint comes to hold something else, or in another way: a trainer goes on from no
other format than its own."""


@dataclass(frozen=True)
class Identity:
    """What must be the same for a restart to be exact."""

    seed: int
    world_size: int
    data_sha256: str


@dataclass(frozen=True)
class SavedState:
    """What this trainer adds to Lightning's checkpoints."""

    position: Position
    identity: Identity
    random: list[dict[str, torch.Tensor]]
    """By rank."""
    best: list[BestCheckpoint]
    """The best epochs so far, best first: the store holds each, or this checkpoint is of it."""
    latest: BestCheckpoint | None
    """The last finished epoch."""
    should_stop: bool
    """Whether training stops early, here."""
    format: int = FORMAT

    @classmethod
    def from_checkpoint(cls, checkpoint: dict[str, Any]) -> "SavedState":
        """What `on_save_checkpoint` of the keeper put there.

        Raises:
            BadConfig: another version of the trainer did, and in another format.
        """
        state = checkpoint.get(STATE, {})
        if state.get("format") != FORMAT:
            raise BadConfig(
                f"the checkpoint of step {checkpoint['global_step']} was written by a version of the trainer "
                "whose checkpoints this one cannot read",
                "Go on with the image that wrote it, which run.json names, or begin a new run.",
            )
        latest = state["latest"]
        return cls(
            position=Position(**state["position"]),
            identity=Identity(**state["identity"]),
            random=state["random"],
            best=[BestCheckpoint(**epoch) for epoch in state["best"]],
            latest=BestCheckpoint(**latest) if latest else None,
            should_stop=state["should_stop"],
        )


@dataclass(frozen=True)
class Resumed:
    """Where an attempt begins."""

    manifest: Manifest | None = None
    """Of the checkpoint that the store lends to Lightning; None for a fresh start."""
    path: str | None = None
    exact: bool = True
    """Whether it goes on bit for bit."""
    damaged: int = 0
    """Checkpoint files that were skipped."""


@dataclass(frozen=True)
class _Chosen:
    stored: Stored | None
    damaged: list[str]
    best: list[BestCheckpoint] = field(default_factory=list)
    """The best epochs whose checkpoints are there."""


def resume(store: CheckpointStore, ranks: Ranks, identity: Identity, wait: Callable[[], None]) -> Resumed:
    """Pick the newest whole checkpoint. Every rank calls it, and all load the same bytes: a network volume
    may show another rank an older file.

    Raises:
        BadConfig: it was written by another version of the trainer, in another format.
    """
    chosen = on_rank_0(ranks, lambda: _choose(store, wait))
    damaged = len(chosen.damaged)
    if chosen.stored is None:
        return Resumed(damaged=damaged)
    manifest = chosen.stored.manifest
    checkpoint = loads(chosen.stored.content)
    _believe(checkpoint, chosen.best)
    saved = SavedState.from_checkpoint(checkpoint).identity
    if ranks.rank == 0:
        LOGGER.info("resuming from %s: step %d, epoch %d", chosen.stored.path, manifest.step, manifest.epoch)
        for difference in _differences(saved, identity):
            LOGGER.warning("not bit-exact: %s", difference)
    store.lend(checkpoint)
    return Resumed(manifest, str(chosen.stored.path), saved == identity, damaged)


def _choose(store: CheckpointStore, wait: Callable[[], None]) -> _Chosen:
    stored, damaged = store.newest()
    for name in damaged:
        LOGGER.warning("%s is damaged: no manifest describes it; it is skipped", name)
    if stored is None:
        return _Chosen(None, damaged)
    saved = SavedState.from_checkpoint(loads(stored.content))
    step = stored.manifest.step
    # a writer may die between last.ckpt and those of the best epochs, or one of these be damaged since
    best = [epoch for epoch in saved.best if epoch.step == step or store.files.holds(epoch)]
    for epoch in saved.best:
        if epoch not in best:
            LOGGER.warning("the checkpoint of epoch %d, one of the best, is lost", epoch.epoch)
    if saved.best and not best and saved.latest and saved.latest.step == step:
        best = [saved.latest]
    if saved.best:
        patiently(lambda: store.arrange(best, stored), wait)
    return _Chosen(stored, damaged, best)


def _believe(checkpoint: dict[str, Any], best: list[BestCheckpoint]) -> None:
    """Let a checkpoint know only of best epochs that are there; a later epoch takes the place of a lost
    one."""
    checkpoint[STATE]["best"] = [asdict(epoch) for epoch in best]
    progress = checkpoint["callbacks"][Progress.__qualname__]
    progress["best"] = {"value": best[0].value, "epoch": best[0].epoch} if best else None


def _differences(saved: Identity, identity: Identity) -> list[str]:
    found = []
    if saved.world_size != identity.world_size:
        found.append(f"{identity.world_size} processes go on from a checkpoint of {saved.world_size}")
    if saved.data_sha256 != identity.data_sha256:
        found.append("the data changed since the checkpoint")
    return found


def is_unfinished(loops: dict[str, Any]) -> bool:
    """Whether the state of the fit loop is of an epoch that has begun and not ended."""
    epochs = loops["epoch_progress"]["current"]
    return bool(epochs["ready"] > epochs["processed"])


def place(loops: dict[str, Any], *, batches: int, of: int) -> None:
    """Let Lightning's loops go on after some batches of an unfinished epoch, before its validation after all.

    Left alone they would skip the validation of an epoch whose last batch was just trained. Lightning counts
    what is ready, started, processed and completed, and tells from the differences where it stopped.

    Args:
        loops: the state of the fit loop, changed in place; that of a finished epoch stays as it is.
        batches: training batches of the epoch that are done.
        of: training batches of an epoch.
    """
    if not is_unfinished(loops):
        return
    progress = loops["epoch_loop.batch_progress"]
    progress["current"] = _all(batches)
    progress["total"] = _all(progress["total"]["ready"])
    progress["is_last_batch"] = batches == of
    # a validation that was begun, of which nothing is done
    validation = loops["epoch_loop.val_loop.batch_progress"]
    validation["current"] = _all(0)
    validation["total"] = {**_all(0), "ready": 1, "started": 1}
    validation["is_last_batch"] = False


def _all(count: int) -> dict[str, int]:
    return dict.fromkeys(("ready", "started", "processed", "completed"), count)
