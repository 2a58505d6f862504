"""Ended anywhere and resumed, a run on the CPU comes to the same result bit for bit.

The attempts of all rows run in one process each for one and for two ranks (rehearsal.py); each row is then
compared with the undisturbed run.
"""

import json
import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic, sleep
from types import MappingProxyType
from typing import Any

import pytest
import torch

from tests.integration.trainer.conftest import Launcher, Running
from tests.integration.trainer.rehearsal import Life, Strike, play
from tests.integration.trainer.test_failures import workers
from trainingrun_api import names
from trainingrun_api.names import EXIT_DONE, EXIT_INTERRUPTED
from trainingrun_trainer import samples
from trainingrun_trainer.checkpoint_files import BEST, BEST_WEIGHTS, LAST, load
from trainingrun_trainer.optimization.module import TRAINING_WEIGHTS
from trainingrun_trainer.progress import Progress
from trainingrun_trainer.resume import FORMAT, STATE

KILLED = 128 + signal.SIGKILL
EPOCHS = 3
TIMES = {"seconds", "samples_per_second", "time", "training_time", "run_id"}
LIGHTNING = {
    "callbacks",
    "epoch",
    "global_step",
    "loops",
    "lr_schedulers",
    "optimizer_states",
    "pytorch-lightning_version",
    "state_dict",
}
"""What Lightning's checkpoints hold."""
EVERY_3_STEPS = {names.ENV_CHECKPOINT_STEPS: "3"}


@dataclass(frozen=True)
class Row:
    """Where attempt 1 ends, and from where attempt 2 goes on."""

    name: str
    strike: Strike
    resumed_step: int
    workers: int = 0


# an epoch has 11 steps
ONE_RANK = (
    Row("before the first checkpoint", Strike("step", 2), 0),
    Row("after a step within an epoch", Strike("step", 14), 12),
    Row("the same, with loader processes", Strike("step", 14), 12, workers=2),
    Row("within the first save", Strike("chunk", 1), 0),
    Row("within a later save", Strike("chunk", 3), 6),
    Row("after the last step of an epoch", Strike("step", 11), 9),
    Row("within validation", Strike("validation-batch", 2), 9),
    Row("between validation and the save", Strike("before-epoch-end", 2), 21),
    Row("between last.ckpt and the file of a best epoch", Strike("link", 2), 22),
    Row("after the save of an epoch", Strike("epoch-end", 1), 11),
    Row("after the last epoch", Strike("epoch-end", EPOCHS), 33),
    Row("within the final evaluation", Strike("evaluation"), 33),
    Row("between evaluation and results", Strike("results"), 33),
    Row("by SIGTERM within an epoch", Strike("step", 13, signal=signal.SIGTERM), 14),
    Row("by SIGTERM in validation", Strike("validation-batch", 6, signal=signal.SIGTERM), 22),
    Row("by SIGTERM in the final evaluation", Strike("evaluation", signal=signal.SIGTERM), 33),
)
# an epoch has 6 steps
TWO_RANKS = (
    Row("the other rank, within an epoch", Strike("step", 8, rank=1), 6),
    Row("rank 0, within a save", Strike("chunk", 2, rank=0), 3),
    Row("SIGTERM to one rank within an epoch", Strike("step", 4, rank=1, signal=signal.SIGTERM), 5),
    Row("SIGTERM to one rank in validation", Strike("validation-batch", 1, 1, signal.SIGTERM), 6),
)
# all that is kept between steps: momentum, accumulated gradients, an average of weights, a frozen encoder
ELABORATE: dict[str, Any] = {
    "model": {"architecture": "timm/test_resnet", "freezeEncoderEpochs": 1},
    "optimizer": {"name": "sgd", "learningRate": 0.05},
    "scheduler": {"name": "cosine", "warmupEpochs": 1},
    "accumulateBatches": 3,
    "gradientClipNorm": 0.5,
    "emaDecay": 0.8,
}
# an epoch has 4 steps, of 3, 3, 3 and 2 batches
ELABORATE_ONE_RANK = (
    Row("elaborate, within the batches of a step", Strike("step", 18), 6),
    Row("elaborate, while the encoder is frozen", Strike("step", 10), 3),
    Row("elaborate, by SIGTERM within the batches of a step", Strike("step", 15, signal=signal.SIGTERM), 6),
    Row("elaborate, by SIGTERM in validation", Strike("validation-batch", 6, signal=signal.SIGTERM), 8),
    Row("elaborate, within the final evaluation", Strike("evaluation"), 12),
)
# an epoch has 2 steps
ELABORATE_TWO_RANKS = (Row("elaborate, the other rank, within an epoch", Strike("step", 10, rank=1), 3),)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("resume") / "digits.zip"
    samples.write_zip(islice(samples.digits(), 120), path)
    return path


