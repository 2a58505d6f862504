"""Phases, heartbeats and useful seconds of Lightning's real loops, by a clock that only the work moves."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from trainingrun_api.telemetry import SECONDS_PER_EPOCH, TrainerPhase
from trainingrun_api.termination import Outcome, TerminationMessage
from trainingrun_trainer.artifacts import RunDirectory
from trainingrun_trainer.heartbeat import Heartbeat
from trainingrun_trainer.progress import Progress
from trainingrun_trainer.pulse import Pulse
from trainingrun_trainer.telemetry import Telemetry

STEP, VALIDATION, TEST, SAVE, COMPILATION = 2.0, 1.0, 3.0, 5.0, 40.0
STEPS, VALIDATIONS, TESTS = 50, 10, 4
ENDS: tuple[Outcome, ...] = ("failed", "completed")


class Clock:
    """Stands still but for work."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Work(pl.LightningModule):
    """Learns one number, and each batch takes its time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._compiled = False
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        self._clock.now += STEP if self._compiled else COMPILATION
        self._compiled = True
        return (self.weight - batch.mean()).square().sum()

    def validation_step(self, batch: torch.Tensor, index: int) -> None:
        self._clock.now += VALIDATION
        self.log("val_loss", 1.0)

    def test_step(self, batch: torch.Tensor, index: int) -> None:
        self._clock.now += TEST

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Saves(pl.Callback):
    """Stands for the writing of checkpoints: at each epoch's end, and once in the middle of the first."""

    def __init__(self, clock: Clock, progress: Progress, stop_at: int | None) -> None:
        self._clock = clock
        self._progress = progress
        self._stop_at = stop_at
        self.state: dict[str, Any] = {}

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == STEPS // 2:
            self._save()
        if trainer.global_step == self._stop_at:
            raise KeyboardInterrupt

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save()

    def _save(self) -> None:
        self.state = self._progress.state_dict()
        self._progress.saving()
        self._clock.now += SAVE
        self._progress.saved(SAVE, 1)


class Attempt:
    """A trainer with all that follows it."""

    def __init__(self, directory: Path, clock: Clock, *, epochs: int, stop_at: int | None = None) -> None:
        self.heartbeat = Heartbeat(clock=clock)
        self.telemetry = Telemetry(self.heartbeat)
        self.progress = Progress(
            RunDirectory(directory),
            self.telemetry,
            self.heartbeat,
            monitor="val_loss",
            total_epochs=epochs,
            train_images=STEPS,
            clock=clock,
        )
        self.saves = Saves(clock, self.progress, stop_at)
        self.seen: list[TrainerPhase] = []
        self.trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            callbacks=[self.progress, Pulse(self.heartbeat), self.saves],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=directory,
        )
        self.module = Work(clock)

    @property
    def pace(self) -> float | None:
        """Seconds per epoch, as they are served."""
        return self.telemetry.registry.get_sample_value(SECONDS_PER_EPOCH)

    def fit(self) -> None:
        self.heartbeat.enter(TrainerPhase.WARMING_UP)
        self.trainer.fit(self.module, batches(STEPS), batches(VALIDATIONS))

    def test(self) -> None:
        self.heartbeat.enter(TrainerPhase.TESTING)
        self.trainer.test(self.module, batches(TESTS), verbose=False)
        self.heartbeat.enter(TrainerPhase.FINISHED)


def batches(count: int) -> DataLoader[torch.Tensor]:
    return DataLoader(torch.ones(count, 1), batch_size=1)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_useful_seconds_equal_a_count_by_hand(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, Clock(), epochs=2)
    attempt.fit()
    attempt.test()
    by_hand = 2 * (STEPS * STEP + VALIDATIONS * VALIDATION) + TESTS * TEST
    assert attempt.heartbeat.useful_seconds == pytest.approx(by_hand, rel=0.02)
    assert attempt.heartbeat.phase is TrainerPhase.FINISHED


def test_lost_steps_are_not_useful_and_those_in_the_checkpoint_are(tmp_path: Path) -> None:
    clock = Clock()
    first = Attempt(tmp_path, clock, epochs=1, stop_at=STEPS - 5)
    with pytest.raises(SystemExit):  # what Lightning makes of an interrupt
        first.fit()
    assert first.heartbeat.useful_seconds == pytest.approx((STEPS - 5) * STEP, abs=STEP)
    told = [first.progress.message(TerminationMessage(outcome=outcome)) for outcome in ENDS]
    assert [message.useful_seconds for message in told] == [
        pytest.approx(steps * STEP, abs=STEP) for steps in (STEPS // 2, STEPS - 5)
    ]
    clock.now += 60
    second = Attempt(tmp_path, clock, epochs=1)
    clock.now += 30
    second.progress.load_state_dict(first.saves.state)
    assert second.heartbeat.useful_seconds == pytest.approx((STEPS // 2) * STEP, abs=STEP)


def test_epochs_take_as_long_as_if_training_had_never_stopped(tmp_path: Path) -> None:
    clock = Clock()
    first = Attempt(tmp_path, clock, epochs=1, stop_at=STEPS - 5)
    with pytest.raises(SystemExit):
        first.fit()
    clock.now += 60
    second = Attempt(tmp_path, clock, epochs=1)
    second.progress.load_state_dict(first.saves.state)
    second.progress.on_train_start(second.trainer, second.module)
    clock.now += 7
    assert second.progress.state_dict()["epoch_seconds"] == COMPILATION + (STEPS // 2 - 1) * STEP + 7


def test_the_pace_is_without_compilation_and_outlives_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    first = Attempt(tmp_path, clock, epochs=2, stop_at=STEPS + 5)
    with pytest.raises(SystemExit):
        first.fit()
    assert first.pace == pytest.approx(STEPS * STEP + VALIDATIONS * VALIDATION + SAVE, rel=0.01)
    clock.now += 60
    second = Attempt(tmp_path, clock, epochs=2)
    assert second.pace is None
    second.progress.load_state_dict(first.saves.state)
    second.progress.on_train_start(second.trainer, second.module)
    assert second.pace == first.pace


def test_every_batch_is_a_heartbeat_in_its_phase(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, Clock(), epochs=1)
    beats: list[tuple[TrainerPhase, int]] = []
    beat = attempt.heartbeat.beat

    def noted() -> None:
        beats.append((attempt.heartbeat.phase, attempt.heartbeat.step))
        beat()

    attempt.heartbeat.beat = noted  # type: ignore[method-assign]
    attempt.fit()
    attempt.test()
    assert (TrainerPhase.WARMING_UP, 1) in beats
    assert {step for phase, step in beats if phase is TrainerPhase.TRAINING} >= set(range(1, STEPS + 1))
    assert sum(phase is TrainerPhase.VALIDATING for phase, _ in beats) >= VALIDATIONS
    assert sum(phase is TrainerPhase.TESTING for phase, _ in beats) >= TESTS
