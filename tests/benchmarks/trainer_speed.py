"""How fast the trainer is beside a bare PyTorch loop: `make bench-trainer`, or

    python -m tests.benchmarks.trainer_speed [--epochs N] [--rounds N] [--out FILE]

Where two sides can take turns in one process they do, epoch by epoch (see `variants`); whole processes take
turns for memory, start-up and two ranks. A figure is the median over the pairs, without the epochs that warm
up. The two-process figures need two cores, and all of them an idle machine.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.benchmarks.variants import STARTED, Told
from trainingrun_trainer.data.table import FILE, IMAGES

PICTURES = 200
"""Of which four fifths are trained on."""
SIDE = 256
"""Of the JPEGs, in pixels."""
SMALL_SIDE, LARGE_SIDE = 64, 128
"""Of what is trained on. Ranks exchange as many gradients for either, and compute four times as long for the
second."""
CLASSES = 4
ROUND_EPOCHS = 4
"""Of a whole process."""
WARM_UP = 2
"""Epochs: one of each side."""


@dataclass(frozen=True)
class Ratio:
    """What one side reaches of the other, pair by pair."""

    name: str
    pairs: Sequence[float]
    target: str = "told only"

    @property
    def row(self) -> str:
        """As Markdown."""
        middle, low, high = statistics.median(self.pairs), min(self.pairs), max(self.pairs)
        return f"| {self.name} | {middle:.4f} | {low:.3f} to {high:.3f} | {len(self.pairs)} | {self.target} |"


@dataclass(frozen=True)
class Process:
    """A whole process."""

    told: Told
    seconds: float


def config(archive: Path, workers: int, epochs: int, side: int = SMALL_SIDE) -> dict[str, Any]:
    """A step of some tenths of a second on one core, where pictures are small."""
    return {
        "task": "classification",
        "data": {
            "format": "zip",
            "path": str(archive),
            "imageSize": side,
            "batchSize": 16,
            "numWorkers": workers,
            "persistentWorkers": workers > 0,
        },
        "model": {"architecture": "resnet18"},
        "scheduler": {"name": "none"},
        "earlyStopping": {"patience": 0},
        "artifacts": {"report": False, "tensorboard": False},
        "monitor": "val_loss",
        "maxEpochs": epochs,
        "accelerator": "cpu",
    }


def write_pictures(path: Path) -> None:
    """An archive of JPEGs with the grain of photographs."""
    random = np.random.default_rng(1)
    rows = ["filename,label"]
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(PICTURES):
            coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.int16)
            grain = random.integers(-12, 13, (SIDE, SIDE, 1), dtype=np.int16)
            encoded = io.BytesIO()
            Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(encoded, "JPEG", quality=90)
            archive.writestr(f"{IMAGES}/{number}.jpg", encoded.getvalue())
            rows.append(f"{number}.jpg,{number % CLASSES}")
        archive.writestr(FILE, "\n".join(rows))


def run(variant: str, archive: Path, epochs: int, workers: int = 0, side: int = SMALL_SIDE) -> Process:
    """Run a variant, or the trainer as two ranks (`two`), to its end.

    Raises:
        subprocess.CalledProcessError: it failed; what it printed was printed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file, directory = Path(scratch) / "config.json", Path(scratch) / "run"
        file.write_text(json.dumps(config(archive, workers, epochs, side)))
        arguments = ["tests.benchmarks.variants", variant, str(file), str(directory)]
        if variant == "two":
            arguments = ["trainingrun_trainer.launch", "--config", str(file), "--run-dir", str(directory)]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PET_NPROC_PER_NODE": "2",
            STARTED: str(time.time()),
        }
        started = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, "-m", *arguments], env=environment, capture_output=True, text=True
        )
        seconds = time.perf_counter() - started
        if ended.returncode:
            print(ended.stderr, file=sys.stderr)
        ended.check_returncode()
        if variant == "two":
            found = json.loads((directory / "metrics.json").read_text())
            told = Told([epoch["samples_per_second"] for epoch in found])
        else:
            told = Told(**json.loads(ended.stdout.splitlines()[-1]))
    print(f"{variant}, {workers} workers, {side} pixels: {seconds:.0f} s", file=sys.stderr)
    return Process(told, seconds)


