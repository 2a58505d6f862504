"""Volumes with a mask each become a checked data set of `volume_batches`: every one is read and checked once,
then kept where every process can map it.
"""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainingrun_api import TrainingConfig
from trainingrun_trainer.data import patches, volume_files
from trainingrun_trainer.data.labels import IGNORED, Labels
from trainingrun_trainer.data.pairs import Pairs, pairs
from trainingrun_trainer.data.prepared import directory, reading
from trainingrun_trainer.data.problems import Problems
from trainingrun_trainer.data.volume_batches import SegmentedVolumes, patch_size
from trainingrun_trainer.data.volume_files import BadVolume, Header
from trainingrun_trainer.errors import BadConfig, ScratchFull
from trainingrun_trainer.logs import LOGGER

FORMATS = ("zip", "directory", "split-files", "dataset-json")
VOXELS_AT_ONCE = 2**28
"""Volumes are read by several threads as long as they together stay below this: 3 GiB or so of memory."""
BYTES_A_VOXEL = 4
"""Of a float16 intensity and a label of up to 16 bits."""
MEND = "Replace the files, or take them out of the data set."


@dataclass(frozen=True)
class _Read:
    """What was found when a volume was read."""

    counts: dict[int, int]
    """Voxels of each label."""
    places: dict[int, npt.NDArray[np.int32]]
    """Some voxels of each label but 0."""
    digest: bytes


def prepare(
    config: TrainingConfig, scratch: Path, threads: int, beat: Callable[[], None] = lambda: None
) -> SegmentedVolumes:
    """Prepare the data in an empty scratch directory; see `data.classification.prepare`.

    Raises:
        BadData: the data cannot be trained on; names the first ten files and what is wrong.
        BadConfig: the config does not fit the data, or volumes.
        ScratchFull: the volumes do not fit.
    """
    data = config.data
    if data.format not in FORMATS:
        raise BadConfig(
            f"data.format {data.format} is for images (data.dimensions 2)", f"Use {', '.join(FORMATS)}."
        )
    patches.check_augmentation(config.augmentation, patch_size(config))
    with reading(data, scratch):
        source = directory(data, scratch, beat)
        found = pairs(source, data, config.seed)
        headers = _check_headers(found, threads, beat)
        _check_space(headers, scratch)
        prepared = _read_all(config, found, headers, scratch, threads, beat)
        if source.is_relative_to(scratch):
            shutil.rmtree(source)
    _report(prepared)
    return prepared


def _check_headers(found: Pairs, threads: int, beat: Callable[[], None]) -> list[Header]:
    problems = Problems()

    def check(number: int) -> tuple[Header | None, list[str]]:
        headers, wrong = [], []
        for path in (found.images[number], found.masks[number]):
            try:
                headers.append(volume_files.header(path))
            except BadVolume as error:
                wrong.append(f"{found.where[number]}: {path.name} {error}")
        if wrong:
            return None, wrong
        image, mask = headers
        if image.shape != mask.shape:
            wrong.append(
                f"{found.where[number]}: image {found.images[number].name} is of {_size(image)} voxels, but "
                f"mask {found.masks[number].name} of {_size(mask)}"
            )
        elif not volume_files.lie_together(image, mask):
            wrong.append(
                f"{found.where[number]}: image {found.images[number].name} is stored as "
                f"{image.orientation or 'npy'} and mask {found.masks[number].name} as "
                f"{mask.orientation or 'npy'}, and their affines do not agree"
            )
        return image, wrong

    headers = []
    with ThreadPoolExecutor(threads) as pool:
        for header, wrong in pool.map(check, range(len(found.images))):
            beat()
            for text in wrong:
                problems.add(text)
            if header is not None:
                headers.append(header)
    problems.check(MEND)
    return headers


def _size(header: Header) -> str:
    return " × ".join(map(str, header.shape))


def _check_space(headers: Sequence[Header], scratch: Path) -> None:
    needed = BYTES_A_VOXEL * sum(_voxels(header) for header in headers)
    free = shutil.disk_usage(scratch).free
    if needed > free:
        raise ScratchFull(
            f"the volumes need {needed / 2**30:.1f} GiB in {scratch}, where {free / 2**30:.1f} GiB are free",
            "Use nodes with more ephemeral storage.",
        )


def _voxels(header: Header) -> int:
    depth, height, width = header.shape
    return depth * height * width


