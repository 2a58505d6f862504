"""`trainingrun-train validate-data`: what a run does with its data before it trains, and nothing else.

Labels are read, every image is decoded once and the splits are made, in a directory that is removed again.
All problems are named, where a run names the first ten.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from trainingrun_api import TrainingConfig, names
from trainingrun_trainer import config, logs
from trainingrun_trainer.accelerator import cpu_limit, threads
from trainingrun_trainer.data.classification import ClassifiedImages
from trainingrun_trainer.data.detection_batches import DetectedImages
from trainingrun_trainer.data.prepared import PreparedData, check_ranks
from trainingrun_trainer.data.problems import collected
from trainingrun_trainer.data.segmentation import SegmentedImages
from trainingrun_trainer.data.volume_batches import SegmentedVolumes
from trainingrun_trainer.errors import BadData, TrainerError
from trainingrun_trainer.tasks import task

NAME = "validate-data"
REFRESH_SECONDS = 0.2
LISTED = 50
"""Classes that the table has a row for."""


def main(argv: Sequence[str]) -> int:
    """Validate, and return the exit code of docs/trainer-contract.md: 0, 65 for data, 78 for the config."""
    options = _parser().parse_args(argv)
    logs.quiet_libraries()
    logs.configure(0, {})
    logging.getLogger().setLevel(logging.WARNING)  # the table says what a run would log
    with collected() as problems:
        try:
            wanted = config.load(options.config, options.set)
            with tempfile.TemporaryDirectory(prefix="trainingrun-") as scratch:
                with _counter() as beat:
                    data = task(wanted.task).prepare(wanted, Path(scratch), threads(cpu_limit(), 1), beat)
                print("\n".join(table(data, wanted)))
                check_ranks(data, options.processes)
        except TrainerError as error:
            count = f"{len(problems)} problems" if len(problems) > 1 else ""
            told = [*problems, count] if problems and isinstance(error, BadData) else [error.message]
            print("\n".join(filter(None, [*told, error.advice])), file=sys.stderr)
            return error.exit_code
    print(f"{wanted.data.path} can be trained on")
    return names.EXIT_DONE


def table(data: PreparedData, wanted: TrainingConfig) -> list[str]:
    """Lines: a row a class, a column a split, with samples, what of each class, and sizes as they train."""
    counted, unit = _counts(data)
    shown = list(zip(data.classes, *counted.values(), strict=True))
    rows = [
        ("", *counted),
        ("samples", *(f"{len(indices):,}" for indices in data.splits.values())),
        *((f"{unit} {name}", *(f"{count:,}" for count in counts)) for name, *counts in shown[:LISTED]),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]) for first, *others in rows
    ]
    if len(shown) > LISTED:
        lines.append(f"and {len(shown) - LISTED} more classes")
    return [*lines, f"sizes as trained: {_sizes(data, wanted)}"]


def _counts(data: PreparedData) -> tuple[dict[str, list[int]], str]:
    """By split what is counted of each class, and what that is."""
    match data:
        case ClassifiedImages():
            return {split: data.counts(split) for split in data.splits}, "images of"
        case SegmentedImages():
            return {split: data.pixel_counts(split) for split in data.splits}, "pixels of"
        case SegmentedVolumes():
            return {split: data.pixel_counts(split) for split in data.splits}, "voxels of"
        case DetectedImages():
            return {split: _objects(data, split) for split in data.splits}, "objects of"
        case _:
            raise TypeError(f"no summary for {type(data).__name__}")


def _objects(data: DetectedImages, split: str) -> list[int]:
    """Objects of each class, the crowds apart."""
    found = [data.objects[index] for index in data.splits[split].tolist()]
    labels = np.concatenate([objects["label"][~objects["crowd"]] for objects in found])
    counts: list[int] = np.bincount(labels, minlength=len(data.classes)).tolist()
    return counts


def _sizes(data: PreparedData, wanted: TrainingConfig) -> str:
    match data:
        case DetectedImages():
            sizes = [tuple(size) for size in data.sizes.tolist()]
        case SegmentedVolumes():
            sizes = [np.load(path, mmap_mode="r").shape for path in data.images]
        case _:
            sizes = [(wanted.data.image_size,) * 2]
    first, last = (" × ".join(map(str, size)) for size in (min(sizes), max(sizes)))
    return first if first == last else f"{first} to {last}"


@contextmanager
def _counter() -> Iterator[Callable[[], None]]:
    """To be called for each file; shows on a terminal how many there were."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    begun = time.monotonic()
    count, shown = 0, begun

    def beat() -> None:
        nonlocal count, shown
        count, now = count + 1, time.monotonic()
        if now - shown >= REFRESH_SECONDS:
            shown = now
            sys.stderr.write(f"\r\033[K{count:,} files, {count / (now - begun):,.0f} a second")
            sys.stderr.flush()

    try:
        yield beat
    finally:
        sys.stderr.write("\r\033[K")


def _parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog=f"trainingrun-train {NAME}",
        description="Check data as a run does before it trains. Exit code 0: they can be trained on, "
        f"{names.EXIT_BAD_DATA}: the data are wrong, {names.EXIT_BAD_CONFIG}: the config is.",
    )
    result.add_argument(
        "--config", type=Path, required=True, help="training config or TrainingRun, JSON or YAML"
    )
    result.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="override, as data.path=/data/a.zip"
    )
    result.add_argument(
        "--processes",
        type=int,
        default=1,
        help="training processes, each of which needs samples of each split",
    )
    return result