def against_bare(archive: Path, epochs: int) -> list[Ratio]:
    """The trainer's epochs to those of the bare loop that follow them."""
    told = run("turns", archive, epochs).told
    pairs = [ours / bare for ours, bare in zip(told.speeds[1:], told.bare[1:], strict=True)]
    return [
        Ratio("the trainer to a bare loop", pairs, "at least 0.970"),
        Ratio("time in which training counts its scores", [told.counting], "at most 0.005"),
    ]


def against_synthetic(archive: Path, variant: str, workers: int, epochs: int) -> list[float]:
    """Epochs of real pictures to the synthetic ones that follow them."""
    speeds = run(variant, archive, 2 * epochs, workers).told.speeds[WARM_UP:]
    return [real / synthetic for real, synthetic in zip(speeds[::2], speeds[1::2], strict=True)]


def inputs(archive: Path, epochs: int) -> list[Ratio]:
    """What reading costs: with the cache of decoded pictures, and where each is decoded each time."""
    ratios = []
    for workers, who in ((0, "read by the trainer itself"), (1, "1 worker"), (2, "2 workers")):
        pairs = against_synthetic(archive, "reading", workers, epochs)
        ratios.append(Ratio(f"cached pictures to synthetic ones, {who}", pairs, "at least 0.950"))
    for workers, who in ((1, "1 worker"), (2, "2 workers")):
        pairs = against_synthetic(archive, "decoding", workers, epochs)
        ratios.append(Ratio(f"pictures decoded each time to synthetic ones, {who}", pairs))
    return ratios


def processes(archive: Path, rounds: int) -> tuple[list[Ratio], str]:
    """Two ranks to one, and what whole processes need; in turns."""
    found: dict[str, list[Process]] = {"bare": [], "plain": [], "two": []}
    apart: list[float] = []
    large: dict[str, list[float]] = {"plain": [], "two": []}
    for _ in range(rounds):
        for variant, known in found.items():
            known.append(run(variant, archive, ROUND_EPOCHS))
        with ThreadPoolExecutor(2) as both:
            beside = list(both.map(lambda _: run("plain", archive, ROUND_EPOCHS), range(2)))
        apart.append(sum(speed(process) for process in beside))
        for variant, speeds in large.items():
            speeds.append(speed(run(variant, archive, ROUND_EPOCHS, side=LARGE_SIDE)))
    one, two = ([speed(process) for process in found[variant]] for variant in ("plain", "two"))
    lines = ["| process | most memory | imports | all of it |", "|---|---|---|---|"]
    for variant, name in (("bare", "bare loop"), ("plain", "trainer")):
        told = [process.told for process in found[variant]]
        lines.append(
            f"| {name} | {statistics.median(each.memory for each in told) / 2**20:.0f} MiB "
            f"| {statistics.median(each.imported for each in told):.1f} s "
            f"| {statistics.median(process.seconds for process in found[variant]):.1f} s |"
        )
    ratios = [
        Ratio(
            f"two ranks (gloo) to twice one, {LARGE_SIDE} pixels",
            _ratios(large["two"], large["plain"], 2),
            "at least 0.900",
        ),
        Ratio(f"two ranks (gloo) to twice one, {SMALL_SIDE} pixels", _ratios(two, one, 2)),
        Ratio("two trainers that share nothing but the machine to twice one", _ratios(apart, one, 2)),
        Ratio("two ranks (gloo) to those two trainers", _ratios(two, apart)),
    ]
    return ratios, "\n".join(lines)


def speed(process: Process) -> float:
    """Images a second, without the epoch that warms up."""
    return statistics.median(process.told.speeds[1:])


def _ratios(above: Sequence[float], below: Sequence[float], times: int = 1) -> list[float]:
    return [reached / (times * whole) for reached, whole in zip(above, below, strict=True)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=12, help="pairs within a process (default: 12)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of whole processes (default: 3)")
    parser.add_argument("--out", type=Path, help="file for the tables")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "pictures.zip"
        write_pictures(archive)
        ratios = [*against_bare(archive, options.epochs), *inputs(archive, options.epochs // 2)]
        scaling, needs = processes(archive, options.rounds)
    head = ["| ratio | median | range | pairs | target |", "|---|---|---|---|---|"]
    text = "\n".join([*head, *(ratio.row for ratio in (*ratios, *scaling)), "", needs])
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
