"""Runs attempts of a run one after the other and ends them at chosen points: `python -m ... < lives.json`.

A process of its own, which imports what takes seconds once and forks each rank of each attempt. What it reads
is a list of Life as JSON, what it prints last a list of the exit codes of each life's ranks.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any
from unittest.mock import patch

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn

from tests.integration.trainer.ports import free_port
from trainingrun_api import names
from trainingrun_trainer import __main__ as trainer_main
from trainingrun_trainer import records, training


@dataclass(frozen=True)
class Strike:
    """Where a signal ends an attempt: before or after the keeper saw the n-th (from 1) of some event."""

    when: str
    """step, validation-batch, epoch-end, before-epoch-end, chunk, evaluation or results."""
    number: int = 1
    rank: int = 0
    signal: int = signal.SIGKILL


@dataclass(frozen=True)
class Life:
    """One attempt."""

    config: str
    run_dir: str
    attempt: int = 1
    ranks: int = 1
    strike: Strike | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Events:
    """Counts events, and strikes at the chosen one."""

    def __init__(self, strike: Strike) -> None:
        self._strike = strike
        self._seen = 0

    def happens(self, event: str) -> None:
        if event == self._strike.when:
            self._seen += 1
            if self._seen == self._strike.number:
                os.kill(os.getpid(), self._strike.signal)


class BeforeKeeper(pl.Callback):
    def __init__(self, events: Events) -> None:
        self._events = events

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._events.happens("before-epoch-end")

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            self._events.happens("evaluation")

    def on_validation_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            self._events.happens("validation-batch")


class AfterKeeper(Checkpoint):
    def __init__(self, events: Events) -> None:
        self._events = events

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._events.happens("step")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._events.happens("epoch-end")


def instrument(strike: Strike) -> None:
    """Let this process be struck."""
    events = Events(strike)
    build, end, sync = training._trainer, records.end, os.fdatasync

    def build_and_watch(*arguments: Any) -> pl.Trainer:
        trainer: Any = build(*arguments)
        trainer.callbacks.insert(0, BeforeKeeper(events))
        trainer.callbacks.append(AfterKeeper(events))
        return trainer  # type: ignore[no-any-return]

    def then(event: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def both(*arguments: Any) -> Any:
            events.happens(event)
            return work(*arguments)

        return both

    patch.object(training, "_trainer", build_and_watch).start()
    patch.object(records, "end", then("results", end)).start()
    patch.object(os, "fdatasync", then("chunk", sync)).start()


def live(life: Life) -> list[int]:
    """Run an attempt to its end; the exit codes of its ranks, 128 + n for signal n."""
    port = str(free_port())
    children = []
    for rank in range(life.ranks):
        child = os.fork()
        if child == 0:
            try:
                be_rank(life, rank, port)
            finally:
                sys.stdout.flush()
                os._exit(0)
        children.append(child)
    codes = []
    for child in children:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        codes.append(128 - code if code < 0 else code)
    return codes


def be_rank(life: Life, rank: int, port: str) -> None:
    """One rank, in a process of its own."""
    os.environ |= life.environment | {names.ENV_ATTEMPT: str(life.attempt)}
    if life.ranks > 1:
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(life.ranks),
            "LOCAL_WORLD_SIZE": str(life.ranks),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
    if life.strike and life.strike.rank == rank:
        instrument(life.strike)
    try:
        trainer_main.main(["--config", life.config, "--run-dir", life.run_dir])
    except SystemExit as error:
        sys.stdout.flush()
        os._exit(int(error.code or 0))


def main() -> None:
    lives = json.load(sys.stdin)
    codes = []
    for life in lives:
        strike = life.pop("strike")
        codes.append(live(Life(**life, strike=Strike(**strike) if strike else None)))
        print(f"== {life['run_dir']} attempt {life['attempt']}: {codes[-1]}", flush=True)
    print(json.dumps(codes))


if __name__ == "__main__":
    main()
