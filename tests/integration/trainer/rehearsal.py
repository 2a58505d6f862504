"""Runs attempts of runs, and ends them at chosen points.

`play` does so in a process that is forked with all imports done (preloaded.py), and that forks each rank of
each attempt. Runs go side by side, one on each processor; attempts of one run follow each other.
"""

import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn

from tests.integration.trainer.ports import free_port
from tests.integration.trainer.preloaded import Forked
from trainingrun_api import names
from trainingrun_trainer import __main__ as trainer_main
from trainingrun_trainer import records, training
from trainingrun_trainer.finishing import Finish

PLAY_SECONDS = 1200


@dataclass(frozen=True)
class Strike:
    """Where a signal ends an attempt: before or after the keeper saw the n-th (from 1) of some event."""

    when: str
    """step, validation-batch, epoch-end, before-epoch-end, chunk, link, evaluation, results, report or
    plots."""
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
    overrides: tuple[str, ...] = ()
    """Of the config, as `--set` takes them."""


def play(lives: Sequence[Life]) -> tuple[list[list[int]], str]:
    """The exit codes of the ranks of each attempt, 128 + n for signal n, and what all of them printed."""
    with tempfile.TemporaryDirectory() as directory:
        output, played = Path(directory, "output"), Path(directory, "played")
        playing = Forked(_play, lives, played, environment=os.environ, output=output)
        try:
            printed, _ = playing.communicate(PLAY_SECONDS)
        except BaseException:  # Ctrl-C too: the ranks are in a session of their own
            os.killpg(playing.pid, signal.SIGKILL)
            raise
        assert playing.returncode == 0, printed[-8000:]
        codes, said = json.loads(played.read_text())
        return codes, said


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
    build = training._trainer

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
    for owner, name, event in (
        (records, "end", "results"),
        (os, "fdatasync", "chunk"),
        (os, "link", "link"),
        (training, "finish", "report"),
        (Finish, "draw_plots", "plots"),
    ):
        patch.object(owner, name, then(event, getattr(owner, name))).start()


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
        overrides = [argument for override in life.overrides for argument in ("--set", override)]
        trainer_main.main(["--config", life.config, "--run-dir", life.run_dir, *overrides])
    except SystemExit as error:
        sys.stdout.flush()
        os._exit(int(error.code or 0))


def chain(lives: list[Life]) -> tuple[list[list[int]], str]:
    """Attempts of one run, each after the end of the one before; their exit codes, and what they printed."""
    codes = []
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        for life in lives:
            codes.append(live(life))
            print(f"== {life.run_dir} attempt {life.attempt}: {codes[-1]}", flush=True)
        output.seek(0)
        return codes, output.read().decode()


def _play(lives: Sequence[Life], played: Path) -> None:
    runs: dict[str, list[Life]] = {}
    for life in lives:
        runs.setdefault(life.run_dir, []).append(life)
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("fork")) as pool:
        chains = dict(zip(runs, pool.map(chain, runs.values()), strict=True))
    codes = {run: iter(codes) for run, (codes, _) in chains.items()}
    said = "".join(said for _, said in chains.values())
    played.write_text(json.dumps([[next(codes[life.run_dir]) for life in lives], said]))
