"""Runs attempts of runs, and ends them at chosen points.

`play` does so in a process of its own, which imports what takes seconds once and forks each rank of each
attempt. Runs go side by side, one on each processor; attempts of one run follow each other. What that process
reads is a list of Life as JSON, what it prints last a list of the exit codes of each life's ranks.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Life":
        strike = content.pop("strike")
        return cls(**content, strike=Strike(**strike) if strike else None)


def play(lives: Sequence[Life]) -> tuple[list[list[int]], str]:
    """The exit codes of the ranks of each attempt, 128 + n for signal n, and what all of them printed."""
    playing = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        content = json.dumps([life.to_json() for life in lives])
        printed, errors = playing.communicate(content, timeout=PLAY_SECONDS)
    except BaseException:  # Ctrl-C too: the ranks are in a session of their own
        os.killpg(playing.pid, signal.SIGKILL)
        playing.communicate()
        raise
    assert playing.returncode == 0, printed[-4000:] + errors[-4000:]
    return json.loads(printed.splitlines()[-1]), printed


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


def main() -> None:
    runs: dict[str, list[Life]] = {}
    for life in (lives := [Life.from_json(content) for content in json.load(sys.stdin)]):
        runs.setdefault(life.run_dir, []).append(life)
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("fork")) as pool:
        chains = dict(zip(runs, pool.map(chain, runs.values()), strict=True))
    for _, printed in chains.values():
        print(printed, end="")
    codes = {run: iter(codes) for run, (codes, _) in chains.items()}
    print(json.dumps([next(codes[life.run_dir]) for life in lives]))


if __name__ == "__main__":
    main()
