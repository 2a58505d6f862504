"""What TensorBoard shows of the event files of a run, whose attempts may repeat epochs."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainingrun_trainer.artifacts import RunDirectory
from trainingrun_trainer.errors import Fenced
from trainingrun_trainer.tensorboard_log import TensorBoardLog


def shown(directory: RunDirectory) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by tag."""
    events = EventAccumulator(str(directory.log_file.parent)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def epoch(number: int, loss: float) -> dict[str, object]:
    return {
        "epoch": number,
        "global_step": 10 * number,
        "train_loss": loss,
        "val_recall_class_a": 0.5,
        "learning_rate": 0.25,
        "time": "2026-01-31T12:00:00Z",
    }


def test_each_epoch_is_there_while_training_goes_on(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    log = TensorBoardLog(directory)
    log.write(1, epoch(1, 4.0))
    assert shown(directory) == {
        "train/loss": [(1, 4.0)],
        "val/recall_class_a": [(1, 0.5)],
        "learning_rate": [(1, 0.25)],
    }
    log.write(2, epoch(2, 2.0))
    assert shown(directory)["train/loss"] == [(1, 4.0), (2, 2.0)]


def test_what_a_later_attempt_repeats_is_shown_once(tmp_path: Path) -> None:
    for number, done in ((1, 0), (2, 2), (3, 0)):
        directory = RunDirectory(tmp_path, number)
        directory.fence.claim()
        log = TensorBoardLog(directory)
        log.go_on_after(done)
        for repeated in range(done + 1, 4):
            log.write(repeated, epoch(repeated, float(10 * number + repeated)))
        log.write(2, {"test_f1": 0.125 * number})
        expected = {1: [11, 12, 13], 2: [11, 12, 23], 3: [31, 32, 33]}[number]
        assert [value for _, value in shown(directory)["train/loss"]] == expected
    assert shown(directory)["test/f1"] == [(2, 0.375)]


def test_a_fenced_attempt_writes_nothing(tmp_path: Path) -> None:
    RunDirectory(tmp_path, 2).fence.claim()
    with pytest.raises(Fenced):
        TensorBoardLog(RunDirectory(tmp_path, 1)).write(1, epoch(1, 4.0))
    assert not (tmp_path / "logs").exists()


def test_a_volume_that_cannot_be_written_costs_only_the_events(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way of the directory")
    TensorBoardLog(RunDirectory(tmp_path)).write(1, epoch(1, 4.0))
    assert [entry.name for entry in tmp_path.iterdir()] == ["logs"]


def test_a_record_that_was_cut_off_hides_no_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDirectory(tmp_path)
    log = TensorBoardLog(directory)
    log.write(1, epoch(1, 4.0))
    with monkeypatch.context() as full:

        def fsync(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        full.setattr("os.fsync", fsync)
        log.write(2, epoch(2, 3.0))
    log.write(3, epoch(3, 2.0))
    assert shown(directory)["train/loss"] == [(1, 4.0), (3, 2.0)]
