"""Whatever moment a writer dies or a volume fails at, the newest whole checkpoint is found."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from trainingrun_trainer import checkpoint_files
from trainingrun_trainer.checkpoint_files import BEST, LAST, PREVIOUS, loads
from trainingrun_trainer.checkpointing import CheckpointStore
from trainingrun_trainer.errors import Fenced
from trainingrun_trainer.fence import Fence


class Observed:
    def __init__(self) -> None:
        self.told: list[str | int] = []

    def saving(self) -> None:
        self.told.append("saving")

    def written(self) -> None:
        pass

    def saved(self, seconds: float, step: int) -> None:
        assert seconds >= 0
        self.told.append(step)

    def not_saved(self) -> None:
        self.told.append("not saved")


class Crash(BaseException):
    """The process ends here."""


def store(directory: Path, attempt: int = 1, observer: Observed | None = None) -> CheckpointStore:
    return CheckpointStore(directory, Fence(directory / "attempt.json", attempt), observer or Observed())


def checkpoint(step: int) -> dict[str, Any]:
    return {
        "global_step": step,
        "loops": {"fit_loop": {"epoch_progress": {"current": {"processed": step // 10}}}},
        "state_dict": {"weight": torch.arange(1000) + step},
    }


def newest_step(directory: Path) -> int | None:
    found, _ = store(directory).newest()
    if found is None:
        return None
    step: int = loads(found.content)["global_step"]
    assert step == found.manifest.step
    return step


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> Callable[[], bool]:
    """Let the n-th rename or sync from now on fail."""
    calls = 0

    def failing(work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                raise error
            return work(*arguments)

        return call

    monkeypatch.setattr(Path, "replace", failing(Path.replace))
    monkeypatch.setattr(os, "fsync", failing(os.fsync))
    monkeypatch.setattr(os, "fdatasync", failing(os.fdatasync))
    return lambda: calls >= number


def test_a_checkpoint_is_described_by_its_manifest(tmp_path: Path) -> None:
    observed = Observed()
    store(tmp_path, 2, observed).save_checkpoint(checkpoint(17), tmp_path / LAST)

    content = (tmp_path / LAST).read_bytes()
    manifest = json.loads((tmp_path / "last.manifest.json").read_text())
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert manifest["size"] == len(content)
    assert (manifest["file"], manifest["step"], manifest["epoch"], manifest["attempt"]) == (LAST, 17, 1, 2)
    assert observed.told == ["saving", 17]
    torch.testing.assert_close(checkpoint_files.load(tmp_path / LAST), checkpoint(17))


def test_the_last_one_becomes_the_previous_one_and_a_best_one_is_the_last_one_too(tmp_path: Path) -> None:
    saving = store(tmp_path)
    for step, name in ((1, LAST), (2, BEST), (3, LAST), (4, LAST)):
        saving.save_checkpoint(checkpoint(step), tmp_path / name)
    steps = {name: checkpoint_files.load(tmp_path / name)["global_step"] for name in (LAST, PREVIOUS, BEST)}
    assert steps == {LAST: 4, PREVIOUS: 3, BEST: 2}
    manifests = {
        name: json.loads(checkpoint_files.manifest_path(tmp_path / name).read_text()) for name in steps
    }
    assert {name: manifest["step"] for name, manifest in manifests.items()} == steps
    assert all(manifest["file"] == name for name, manifest in manifests.items())


@pytest.mark.parametrize("name", [LAST, BEST])
def test_a_crash_at_any_point_of_a_save_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    points = 0
    while True:
        points += 1
        directory = tmp_path / str(points)
        saving = store(directory)
        for step in (10, 20):
            saving.save_checkpoint(checkpoint(step), directory / name)
        with monkeypatch.context() as patch:
            struck = fail_at(patch, points, Crash())
            with suppress(Crash):
                saving.save_checkpoint(checkpoint(30), directory / name)
        if not struck():
            break
        assert newest_step(directory) in (20, 30), f"crash at point {points}"
        # and the next attempt, which crashes at the same point, does no harm to what it found
        next_one = store(directory, 2)
        found, _ = next_one.newest()
        assert found is not None
        with monkeypatch.context() as patch:
            fail_at(patch, points, Crash())
            with suppress(Crash):
                next_one.save_checkpoint(checkpoint(40), directory / name)
        assert newest_step(directory) in (found.manifest.step, 40), f"second crash at point {points}"
    assert points > 10


@pytest.mark.parametrize(
    ("damage", "expected", "skipped"),
    [
        ({LAST: "truncated"}, 20, [LAST]),
        ({LAST: "flipped"}, 20, [LAST]),
        ({LAST: "removed"}, 20, []),
        ({LAST: "empty", PREVIOUS: "truncated"}, 10, [LAST, PREVIOUS]),
        ({LAST: "truncated", PREVIOUS: "truncated", BEST: "truncated"}, None, [LAST, PREVIOUS, BEST]),
        ({"last.manifest.json": "truncated"}, 20, [LAST]),
        ({"last.manifest.json": "removed", "previous.manifest.json": "empty"}, 10, [LAST, PREVIOUS]),
        ({BEST: "truncated"}, 30, []),
    ],
)
def test_a_damaged_file_is_skipped(
    tmp_path: Path, damage: dict[str, str], expected: int | None, skipped: list[str]
) -> None:
    saving = store(tmp_path)
    for step, name in ((10, BEST), (20, LAST), (30, LAST)):
        saving.save_checkpoint(checkpoint(step), tmp_path / name)
    for name, what in damage.items():
        path = tmp_path / name
        content = bytearray(path.read_bytes())
        if what == "removed":
            path.unlink()
            continue
        content[len(content) // 2] ^= 1
        damaged_content: dict[str, bytes] = {
            "truncated": bytes(content[:-100]),
            "flipped": bytes(content),
            "empty": b"",
        }
        path.write_bytes(damaged_content[what])
    found, damaged = store(tmp_path).newest()
    assert (found.manifest.step if found else None) == expected
    assert sorted(damaged) == sorted(skipped)


def test_a_damaged_last_one_never_takes_the_place_of_a_whole_previous_one(tmp_path: Path) -> None:
    saving = store(tmp_path)
    for step in (10, 20):
        saving.save_checkpoint(checkpoint(step), tmp_path / LAST)
    (tmp_path / LAST).write_bytes(b"damaged")
    next_one = store(tmp_path, 2)
    next_one.newest()
    next_one.save_checkpoint(checkpoint(30), tmp_path / LAST)
    (tmp_path / LAST).write_bytes(b"damaged")
    assert newest_step(tmp_path) == 10


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_volume_costs_no_checkpoint_once_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    observed = Observed()
    saving = store(tmp_path, observer=observed)
    saving.save_checkpoint(checkpoint(10), tmp_path / BEST)
    with monkeypatch.context() as full:
        full.setattr(os, "fdatasync", lambda descriptor: (_ for _ in ()).throw(OSError(code, "full")))
        saving.save_checkpoint(checkpoint(20), tmp_path / BEST)
        saving.save_checkpoint(checkpoint(25), tmp_path / LAST)
        assert newest_step(tmp_path) == 10
        assert not list(tmp_path.glob(".*"))
    saving.save_checkpoint(checkpoint(30), tmp_path / LAST)
    assert observed.told == ["saving", 10, "saving", "not saved", "saving", "not saved", "saving", 30]
    assert newest_step(tmp_path) == 30
    # the best epoch was kept in memory
    assert checkpoint_files.load(tmp_path / BEST)["global_step"] == 20


def test_best_and_last_are_written_at_the_end_of_training_at_the_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed = Observed()
    saving = store(tmp_path, observer=observed)
    full = [OSError(errno.ENOSPC, "full")] * 4
    sync = os.fdatasync

    def while_full(descriptor: int) -> None:
        if full:
            raise full.pop()
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", while_full)
    monkeypatch.setattr("trainingrun_trainer.patience.time.sleep", lambda seconds: None)
    saving.save_checkpoint(checkpoint(10), tmp_path / BEST)
    saving.save_checkpoint(checkpoint(20), tmp_path / LAST)
    waits: list[int] = []
    saving.settle(lambda: waits.append(1))
    assert len(waits) == 2
    assert saving.files.holds_best(10)
    assert newest_step(tmp_path) == 20
    assert observed.told == ["saving", "not saved", "saving", "not saved", 20]


def test_no_last_one_speaks_of_a_best_one_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saving = store(tmp_path)
    saving.save_checkpoint(checkpoint(10), tmp_path / BEST)
    full = OSError(errno.ENOSPC, "full")
    with monkeypatch.context() as patch:
        patch.setattr(saving, "_write_best", lambda *arguments: (_ for _ in ()).throw(full))
        saving.save_checkpoint(checkpoint(20), tmp_path / BEST)
        saving.save_checkpoint(checkpoint(25), tmp_path / LAST)
    # 20 is the best one itself; 25 would be later than a best one that only memory holds
    assert newest_step(tmp_path) == 20
    saving.save_checkpoint(checkpoint(30), tmp_path / LAST)
    assert (newest_step(tmp_path), saving.files.holds_best(20)) == (30, True)


def test_a_late_writer_touches_no_checkpoint(tmp_path: Path) -> None:
    late = store(tmp_path, 1)
    late.save_checkpoint(checkpoint(10), tmp_path / BEST)
    Fence(tmp_path / "attempt.json", 2).claim()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for name in (LAST, BEST):
        with pytest.raises(Fenced):
            late.save_checkpoint(checkpoint(20), tmp_path / name)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


class Evil:
    pass


def test_a_checkpoint_is_read_without_running_its_code(tmp_path: Path) -> None:
    torch.save({"code": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(Exception, match="Weights only load failed"):
        checkpoint_files.load(tmp_path / "evil.ckpt")
