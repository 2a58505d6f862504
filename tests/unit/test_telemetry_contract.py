"""The operator reads what the trainer serves, and its last word: both sides of the contract at one table."""

from pathlib import Path

from prometheus_client import generate_latest

from tests.unit.operator.builders import NOW, at, dead_pod, raw_job, status_after
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator.scrape import Scrape, parse
from trainingrun_trainer.artifacts import RunDirectory
from trainingrun_trainer.checkpoint_files import Manifest
from trainingrun_trainer.heartbeat import Heartbeat
from trainingrun_trainer.progress import Progress
from trainingrun_trainer.telemetry import BestEpoch, Telemetry


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def served(telemetry: Telemetry) -> Scrape:
    return parse(generate_latest(telemetry.registry).decode(), NOW, attempt=2)


def test_from_its_start_on_a_trainer_says_something() -> None:
    scrape = served(Telemetry(Heartbeat()))
    assert not scrape.empty
    assert (scrape.attempt, scrape.phase, scrape.checkpoint_blocked) == (2, "starting", False)
    assert (scrape.resumed_step, scrape.checkpoint_step, scrape.resume_exact) == (None, None, None)


def test_all_that_a_trainer_says_is_understood() -> None:
    clock = Clock()
    heartbeat = Heartbeat(clock=clock)
    telemetry = Telemetry(heartbeat)
    telemetry.resumed(120, exact=False, damaged=1)
    telemetry.plan(epochs=5, steps=500, done=1, monitor="val_f1")
    heartbeat.enter(TrainerPhase.TRAINING)
    clock.now = 90.0
    heartbeat.stepped(250)
    telemetry.epoch(
        epoch=2,
        metrics={"val_f1": 0.75, "train_loss": 0.5},
        monitor="val_f1",
        best=BestEpoch(0.75, 2),
        seconds_per_epoch=45.0,
        samples_per_second=11.0,
        learning_rate=0.1,
    )
    telemetry.checkpoint(0.2, 250)
    scrape = served(telemetry)
    assert (scrape.resumed_step, scrape.resume_exact, scrape.damaged_checkpoints) == (120, False, 1)
    assert (scrape.epoch, scrape.epochs_planned, scrape.global_step, scrape.steps_planned) == (2, 5, 250, 500)
    assert (scrape.phase, scrape.heartbeat, scrape.useful_seconds) == ("training", heartbeat.time, 90.0)
    assert (scrape.metrics, scrape.monitor) == ({"val_f1": 0.75, "train_loss": 0.5}, "val_f1")
    assert (scrape.best, scrape.best_epoch) == (("val_f1", 0.75), 2)
    assert (scrape.seconds_per_epoch, scrape.samples_per_second) == (45.0, 11.0)
    assert (scrape.checkpoint_step, scrape.checkpoint_blocked) == (250, False)
    assert scrape.checkpoint_time is not None


def test_a_run_that_nobody_asked_tells_all_of_it_with_its_last_word(tmp_path: Path) -> None:
    heartbeat = Heartbeat()
    progress = Progress(
        RunDirectory(tmp_path),
        Telemetry(heartbeat),
        heartbeat,
        monitor="val_f1",
        total_epochs=5,
        train_images=8,
    )
    saved = Manifest(file="last.ckpt", sha256="", size=1, step=20, epoch=2, attempt=1, time=at(-20))
    progress.resumed(saved, exact=True, damaged=0)
    progress.finished(
        [
            {"epoch": 1, "global_step": 10, "val_f1": 0.75, "samples_per_second": 60.0},
            {"epoch": 2, "global_step": 20, "val_f1": 0.5, "train_loss": 0.25, "samples_per_second": 70.0},
        ],
        {"best_epoch": 1, "training_time": 36.0, "scores": {"val_f1": 0.75, "test_f1": 0.625}},
    )
    said = progress.message(TerminationMessage(outcome="completed")).encode().decode()
    status = status_after(raw_job("Complete"), dead_pod(code=0, message=said)).to_wire()
    assert status["progress"] == {
        "epoch": 2,
        "totalEpochs": 5,
        "globalStep": 20,
        "percent": 100,
        "samplesPerSecond": "70",
        "trainerPhase": "finished",
        "usefulSeconds": 36,
    }
    assert {metric["name"]: metric["value"] for metric in status["metrics"]} == {
        "val_f1": "0.5",
        "test_f1": "0.625",
        "train_loss": "0.25",
    }
    assert status["best"] == {"name": "val_f1", "value": "0.75", "epoch": 1}
    path = str(tmp_path / "checkpoints" / "last.ckpt")
    assert status["checkpoint"] == {"step": 20, "epoch": 2, "time": at(-20), "path": path}
    assert status["goodput"] == "0.800"
    assert status["columns"] == {"epoch": "2/5", "metric": "val_f1=0.75", "progress": "100%"}


def test_a_save_that_fails_blocks_until_the_next_one() -> None:
    telemetry = Telemetry(Heartbeat())
    telemetry.checkpoint_failed()
    assert served(telemetry).checkpoint_blocked
    telemetry.checkpoint(0.2, 7)
    assert not served(telemetry).checkpoint_blocked
