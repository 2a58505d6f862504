"""Files appear whole or not at all, and only those of the newest attempt."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from trainingrun_api import TrainingConfig
from trainingrun_trainer.artifacts import REPORTING, RunDirectory, as_json, config_digest
from trainingrun_trainer.atomic import atomic_file, remove_leftovers
from trainingrun_trainer.errors import BadConfig, Fenced
from trainingrun_trainer.fence import Fence

CONFIG = TrainingConfig.model_validate(
    {
        "task": "classification",
        "data": {"format": "zip", "path": "/data/a.zip"},
        "model": {"architecture": "resnet18"},
        "maxEpochs": 3,
    }
)
OTHER_CONFIG = CONFIG.model_copy(update={"max_epochs": 4})


def begin(directory: RunDirectory, config: TrainingConfig = CONFIG) -> None:
    directory.fence.claim()
    directory.begin({"world_size": 2}, {"provenance": {"config_sha256": config_digest(config)}}, config)


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


def test_numbers_that_json_lacks_become_null() -> None:
    assert json.loads(as_json({"a": [float("nan"), 1.5], "b": float("inf")})) == {"a": [None, 1.5], "b": None}


def test_attempts_add_up_in_run_json(tmp_path: Path) -> None:
    for number in (1, 2):
        directory = RunDirectory(tmp_path / "digits-12345678", number)
        begin(directory)
        directory.end("interrupted" if number == 1 else "completed")
        directory.end("failed")
    run = directory.read_run()
    assert (run["run_id"], run["state"]) == ("digits-12345678", "completed")
    assert [(entry["attempt"], entry["outcome"]) for entry in run["attempts"]] == [
        (1, "interrupted"),
        (2, "completed"),
    ]


def test_an_attempt_clears_what_a_killed_one_left_half_written(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run", 2)
    with atomic_file(directory.checkpoints / "best.ckpt"):
        (half,) = directory.checkpoints.iterdir()
    half.write_bytes(b"half of a checkpoint")
    begin(directory)
    assert sorted(entry.name for entry in directory.path.rglob("*") if entry.is_file()) == [
        "attempt.json",
        "best.ckpt",
        "config.json",
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


def test_a_run_is_finished_once_its_results_are_written(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    assert directory.finished(CONFIG) is None
    begin(directory)
    directory.write_metrics([{"epoch": 1}])
    assert directory.finished(CONFIG) is None
    for unfinished in ({"reported": False}, {"best_epoch": 1}):  # the second by an earlier version
        directory.write_results(unfinished)
        assert directory.finished(CONFIG) is None
    directory.write_results({"reported": True})
    assert directory.finished(CONFIG) == ([{"epoch": 1}], {"reported": True})


@pytest.mark.parametrize(
    ("ended", "found", "outcome", "killed_in"),
    [
        ("interrupted", "completed", "interrupted", set()),
        (None, "completed", "completed", {"plots"}),
        (None, "failed", "failed", {"plots"}),
    ],
)
def test_a_run_is_completed_by_whoever_finds_it_done(
    tmp_path: Path, ended: str | None, found: str, outcome: str, killed_in: set[str]
) -> None:
    """By an attempt that never began to train itself."""
    first, next_one = RunDirectory(tmp_path / "run", 1), RunDirectory(tmp_path / "run", 2)
    begin(first)
    first.note({REPORTING: "plots"})
    if ended:
        first.end(ended)
    next_one.end(found)
    run = next_one.read_run()
    assert (run["state"], [entry["outcome"] for entry in run["attempts"]]) == (found, [outcome])
    assert next_one.killed_in() == killed_in


def test_the_directory_of_another_config_is_refused(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    begin(directory)
    with pytest.raises(BadConfig, match="another config"):
        directory.finished(OTHER_CONFIG)


def test_an_earlier_attempt_can_write_nothing_any_more(tmp_path: Path) -> None:
    late, next_one = RunDirectory(tmp_path / "run", 1), RunDirectory(tmp_path / "run", 2)
    begin(late)
    late.write_metrics([{"epoch": 1}])
    begin(next_one)
    before = {path: path.read_bytes() for path in late.path.rglob("*") if path.is_file()}
    writes: list[Callable[[], None]] = [
        lambda: late.write_metrics([{"epoch": 2}]),
        lambda: late.write_results({}),
        lambda: late.end("failed"),
        late.fence.claim,
    ]
    for write in writes:
        with pytest.raises(Fenced, match="attempt 2 has begun"):
            write()
    assert {path: path.read_bytes() for path in late.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("claimed", [False, True])
def test_a_late_writer_whose_temporary_file_was_cleared_away_is_fenced(tmp_path: Path, claimed: bool) -> None:
    fence = Fence(tmp_path / "attempt.json", 1)

    def clear() -> None:
        if claimed:
            Fence(tmp_path / "attempt.json", 2).claim()
        remove_leftovers(tmp_path)

    def write() -> None:
        with fence.file(tmp_path / "file", make_way=clear) as file:
            file.write(b"late")

    with pytest.raises(Fenced if claimed else FileNotFoundError):
        write()
    assert not (tmp_path / "file").exists()
