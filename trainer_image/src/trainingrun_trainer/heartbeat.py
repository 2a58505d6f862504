"""When each rank of a pod last moved, at what, and how long it waited and worked: written by the ranks, read
by the pod's main process.

The main process makes a file in shared memory with one record for each rank and passes its path on. A rank
overwrites its record without a lock. So the reader may see parts of two beats, which a moment later agree
again, and what it reads stands even after the rank was killed.
"""

import mmap
import os
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainingrun_api.telemetry import TrainerPhase

FILE_VARIABLE = "TRAININGRUN_HEARTBEAT_FILE"
"""The main process tells its ranks by it where the records are."""
RECORD = struct.Struct("@dddqqiii12x")
"""Unix time, seconds of data wait, of own work, global step, step of the newest checkpoint or NO_CHECKPOINT,
rank, phase, process: a cache line each."""
NO_CHECKPOINT = -1
PHASES = tuple(TrainerPhase)
USEFUL = frozenset({TrainerPhase.TRAINING, TrainerPhase.VALIDATING, TrainerPhase.TESTING})
"""Phases whose time is in the result."""


@dataclass(frozen=True)
class Beat:
    """The last movement of one rank."""

    rank: int
    time: float
    """Unix seconds."""
    step: int
    """Optimizer steps taken."""
    phase: TrainerPhase
    checkpoint: int | None
    """Optimizer steps in the newest checkpoint that the rank wrote."""
    process: int
    """Its process id, before it has begun that of the main process."""
    data_wait_seconds: float = 0.0
    """Waited for batches of training."""
    step_seconds: float = 0.0
    """Worked on training steps without waiting for other ranks."""


class Heartbeats:
    """The records of all ranks of a pod, as its main process holds them."""

    def __init__(self, ranks: range) -> None:
        """Records for some ranks, who have just begun to start."""
        descriptor = os.memfd_create("heartbeats")
        os.truncate(descriptor, len(ranks) * RECORD.size)
        self._records = mmap.mmap(descriptor, len(ranks) * RECORD.size)
        self.path = f"/proc/{os.getpid()}/fd/{descriptor}"
        for place, rank in enumerate(ranks):
            Heartbeat(rank, memoryview(self._records)[place * RECORD.size :])

    def read(self) -> list[Beat]:
        """The last movement of each rank."""
        return [
            Beat(
                rank=rank,
                time=seconds,
                step=step,
                phase=PHASES[phase],
                checkpoint=None if saved == NO_CHECKPOINT else saved,
                process=process,
                data_wait_seconds=data_wait,
                step_seconds=own,
            )
            for seconds, data_wait, own, step, saved, rank, phase, process in RECORD.iter_unpack(
                self._records
            )
        ]


class Heartbeat:
    """What this process does, at which step, since when, and for how long it was of use."""

    def __init__(
        self,
        rank: int = 0,
        record: memoryview | bytearray | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.time = 0.0
        """Unix time of the last movement."""
        self.step = 0
        self.phase = TrainerPhase.STARTING
        self.data_wait_seconds = 0.0
        """Waited for batches of training by this process; told with the next beat, as the next."""
        self.step_seconds = 0.0
        """Worked on training steps without waiting for other ranks."""
        self._checkpoint = NO_CHECKPOINT
        self._rank = rank
        self._process = os.getpid()
        self._record = bytearray(RECORD.size) if record is None else record
        self._clock = clock
        self._useful = 0.0
        self._entered = clock()
        self.beat()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], rank: int, local_rank: int) -> "Heartbeat":
        """The heartbeat of one rank; without a main process that asked for it, nobody else sees it."""
        if FILE_VARIABLE not in environment:
            return cls(rank)
        with Path(environment[FILE_VARIABLE]).open("r+b") as file:
            records = memoryview(mmap.mmap(file.fileno(), 0))
        return cls(rank, records[local_rank * RECORD.size :])

    def beat(self) -> None:
        """Say that the main loop moved."""
        self.time = time.time()
        RECORD.pack_into(
            self._record,
            0,
            self.time,
            self.data_wait_seconds,
            self.step_seconds,
            self.step,
            self._checkpoint,
            self._rank,
            PHASES.index(self.phase),
            self._process,
        )

    def stepped(self, step: int) -> None:
        """Say that the optimizer has taken this many steps."""
        self.step = step
        self.beat()

    def saved(self, step: int) -> None:
        """Say that a checkpoint of this many steps is complete."""
        self._checkpoint = step
        self.beat()

    def enter(self, phase: TrainerPhase) -> None:
        """Say what the process does from now on."""
        now = self._clock()
        if self.phase in USEFUL:
            self._useful += now - self._entered
        self.phase, self._entered = phase, now
        self.beat()

    @property
    def useful_seconds(self) -> float:
        """Seconds of training, validation and testing that are in the result so far."""
        since = self._clock() - self._entered if self.phase in USEFUL else 0.0
        return self._useful + since

    def restore(self, useful_seconds: float) -> None:
        """Go on from a checkpoint with the useful seconds that are in it."""
        self._useful = useful_seconds
        self._entered = self._clock()
