"""Files appear whole or not at all, and a checkpoint's manifest describes it."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from trainingrun_trainer import checkpointing
from trainingrun_trainer.artifacts import RunDirectory, write_json
from trainingrun_trainer.atomic import atomic_file


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with atomic_file(path) as file:
            file.write(b"half of the ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    write_json(tmp_path / "file", {"a": [float("nan"), 1.5], "b": float("inf")})
    assert json.loads((tmp_path / "file").read_text()) == {"a": [None, 1.5], "b": None}


class Observed:
    def __init__(self) -> None:
        self.steps: list[int] = []

    def saving(self) -> None:
        self.steps.append(-1)

    def saved(self, seconds: float, step: int) -> None:
        assert seconds >= 0
        self.steps.append(step)


def test_a_checkpoint_is_described_by_its_manifest(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    observed = Observed()
    store = checkpointing.AtomicCheckpointIO(attempt=2, observer=observed)
    content = {
        "global_step": 7,
        "loops": {"fit_loop": {"epoch_progress": {"current": {"processed": 1}}}},
        "state_dict": {"weight": torch.arange(1000)},
    }
    store.save_checkpoint(content, path)

    manifest = json.loads((tmp_path / "last.manifest.json").read_text())
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["size"] == path.stat().st_size
    assert (manifest["step"], manifest["epoch"], manifest["attempt"]) == (7, 1, 2)
    assert observed.steps == [-1, 7]
    torch.testing.assert_close(store.load_checkpoint(path), content)

    store.remove_checkpoint(path)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_read_without_running_its_code(tmp_path: Path) -> None:
    torch.save({"code": Observed()}, tmp_path / "evil.ckpt")
    with pytest.raises(Exception, match="Weights only load failed"):
        checkpointing.load(tmp_path / "evil.ckpt")


def test_attempts_add_up_in_run_json(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "digits-12345678")
    for number in (1, 2):
        directory.begin({"attempt": number, "world_size": 2}, {"name": "digits"})
        directory.end("interrupted" if number == 1 else "completed")
        directory.end("failed")
    run = directory.read_run()
    assert (run["run_id"], run["state"]) == ("digits-12345678", "completed")
    assert [(entry["attempt"], entry["outcome"]) for entry in run["attempts"]] == [
        (1, "interrupted"),
        (2, "completed"),
    ]


def test_an_attempt_clears_what_a_killed_one_left_half_written(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    with atomic_file(directory.checkpoints / "best.ckpt"):
        (half,) = directory.checkpoints.iterdir()
    half.write_bytes(b"half of a checkpoint")
    directory.begin({"attempt": 2}, {})
    assert sorted(entry.name for entry in directory.path.rglob("*") if entry.is_file()) == [
        "best.ckpt",
        "run.json",
    ]


def test_metrics_are_written_in_three_forms_that_agree(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    epochs = [{"epoch": 1, "val_loss": 0.5}, {"epoch": 2, "val_loss": 0.25}]
    directory.write_metrics([*epochs])
    assert json.loads((directory.path / "metrics.json").read_text()) == epochs
    assert json.loads((directory.path / "metrics_run.json").read_text()) == {
        "run_id": "run",
        "epochs": epochs,
    }
    assert (directory.path / "metrics_run.csv").read_text().split() == ["epoch,val_loss", "1,0.5", "2,0.25"]
