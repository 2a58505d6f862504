"""An attempt begins from the newest checkpoint, knows whether that is exact, and has a best one to end on."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.trainer.test_checkpointing import store
from trainingrun_trainer import checkpoint_files
from trainingrun_trainer.checkpoint_files import BEST, LAST
from trainingrun_trainer.checkpointing import CheckpointStore
from trainingrun_trainer.distributed import Ranks
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.keeper import Schedule
from trainingrun_trainer.progress import Progress
from trainingrun_trainer.resume import FORMAT, STATE, Identity, SavedState, place, resume

IDENTITY = Identity(seed=42, world_size=1, data_sha256="a")


def epoch_of(step: int) -> dict[str, Any]:
    return {"value": 1 / step, "epoch": step // 10, "step": step}


def checkpoint(step: int, *, best: int | None, latest: int | None) -> dict[str, Any]:
    return {
        "global_step": step,
        "loops": {"fit_loop": {"epoch_progress": {"current": {"processed": step // 10}}}},
        "callbacks": {Progress.__qualname__: {"best": None}},
        STATE: {
            "position": {"epoch": step // 10, "images": 0},
            "identity": {"seed": 42, "world_size": 1, "data_sha256": "a"},
            "random": [{"torch": torch.get_rng_state()}],
            "best": [epoch_of(best)] if best else [],
            "latest": epoch_of(latest) if latest else None,
            "should_stop": False,
            "format": FORMAT,
        },
    }


def resumed(saving: CheckpointStore, identity: Identity = IDENTITY) -> tuple[Any, SavedState]:
    found = resume(saving, Ranks(), identity, lambda: None)
    return found, SavedState.from_checkpoint(saving.load_checkpoint("any"))


def test_the_first_attempt_begins_anew(tmp_path: Path) -> None:
    found = resume(store(tmp_path), Ranks(), IDENTITY, lambda: None)
    assert (found.manifest, found.path, found.exact, found.damaged) == (None, None, True, 0)


@pytest.mark.parametrize(
    ("identity", "exact"),
    [
        (IDENTITY, True),
        (Identity(seed=42, world_size=2, data_sha256="a"), False),
        (Identity(seed=42, world_size=1, data_sha256="b"), False),
    ],
)
def test_only_the_same_ranks_on_the_same_data_are_exact(
    tmp_path: Path, identity: Identity, exact: bool
) -> None:
    store(tmp_path).save_checkpoint(checkpoint(7, best=None, latest=None), tmp_path / LAST)
    found, _ = resumed(store(tmp_path, 2), identity)
    assert (found.manifest.step, found.exact) == (7, exact)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({STATE: {"best": None}}, id="no format"),
        pytest.param({STATE: {"format": FORMAT + 1}}, id="a later one"),
        pytest.param({"loops": {}, STATE: {}}, id="nothing of ours"),
    ],
)
def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    saving = store(tmp_path)
    saving.save_checkpoint(checkpoint(7, best=None, latest=None), tmp_path / LAST)
    other = checkpoint_files.load(tmp_path / LAST) | change
    content = checkpoint_files.dumps(other)
    manifest = replace(saving.files.manifests()[LAST], sha256=hashlib.sha256(content).hexdigest())
    (tmp_path / LAST).write_bytes(content)
    checkpoint_files.manifest_path(tmp_path / LAST).write_text(json.dumps(asdict(manifest)))
    with pytest.raises(BadConfig, match=r"checkpoint of step 7 .* this one cannot read"):
        resume(store(tmp_path, 2), Ranks(), IDENTITY, lambda: None)


def test_a_best_checkpoint_whose_writer_died_is_written_from_the_last_one(tmp_path: Path) -> None:
    saving = store(tmp_path)
    saving.save_checkpoint(checkpoint(10, best=10, latest=10), tmp_path / BEST)
    # it died before it came to best.ckpt
    saving.save_checkpoint(checkpoint(20, best=20, latest=20), tmp_path / LAST)
    next_one = store(tmp_path, 2)
    _, state = resumed(next_one)
    assert [epoch.step for epoch in state.best] == [20]
    assert next_one.files.holds_best(20)


@pytest.mark.parametrize(("step", "best_now"), [(20, [20]), (25, [])])
def test_a_damaged_best_checkpoint_is_replaced(tmp_path: Path, step: int, best_now: list[int]) -> None:
    saving = store(tmp_path)
    saving.save_checkpoint(checkpoint(10, best=10, latest=10), tmp_path / BEST)
    saving.save_checkpoint(checkpoint(step, best=10, latest=20), tmp_path / LAST)
    (tmp_path / BEST).write_bytes(b"damaged")
    next_one = store(tmp_path, 2)
    _, state = resumed(next_one)
    # the end of an epoch can be the best so far; within an epoch, the next end is
    assert [epoch.step for epoch in state.best] == best_now
    assert next_one.files.holds_best(step)


@pytest.mark.parametrize(
    ("seconds", "steps", "at_step", "after", "due"),
    [
        ("300", None, 7, 299.0, False),
        ("300", None, 7, 300.0, True),
        (None, None, 7, 300.0, True),
        ("0", None, 7, 1e9, False),
        ("0", "5", 7, 1e9, False),
        ("0", "5", 10, 0.0, True),
        ("300", "5", 7, 301.0, True),
    ],
)
def test_checkpoints_are_due_by_time_or_steps(
    seconds: str | None, steps: str | None, at_step: int, after: float, due: bool
) -> None:
    environment = {"TRAININGRUN_CHECKPOINT_SECONDS": seconds, "TRAININGRUN_CHECKPOINT_STEPS": steps}
    schedule = Schedule.from_environment({name: value for name, value in environment.items() if value})
    assert schedule.due(at_step, after) is due


def counts(ready: int, started: int, processed: int, completed: int) -> dict[str, int]:
    return {"ready": ready, "started": started, "processed": processed, "completed": completed}


@pytest.mark.parametrize(("batches", "validates"), [(0, False), (3, False), (8, True)])
def test_loops_go_on_within_an_epoch_or_before_its_validation(batches: int, validates: bool) -> None:
    progress = {"total": counts(13, 13, 13, 12), "current": counts(5, 5, 5, 4), "is_last_batch": False}
    validation = {"total": counts(9, 9, 9, 9), "current": counts(4, 4, 4, 4), "is_last_batch": True}
    loops = {
        "epoch_progress": {"current": counts(2, 2, 1, 1)},
        "epoch_loop.batch_progress": progress,
        "epoch_loop.val_loop.batch_progress": validation,
    }
    place(loops, batches=batches, of=8)
    assert progress["current"] == counts(batches, batches, batches, batches)
    assert progress["total"] == counts(13, 13, 13, 13)
    assert progress["is_last_batch"] is validates
    assert validation["current"] == counts(0, 0, 0, 0)
    assert validation["is_last_batch"] is False


def test_loops_of_a_finished_epoch_stay() -> None:
    loops = {"epoch_progress": {"current": counts(2, 2, 2, 1)}}
    place(loops, batches=0, of=8)
    assert loops == {"epoch_progress": {"current": counts(2, 2, 2, 1)}}
