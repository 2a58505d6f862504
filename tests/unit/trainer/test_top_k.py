"""Of several best epochs each has a checkpoint of its own, whatever moment a writer dies at."""

import errno
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.unit.trainer.test_checkpointing import Crash, Observed, fail_at
from tests.unit.trainer.test_resume import IDENTITY, checkpoint
from trainingrun_trainer import checkpoint_files
from trainingrun_trainer.checkpoint_files import BEST, LAST, epoch_file, manifest_path
from trainingrun_trainer.checkpointing import CheckpointStore
from trainingrun_trainer.distributed import Ranks
from trainingrun_trainer.errors import Fenced
from trainingrun_trainer.fence import Fence
from trainingrun_trainer.ranking import BestCheckpoint, ranked
from trainingrun_trainer.resume import STATE, SavedState, resume

LOSSES = (0.9, 0.5, 0.7, 0.8, 0.6, 0.4)
"""Of epochs 1 to 6; an epoch has 10 steps."""
KEPT = {6: 0.4, 2: 0.5, 5: 0.6}
"""The three best of them, best first."""


@pytest.mark.parametrize(
    ("values", "monitor", "most", "epochs"),
    [
        ((0.3, 0.1, 0.2), "val_loss", 1, [2]),
        ((0.3, 0.1, 0.2), "val_loss", 2, [2, 3]),
        ((0.3, 0.1, 0.2), "val_f1", 2, [1, 3]),
        ((0.3, 0.1, 0.2), "val_f1", 5, [1, 3, 2]),
        ((0.2, 0.1, 0.1, 0.2), "val_loss", 3, [2, 3, 1]),
        ((float("nan"), 0.5, float("nan"), 0.4), "val_f1", 3, [2, 4, 1]),
    ],
)
def test_the_best_epochs_come_first_and_of_equal_ones_the_earlier(
    values: Sequence[float], monitor: str, most: int, epochs: list[int]
) -> None:
    best: list[BestCheckpoint] = []
    for epoch, value in enumerate(values, start=1):
        best = ranked(best, BestCheckpoint(value, epoch, 10 * epoch), monitor, most)
    assert [entry.epoch for entry in best] == epochs


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files are synced here, and no machine crashes."""
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda descriptor: None)


def store(directory: Path, attempt: int = 1, observer: Observed | None = None) -> CheckpointStore:
    return CheckpointStore(
        directory, Fence(directory / "attempt.json", attempt), observer or Observed(), top_k=3
    )


def save_epochs(
    saving: CheckpointStore, directory: Path, best: list[BestCheckpoint], epochs: range
) -> list[BestCheckpoint]:
    """Save as the keeper does: within each epoch, and at its end."""
    for epoch in epochs:
        within = checkpoint(10 * epoch - 5, best=None, latest=None)
        within[STATE]["best"] = [asdict(entry) for entry in best]
        saving.save_checkpoint(within, directory / LAST)
        latest = BestCheckpoint(LOSSES[epoch - 1], epoch, 10 * epoch)
        best = ranked(best, latest, "val_loss", 3)
        ended = checkpoint(10 * epoch, best=None, latest=None)
        ended[STATE] |= {"best": [asdict(entry) for entry in best], "latest": asdict(latest)}
        saving.save_checkpoint(ended, directory / (BEST if best[0] is latest else LAST), best)
    return best


def go_on(directory: Path, attempt: int = 2) -> list[BestCheckpoint]:
    """Another attempt trains to the end."""
    saving = store(directory, attempt)
    found = resume(saving, Ranks(), IDENTITY, lambda: None)
    if found.manifest is None:
        return save_epochs(saving, directory, [], range(1, len(LOSSES) + 1))
    state = SavedState.from_checkpoint(saving.load_checkpoint("any"))
    return save_epochs(saving, directory, state.best, range(found.manifest.epoch + 1, len(LOSSES) + 1))


def check_kept(directory: Path, best: list[BestCheckpoint]) -> None:
    assert [(entry.epoch, entry.value) for entry in best] == list(KEPT.items())
    files = {path.name for path in directory.iterdir() if path.name.startswith("epoch-")}
    names = {epoch_file(epoch) for epoch in KEPT}
    assert files == names | {manifest_path(Path(name)).name for name in names}
    for epoch in KEPT:
        path = directory / epoch_file(epoch)
        manifest = json.loads(manifest_path(path).read_text())
        assert (manifest["file"], manifest["step"], manifest["epoch"]) == (path.name, 10 * epoch, epoch)
        assert checkpoint_files.load(path)["global_step"] == 10 * epoch
    assert checkpoint_files.load(directory / BEST)["global_step"] == 60
    assert not list(directory.glob(".*"))


def test_each_of_the_best_has_a_file_that_takes_no_room_of_its_own(tmp_path: Path) -> None:
    check_kept(tmp_path, save_epochs(store(tmp_path), tmp_path, [], range(1, 7)))
    assert (tmp_path / epoch_file(6)).samefile(tmp_path / BEST)


def test_a_file_system_without_hard_links_holds_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", lambda *paths: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    check_kept(tmp_path, save_epochs(store(tmp_path), tmp_path, [], range(1, 7)))
    assert not (tmp_path / epoch_file(6)).samefile(tmp_path / BEST)


@pytest.mark.parametrize("epoch", [2, 4, 5, 6])
def test_after_a_crash_at_any_point_the_same_files_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    """In epochs that are the best so far, among the best and none of them."""
    points = 0
    struck = True
    while struck:
        points += 1
        directory = tmp_path / str(points)
        saving = store(directory)
        best = save_epochs(saving, directory, [], range(1, epoch))
        with monkeypatch.context() as patch:
            happened = fail_at(patch, points, Crash())
            with suppress(Crash):
                save_epochs(saving, directory, best, range(epoch, epoch + 1))
        struck = happened()
        check_kept(directory, go_on(directory))
    assert points > 10


@pytest.mark.parametrize("damage", ["removed", "truncated"])
@pytest.mark.parametrize("name", [epoch_file(6), epoch_file(5), BEST, LAST])
def test_a_lost_file_is_made_again_where_that_can_be(tmp_path: Path, name: str, damage: str) -> None:
    """Files that share their bytes are damaged together, so each is first made one of its own."""
    save_epochs(store(tmp_path), tmp_path, [], range(1, 7))
    path = tmp_path / name
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[:-100])
    best = go_on(tmp_path)
    if name == epoch_file(5):  # no other file has it, and there is no later epoch
        assert [entry.epoch for entry in best] == [6, 2]
        assert not path.exists()
    else:
        check_kept(tmp_path, best)


def test_what_a_full_volume_did_not_take_is_written_before_any_later_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed = Observed()
    saving = store(tmp_path, observer=observed)
    best = save_epochs(saving, tmp_path, [], range(1, 4))
    with monkeypatch.context() as full:
        error = OSError(errno.ENOSPC, "full")
        full.setattr(os, "fdatasync", lambda descriptor: (_ for _ in ()).throw(error))
        best = save_epochs(saving, tmp_path, best, range(4, 7))
    assert observed.told[-1] == "not saved"
    assert checkpoint_files.load(tmp_path / LAST)["global_step"] == 30
    saving.settle(lambda: None)
    assert {int(path.stem.removeprefix("epoch-")) for path in tmp_path.glob("epoch-*.ckpt")} == set(KEPT)
    assert saving.files.holds_best(60)
    # the process dies here: what it kept in memory is of later epochs than its last checkpoint
    check_kept(tmp_path, go_on(tmp_path))


def test_a_late_writer_touches_no_file_of_the_best(tmp_path: Path) -> None:
    late = store(tmp_path, 1)
    best = save_epochs(late, tmp_path, [], range(1, 4))
    Fence(tmp_path / "attempt.json", 2).claim()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(Fenced):
        late._remove_all_but(best[:1])
    content: Any = (tmp_path / LAST).read_bytes()
    with pytest.raises(Fenced):
        late._write_epoch(late.files.manifests()[LAST], content, LAST)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
