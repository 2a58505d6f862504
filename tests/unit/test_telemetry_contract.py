"""The operator reads what the trainer serves: both sides of the contract at one table."""

from prometheus_client import generate_latest

from tests.unit.operator.builders import NOW
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_operator.scrape import Scrape, parse
from trainingrun_trainer.heartbeat import Heartbeat
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


def test_a_save_that_fails_blocks_until_the_next_one() -> None:
    telemetry = Telemetry(Heartbeat())
    telemetry.checkpoint_failed()
    assert served(telemetry).checkpoint_blocked
    telemetry.checkpoint(0.2, 7)
    assert not served(telemetry).checkpoint_blocked
