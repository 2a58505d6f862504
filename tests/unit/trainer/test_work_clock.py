"""Waits and own work of a rank: by Lightning's real loop, and on a GPU that lags behind the program."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from trainingrun_trainer.heartbeat import Heartbeat
from trainingrun_trainer.work_clock import OWN_STEP, WAIT, WorkClock

LOAD, FORWARD, BACKWARD, VOTE = 3.0, 2.0, 7.0, 11.0
BATCHES, EPOCHS = 4, 2


class Clock:
    """Stands still but for work."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Images(Dataset[torch.Tensor]):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, index: int) -> torch.Tensor:
        self._clock.now += LOAD
        return torch.ones(1)


class Work(pl.LightningModule):
    """Learns one number as the tasks' modules do."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        with self.trainer.profiler.profile(OWN_STEP):  # type: ignore[attr-defined]
            self._clock.now += FORWARD
            return (self.weight - batch.mean()).square().sum()

    def on_after_backward(self) -> None:
        self._clock.now += BACKWARD

    def on_train_batch_end(self, *_: Any) -> None:
        self._clock.now += VOTE

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_neither_holds_what_a_rank_waits_for_others(tmp_path: Path) -> None:
    clock, heartbeat = Clock(), Heartbeat()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        profiler=WorkClock(heartbeat, "cpu", clock),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(Work(clock), DataLoader(Images(clock)))
    assert heartbeat.data_wait_seconds == pytest.approx(EPOCHS * BATCHES * LOAD)
    assert heartbeat.step_seconds == pytest.approx(EPOCHS * BATCHES * FORWARD)


class Event:
    """torch.cuda.Event of a device that has done so many of them. Whoever waits for it fails."""

    recorded = 0
    done = 0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        Event.recorded += 1
        self.place = Event.recorded

    def query(self) -> bool:
        return self.place <= Event.done

    def elapsed_time(self, end: "Event") -> float:
        assert end.query()
        return 1000.0 * (end.place - self.place)

    def synchronize(self) -> None:
        raise AssertionError


def test_a_gpu_is_never_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", Event)
    heartbeat = Heartbeat()
    clock = WorkClock(heartbeat, "gpu")
    counted = []
    for done in (0, 1, 2, 8):
        monkeypatch.setattr(Event, "done", done)
        with clock.profile(OWN_STEP):
            pass
        counted.append(heartbeat.step_seconds)
    assert counted == [0, 0, 1, 4]


def test_other_actions_are_not_counted() -> None:
    heartbeat, clock = Heartbeat(), Clock()
    profiler = WorkClock(heartbeat, "cpu", clock)
    with profiler.profile(WAIT):
        clock.now += 1
    with profiler.profile("backward"):
        clock.now += 1
    assert (heartbeat.data_wait_seconds, heartbeat.step_seconds) == (1, 0)
