"""How long this rank waits for batches, and how long it works on them itself.

In a step all ranks wait for the slowest, so steps take all of them the same time. What tells the slowest is
the time in which it waits for nobody: for its batch, and from there to the backward pass, where gradients are
added up. Lightning calls a profiler at both places.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning.profilers import Profiler

from trainingrun_trainer.accelerator import Accelerator
from trainingrun_trainer.heartbeat import Heartbeat

WAIT = "[_TrainingEpochLoop].train_dataloader_next"
"""Lightning's name for the wait for a batch of training. It is documented nowhere: a test watches it."""
OWN_STEP = "own_step"
"""What a task's module calls its part of a training step."""


@dataclass(frozen=True)
class Reached:
    """A moment of the CPU, which never lags behind the program, in the form of torch.cuda.Event."""

    seconds: float

    def query(self) -> bool:
        """Whether the device has come there."""
        return True

    def elapsed_time(self, end_event: "Reached") -> float:
        """Milliseconds to a later one."""
        return 1000 * (end_event.seconds - self.seconds)


class WorkClock(Profiler):
    """Adds both times up for the heartbeat. It never waits for a GPU: what that has not done yet is counted
    at a later step."""

    def __init__(
        self, heartbeat: Heartbeat, accelerator: Accelerator, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        super().__init__()
        self._heartbeat = heartbeat
        self._clock = clock
        self._moment: Callable[[], Any] = _recorded if accelerator == "gpu" else lambda: Reached(clock())
        self._waiting_since = clock()
        self._step_began: Any = None
        self._steps: deque[tuple[Any, Any]] = deque()
        """Begin and end of those that were not counted yet."""

    def start(self, action_name: str) -> None:
        if action_name == WAIT:
            self._waiting_since = self._clock()
        elif action_name == OWN_STEP:
            self._step_began = self._moment()

    def stop(self, action_name: str) -> None:
        if action_name == WAIT:
            self._heartbeat.data_wait_seconds += self._clock() - self._waiting_since
        elif action_name == OWN_STEP:
            self._steps.append((self._step_began, self._moment()))
            while self._steps and self._steps[0][1].query():
                began, ended = self._steps.popleft()
                self._heartbeat.step_seconds += began.elapsed_time(ended) / 1000


def _recorded() -> torch.cuda.Event:
    """A moment of the current stream."""
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event
