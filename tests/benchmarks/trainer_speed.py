"""How fast the trainer is beside a bare PyTorch loop: `make bench-trainer`, or

    python -m tests.benchmarks.trainer_speed [--rounds N] [--out FILE]

Each round runs every variant once, one after the other, so that what the machine does meanwhile falls on all
alike. A figure is the median over the rounds; of each run the first epoch, which warms up, does not count.
The two-process figures need two cores, and all of them an idle machine.
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainingrun_trainer.data.table import FILE, IMAGES

PICTURES = 320
SIDE = 256
"""Of the JPEGs, in pixels."""
CLASSES = 4
EPOCHS = 4


@dataclass(frozen=True)
class Variant:
    """One kind of run."""

    program: str
    """A variant of `variants`, or two: the trainer as two processes."""
    workers: int = 0

    @property
    def name(self) -> str:
        return f"{self.program}, {self.workers} workers" if self.workers else self.program


@dataclass(frozen=True)
class Figure:
    """What one run came to."""

    speed: float
    """Samples a second of all processes together."""
    memory: int
    """Most bytes resident."""
    imported: float
    """Seconds until all is imported."""
    seconds: float
    """Of the whole run."""


BARE, TRAINER, TWO = Variant("bare"), Variant("trainer"), Variant("two")
SYNTHETIC, UNCOUNTED = Variant("synthetic"), Variant("uncounted")
WARM = (Variant("trainer", 1), Variant("trainer", 2))
COLD = (Variant("decoding", 1), Variant("decoding", 2))
VARIANTS = (BARE, TRAINER, SYNTHETIC, UNCOUNTED, *WARM, *COLD, TWO)


@dataclass(frozen=True)
class Ratio:
    """A comparison of two variants."""

    name: str
    above: Variant
    below: Variant
    target: float | None
    """What the ratio of speeds has to reach; None where it is only told."""
    processes: int = 1


RATIOS = (
    Ratio("the trainer to a bare loop", TRAINER, BARE, 0.97),
    Ratio("all scores counted to the loss alone", TRAINER, UNCOUNTED, 0.995),
    Ratio("decoded images to synthetic ones, read by the trainer itself", TRAINER, SYNTHETIC, 0.95),
    Ratio("decoded images to synthetic ones, 1 worker", WARM[0], SYNTHETIC, 0.95),
    Ratio("decoded images to synthetic ones, 2 workers", WARM[1], SYNTHETIC, 0.95),
    Ratio("JPEGs decoded each time to synthetic ones, 1 worker", COLD[0], SYNTHETIC, None),
    Ratio("JPEGs decoded each time to synthetic ones, 2 workers", COLD[1], SYNTHETIC, None),
    Ratio("two processes (gloo) to twice one", TWO, TRAINER, 0.90, processes=2),
)


def config(archive: Path, workers: int) -> dict[str, Any]:
    """A step of some tenths of a second on one core."""
    return {
        "task": "classification",
        "data": {
            "format": "zip",
            "path": str(archive),
            "imageSize": 96,
            "batchSize": 16,
            "numWorkers": workers,
            "persistentWorkers": workers > 0,
        },
        "model": {"architecture": "resnet18"},
        "scheduler": {"name": "none"},
        "earlyStopping": {"patience": 0},
        "artifacts": {"report": False, "tensorboard": False},
        "monitor": "val_loss",
        "maxEpochs": EPOCHS,
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


def run(variant: Variant, archive: Path) -> Figure:
    """Run a variant to its end.

    Raises:
        subprocess.CalledProcessError: it failed; what it printed is in the error.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file, directory = Path(scratch) / "config.json", Path(scratch) / "run"
        file.write_text(json.dumps(config(archive, variant.workers)))
        together = variant.program == "two"
        arguments = (
            ["trainingrun_trainer.launch", "--config", str(file), "--run-dir", str(directory)]
            if together
            else ["tests.benchmarks.variants", variant.program, str(file), str(directory)]
        )
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PET_NPROC_PER_NODE": "2",
            "BENCHMARK_STARTED": str(time.time()),
        }
        started = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, "-m", *arguments], env=environment, check=True, capture_output=True, text=True
        )
        seconds = time.perf_counter() - started
        if together:
            epochs = json.loads((directory / "metrics.json").read_text())
            said: Mapping[str, Any] = {
                "speeds": [epoch["samples_per_second"] for epoch in epochs],
                "memory": 0,
                "imported": 0.0,
            }
        else:
            said = json.loads(ended.stdout.splitlines()[-1])
    return Figure(statistics.median(said["speeds"][1:]), said["memory"], said["imported"], seconds)


def middle(figures: Sequence[Figure], what: str) -> float:
    """The median of one field."""
    values: list[float] = [getattr(figure, what) for figure in figures]
    return statistics.median(values)


def table(figures: Mapping[Variant, Sequence[Figure]]) -> str:
    """Both tables as Markdown."""
    lines = [
        "| run | samples/s | most memory | imports | whole run |",
        "|---|---|---|---|---|",
    ]
    for variant, known in figures.items():
        memory = middle(known, "memory") / 2**20
        lines.append(
            f"| {variant.name} | {middle(known, 'speed'):.1f} | {f'{memory:.0f} MiB' if memory else '-'} "
            f"| {middle(known, 'imported'):.1f} s | {middle(known, 'seconds'):.1f} s |"
        )
    lines += ["", "| ratio of speeds | median | of each round | target |", "|---|---|---|---|"]
    for ratio in RATIOS:
        rounds = [
            above.speed / below.speed / ratio.processes
            for above, below in zip(figures[ratio.above], figures[ratio.below], strict=True)
        ]
        wanted = "told only" if ratio.target is None else f"{ratio.target:.3f}"
        each = ", ".join(f"{value:.3f}" for value in rounds)
        lines.append(f"| {ratio.name} | {statistics.median(rounds):.3f} | {each} | {wanted} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each variant runs (default: 3)")
    parser.add_argument("--out", type=Path, help="file for the tables")
    options = parser.parse_args()
    figures: dict[Variant, list[Figure]] = {variant: [] for variant in VARIANTS}
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "pictures.zip"
        write_pictures(archive)
        for number in range(options.rounds):
            for variant in VARIANTS:
                figure = run(variant, archive)
                figures[variant].append(figure)
                print(f"round {number + 1}: {variant.name} {figure.speed:.1f} samples/s", file=sys.stderr)
    text = table(figures)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