class Rehearsed:
    """Attempts of some runs, and what they left."""

    def __init__(
        self, directory: Path, pictures: Path, changes: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self._directory = directory
        self._pictures = pictures
        self._changes = changes
        self._lives: list[Life] = []
        self.codes: dict[tuple[str, int], list[int]] = {}
        self.output = ""

    def plan(
        self, run: str, attempt: int, ranks: int, strike: Strike | None = None, *, workers: int = 0
    ) -> None:
        """Add an attempt."""
        config = self._directory / f"{workers}.json"
        config.write_text(json.dumps(self.config(workers)))
        path = self._directory / run
        self._lives.append(Life(str(config), str(path), attempt, ranks, strike, EVERY_3_STEPS))

    def config(self, workers: int) -> dict[str, Any]:
        """A small network that sees 85 pictures each epoch."""
        return {
            "task": "classification",
            "data": {
                "format": "zip",
                "path": str(self._pictures),
                "imageSize": 32,
                "testSplit": 0.1,
                "batchSize": 8,
                "numWorkers": workers,
                "persistentWorkers": False,
            },
            "model": {"architecture": "timm/test_resnet"},
            # whether the rate falls within three epochs is up to how this processor rounds
            "optimizer": {"learningRate": 0.02},
            "scheduler": {"name": "plateau", "patience": 0},
            "monitor": "val_loss",
            "maxEpochs": EPOCHS,
            "accelerator": "cpu",
            "artifacts": {"report": False, "saveTopK": 2},
            **self._changes,
        }

    def play(self) -> "Rehearsed":
        """Run what was planned."""
        codes, output = play(self._lives)
        self.output += output
        for life, code in zip(self._lives, codes, strict=True):
            self.codes[Path(life.run_dir).name, life.attempt] = code
        self._lives = []
        return self

    def path(self, run: str) -> Path:
        return self._directory / run

    def said(self, run: str, attempt: int) -> str:
        """What an attempt printed."""
        before, _, _ = self.output.partition(f"== {self.path(run)} attempt {attempt}:")
        return before[max(0, before.rfind("\n== ")) :]


def check_same(one: Path, other: Path) -> None:
    """All that a run leaves is the same, times apart."""
    for name in ("metrics.json", "results.json"):
        assert timeless(json.loads((one / name).read_text())) == timeless(
            json.loads((other / name).read_text())
        ), name
    best = {path.name for path in (one / "checkpoints").glob("epoch-*.ckpt")}
    assert best == {path.name for path in (other / "checkpoints").glob("epoch-*.ckpt")}
    for name in (LAST, BEST, *best):
        mine, its = (load(path / "checkpoints" / name) for path in (one, other))
        for part in ("state_dict", "optimizer_states", "plateau", "counted", TRAINING_WEIGHTS, STATE):
            assert bits(mine.get(part)) == bits(its.get(part)), f"{name}: {part}"
    mine, its = (load(path / "checkpoints" / BEST_WEIGHTS) for path in (one, other))
    assert bits(mine) == bits(its)


def bits(content: Any) -> Any:
    """Content of a checkpoint in which tensors can be compared."""
    match content:
        case torch.Tensor():
            return content.dtype, content.shape, content.numpy().tobytes()
        case dict():
            return {name: bits(value) for name, value in content.items()}
        case list() | tuple():
            return [bits(value) for value in content]
        case _:
            return content


def timeless(content: Any) -> Any:
    if isinstance(content, list):
        return [timeless(entry) for entry in content]
    return {name: value for name, value in content.items() if name not in TIMES}


def rehearse(rehearsed: Rehearsed, ranks: int, rows: Iterable[Row]) -> Rehearsed:
    rehearsed.plan("undisturbed", 1, ranks)
    for row in rows:
        for attempt in (1, 2):
            strike = row.strike if attempt == 1 else None
            rehearsed.plan(row.name, attempt, ranks, strike, workers=row.workers)
    return rehearsed.play()


@pytest.fixture(scope="session")
def one_rank(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Rehearsed:
    rehearsed = Rehearsed(tmp_path_factory.mktemp("one-rank"), pictures)
    return rehearse(rehearsed, 1, ONE_RANK)


@pytest.fixture(scope="session")
def two_ranks(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Rehearsed:
    rehearsed = Rehearsed(tmp_path_factory.mktemp("two-ranks"), pictures)
    # the run of a single rank, and where two began and one goes on, and the other way round
    rehearsed.plan("two, then one", 1, 2, Strike("step", 5))
    rehearsed.plan("two, then one", 2, 1)
    rehearsed.plan("one, then two", 1, 1, Strike("step", 5))
    rehearsed.plan("one, then two", 2, 2)
    return rehearse(rehearsed, 2, TWO_RANKS)


@pytest.fixture(scope="session")
def elaborate_one_rank(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Rehearsed:
    rehearsed = Rehearsed(tmp_path_factory.mktemp("elaborate-one-rank"), pictures, ELABORATE)
    return rehearse(rehearsed, 1, ELABORATE_ONE_RANK)


@pytest.fixture(scope="session")
def elaborate_two_ranks(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Rehearsed:
    rehearsed = Rehearsed(tmp_path_factory.mktemp("elaborate-two-ranks"), pictures, ELABORATE)
    return rehearse(rehearsed, 2, ELABORATE_TWO_RANKS)


def check_row(rehearsed: Rehearsed, row: Row) -> None:
    codes = rehearsed.codes[row.name, 1]
    stopped = row.strike.signal == signal.SIGTERM
    assert codes[row.strike.rank] == (EXIT_INTERRUPTED if stopped else KILLED)
    if stopped:
        assert set(codes) == {EXIT_INTERRUPTED}
    assert set(rehearsed.codes[row.name, 2]) == {EXIT_DONE}, rehearsed.said(row.name, 2)
    said = rehearsed.said(row.name, 2)
    assert (f"step {row.resumed_step}," in said) if row.resumed_step else ("resuming" not in said), said
    check_same(rehearsed.path("undisturbed"), rehearsed.path(row.name))
    assert not list(rehearsed.path(row.name).rglob(".*"))


@pytest.mark.parametrize("row", ONE_RANK, ids=lambda row: row.name)
def test_one_rank_ended_anywhere_goes_on_exactly(one_rank: Rehearsed, row: Row) -> None:
    check_row(one_rank, row)


@pytest.mark.parametrize("row", TWO_RANKS, ids=lambda row: row.name)
def test_two_ranks_ended_anywhere_go_on_exactly(two_ranks: Rehearsed, row: Row) -> None:
    check_row(two_ranks, row)


@pytest.mark.parametrize("row", ELABORATE_ONE_RANK, ids=lambda row: row.name)
def test_one_rank_with_an_average_and_accumulation_goes_on_exactly(
    elaborate_one_rank: Rehearsed, row: Row
) -> None:
    check_row(elaborate_one_rank, row)


@pytest.mark.parametrize("row", ELABORATE_TWO_RANKS, ids=lambda row: row.name)
def test_two_ranks_with_an_average_and_accumulation_go_on_exactly(
    elaborate_two_ranks: Rehearsed, row: Row
) -> None:
    check_row(elaborate_two_ranks, row)


def test_the_scheduler_went_by_the_scores_or_its_state_would_tell_nothing(one_rank: Rehearsed) -> None:
    undisturbed = one_rank.path("undisturbed")
    losses = [epoch["val_loss"] for epoch in json.loads((undisturbed / "metrics.json").read_text())]
    state = load(undisturbed / "checkpoints" / LAST)["plateau"]
    assert (state["last_epoch"], state["best"]) == (EPOCHS, min(losses))


@pytest.mark.parametrize("run", ["two, then one", "one, then two"])
def test_another_number_of_ranks_goes_on_and_says_that_it_is_not_exact(
    two_ranks: Rehearsed, run: str
) -> None:
    assert set(two_ranks.codes[run, 2]) == {EXIT_DONE}, two_ranks.said(run, 2)
    assert two_ranks.said(run, 2).count("not bit-exact") == 1
    metrics = json.loads((two_ranks.path(run) / "metrics.json").read_text())
    assert [entry["epoch"] for entry in metrics] == list(range(1, EPOCHS + 1))


def test_the_best_epochs_are_named_and_their_files_are_there(one_rank: Rehearsed) -> None:
    path = one_rank.path("undisturbed")
    results, metrics = (json.loads((path / name).read_text()) for name in ("results.json", "metrics.json"))
    two_best = sorted(metrics, key=lambda epoch: float(epoch["val_loss"]))[:2]
    assert results["best_checkpoints"] == [
        {
            "path": f"checkpoints/epoch-{epoch['epoch']}.ckpt",
            "score": epoch["val_loss"],
            "epoch": epoch["epoch"],
        }
        for epoch in two_best
    ]
    for entry, epoch in zip(results["best_checkpoints"], two_best, strict=True):
        assert load(path / entry["path"])["global_step"] == epoch["global_step"]
    assert len(list((path / "checkpoints").glob("epoch-*.ckpt"))) == 2


def test_a_checkpoint_holds_what_its_format_says(one_rank: Rehearsed) -> None:
    """Whoever changes this raises FORMAT: attempts of two versions of the trainer may meet in one run."""
    checkpoint = load(one_rank.path("undisturbed") / "checkpoints" / LAST)
    state, progress = checkpoint[STATE], checkpoint["callbacks"][Progress.__qualname__]
    assert (FORMAT, set(checkpoint) - LIGHTNING, set(state), set(progress)) == (
        1,
        {"base_rate", "counted", "plateau", STATE},
        {"best", "format", "identity", "latest", "position", "random", "should_stop"},
        {"best", "epoch_seconds", "epochs", "scores", "seconds", "useful_seconds"},
    )


def test_a_truncated_checkpoint_is_skipped(one_rank: Rehearsed) -> None:
    run = "truncated"
    one_rank.plan(run, 1, 1, Strike("step", 8))
    one_rank.play()
    checkpoint = one_rank.path(run) / "checkpoints" / LAST
    with checkpoint.open("r+b") as file:
        file.truncate(checkpoint.stat().st_size // 2)
    one_rank.plan(run, 2, 1)
    one_rank.play()
    assert one_rank.codes[run, 2] == [EXIT_DONE]
    said = one_rank.said(run, 2)
    assert f"{LAST} is damaged" in said
    assert "step 3," in said
    check_same(one_rank.path("undisturbed"), one_rank.path(run))


def test_a_finished_run_is_done_at_once(one_rank: Rehearsed) -> None:
    path = one_rank.path("undisturbed")
    before = {entry: entry.stat().st_mtime_ns for entry in path.rglob("*.ckpt")}
    one_rank.plan("undisturbed", 2, 1)
    one_rank.play()
    assert one_rank.codes["undisturbed", 2] == [EXIT_DONE]
    assert "the results of this run are there already" in one_rank.said("undisturbed", 2)
    assert {entry: entry.stat().st_mtime_ns for entry in path.rglob("*.ckpt")} == before


def test_a_pod_of_two_whose_rank_was_killed_goes_on_exactly(two_ranks: Rehearsed, launcher: Launcher) -> None:
    def start(attempt: int) -> Running:
        return launcher.start(
            "trainingrun_trainer.launch",
            two_ranks.config(workers=0),
            environment={**EVERY_3_STEPS, "PET_NPROC_PER_NODE": "2", names.ENV_ATTEMPT: str(attempt)},
        )

    running = start(1)
    deadline = monotonic() + 300
    while not (running.directory / "checkpoints" / LAST).exists():
        assert running.process.poll() is None, running.wait().output
        assert monotonic() < deadline, "no checkpoint"
        sleep(0.01)
    os.kill(workers(running)[1], signal.SIGKILL)
    ended = running.wait()
    assert ended.exit_code == KILLED, ended.output

    ended = start(2).wait()
    assert ended.exit_code == EXIT_DONE, ended.output
    assert "resuming from" in ended.output
    assert [attempt["attempt"] for attempt in ended.read("run.json")["attempts"]] == [1, 2]
    check_same(two_ranks.path("undisturbed"), ended.directory)