def _read_all(
    config: TrainingConfig,
    found: Pairs,
    headers: Sequence[Header],
    scratch: Path,
    threads: int,
    beat: Callable[[], None],
) -> SegmentedVolumes:
    count = len(found.images)
    images = tuple(scratch / f"{number:06}.image.npy" for number in range(count))
    masks = tuple(scratch / f"{number:06}.mask.npy" for number in range(count))

    def read(number: int) -> _Read | list[str]:
        return _read(config, found, number, images[number], masks[number])

    problems = Problems()
    results: list[_Read] = []
    readers = min(threads, max(1, VOXELS_AT_ONCE // max(map(_voxels, headers))))
    with ThreadPoolExecutor(readers) as pool:
        for result in pool.map(read, range(count)):
            beat()
            if isinstance(result, _Read):
                results.append(result)
            else:
                for text in result:
                    problems.add(text)
    problems.check(MEND)
    where = [f"{place}: mask {mask.name}" for place, mask in zip(found.where, found.masks, strict=True)]
    labels = Labels.of([set(result.counts) for result in results], where, config.data)
    digest = hashlib.sha256()
    for result in results:
        digest.update(result.digest)
    for split, indices in found.splits.items():
        digest.update(split.encode() + indices.tobytes())
    foreground = scratch / "foreground.npy"
    np.save(foreground, np.stack([_foreground(result, labels) for result in results]))
    return SegmentedVolumes(
        classes=labels.names,
        splits=found.splits,
        digest=digest.hexdigest(),
        label_values=labels.values,
        images=images,
        masks=masks,
        foreground=foreground,
        table=labels.table(),
        voxels=np.array([_counts(result, labels) for result in results], dtype=np.int64),
    )


def _read(
    config: TrainingConfig, found: Pairs, number: int, image_cache: Path, mask_cache: Path
) -> _Read | list[str]:
    """Write the two caches of a volume, or say what is wrong with its files."""
    wrong = []
    window = config.data.intensity_window
    bounds = None if window is None else (window[0], window[1])
    image, mask = found.images[number], found.masks[number]
    try:
        np.save(image_cache, volume_files.intensities(image, bounds))
    except BadVolume as error:
        wrong.append(f"{found.where[number]}: image {image.name} {error}")
    try:
        labels = volume_files.labels(mask)
        counts = _label_counts(labels)
    except BadVolume as error:
        wrong.append(f"{found.where[number]}: mask {mask.name} {error}")
    if wrong:
        return wrong
    np.save(mask_cache, labels)
    drawn = {
        label: patches.places(
            np.flatnonzero(labels == label).astype(np.int32),
            np.random.default_rng((config.seed, number, label)),
        )
        for label in counts
        if label != 0
    }
    digest = hashlib.sha256()
    for path in (image, mask):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return _Read(counts, drawn, digest.digest())


def _label_counts(labels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> dict[int, int]:
    """Voxels of each label that occurs. Slice by slice, because the sum works on 64 bits a voxel."""
    counts = np.zeros(volume_files.MOST_LABEL + 1, dtype=np.int64)
    for part in labels:
        counts += np.bincount(part.ravel(), minlength=len(counts))
    present = np.flatnonzero(counts)
    if len(present) > volume_files.MOST_LABELS:
        raise BadVolume(f"holds {len(present)} different labels, so it is no mask")
    return {int(label): int(counts[label]) for label in present}


def _foreground(result: _Read, labels: Labels) -> patches.Places:
    none = np.full(patches.PLACES, patches.ABSENT, dtype=np.int32)
    return np.stack([result.places.get(label, none) for label in labels.values[1:]])


def _counts(result: _Read, labels: Labels) -> list[int]:
    table = labels.table()
    counts = [0] * len(labels.names)
    for label, voxels in result.counts.items():
        if table[label] != IGNORED:
            counts[table[label]] += voxels
    return counts


def _report(data: SegmentedVolumes) -> None:
    for split, indices in data.splits.items():
        counts = data.pixel_counts(split)
        total = max(1, sum(counts))
        shares = ", ".join(
            f"{name} {100 * voxels / total:.3g} %" for name, voxels in zip(data.classes, counts, strict=True)
        )
        LOGGER.info("%s: %d volumes; voxels: %s", split, len(indices), shares)
        for name, voxels in zip(data.classes, counts, strict=True):
            if not voxels:
                LOGGER.warning("no volume of %s shows %s", split, name)
