"""Annotated pictures on disk become a checked data set of `detection_batches`.

annotations (coco, yolo, dataset_json) -> every picture decoded once and every object checked against it ->
files that all processes of the node map.
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from trainingrun_api import TrainingConfig
from trainingrun_api.training import DataConfig
from trainingrun_trainer.data import coco, dataset_objects, images, yolo
from trainingrun_trainer.data.detection_batches import OBJECT, DetectedImages, fitted, resized
from trainingrun_trainer.data.images import Pixels, Unreadable
from trainingrun_trainer.data.instances import AnnotatedImage, Annotations, Box, clip, encode, scaled
from trainingrun_trainer.data.prepared import directory, reading
from trainingrun_trainer.data.problems import Problems
from trainingrun_trainer.data.ragged import RaggedWriter
from trainingrun_trainer.errors import BadData
from trainingrun_trainer.logs import LOGGER

ADVICE = "Correct or drop them: nothing is trained on what may be wrong."


class Reader(Protocol):
    """Reads the annotations of one format."""

    def __call__(self, source: Path, config: DataConfig, seed: int, *, masks: bool) -> Annotations: ...


READERS: dict[str, Reader] = {
    "coco": coco.read,
    "yolo": yolo.read,
    "dataset-json": dataset_objects.read,
}


def prepare(
    config: TrainingConfig, scratch: Path, threads: int, beat: Callable[[], None] = lambda: None
) -> DetectedImages:
    """Prepare the data in an empty scratch directory, with masks for instance segmentation.

    Args:
        config: where the data are, what they should become, and the seed of the split.
        scratch: directory for unpacked and decoded pictures.
        threads: how many decode pictures.
        beat: called for each member that is unpacked and each picture that is decoded.

    Raises:
        BadData: the data cannot be trained on; names the first problems, and the remedy.
        ScratchFull: the unpacked data do not fit.
    """
    data = config.data
    masks = config.task == "instance-segmentation"
    with reading(data, scratch):
        source = directory(data, scratch, beat)
        annotations = READERS[data.format](source, data, config.seed, masks=masks)
        _check(annotations)
        detected = _store(annotations, data, masks, scratch, threads, beat)
        if detected.pixels is not None and source.is_relative_to(scratch):
            shutil.rmtree(source)
    return detected


def _check(annotations: Annotations) -> None:
    """Refuse what no picture needs to be opened for."""
    problems = Problems()
    times = Counter(image.path for image in annotations.images)
    for image in annotations.images:
        if times[image.path] > 1:
            problems.add(f"{image.where} is there twice")
    problems.check("Keep each image once, and in one split.")
    for split in ("train", "val"):
        if split not in annotations.splits:
            raise BadData(f"the {split} split is empty", f"Assign images to {split}.")
    found = {split: _counts(annotations, split) for split in annotations.splits}
    for split, counts in found.items():
        LOGGER.info(
            "%s: %d images, %d objects: %s",
            split,
            len(annotations.splits[split]),
            sum(counts.values()),
            ", ".join(f"{counts[label]} {name}" for label, name in enumerate(annotations.classes)),
        )
        if not counts:
            raise BadData(
                f"no image of the {split} split has an object", f"Assign annotated images to {split}."
            )
        for label in sorted(counts.keys() - found["train"].keys()):
            LOGGER.warning("class %r is in %s and not in train", annotations.classes[label], split)


def _counts(annotations: Annotations, split: str) -> Counter[int]:
    """Objects of each class, the crowds apart."""
    return Counter(
        instance.label
        for index in annotations.splits[split]
        for instance in annotations.images[index].instances
        if not instance.crowd
    )


@dataclass
class _Prepared:
    """What became of one picture."""

    size: tuple[int, int]
    pixels: Pixels
    digest: bytes
    objects: list[tuple[Box, int, bool]] = field(default_factory=list)
    masks: list[bytes] = field(default_factory=list)
    cut: int = 0
    problems: list[str] = field(default_factory=list)


def _store(
    annotations: Annotations,
    config: DataConfig,
    masks: bool,
    scratch: Path,
    threads: int,
    beat: Callable[[], None],
) -> DetectedImages:
    annotated = annotations.images
    fits = images.fits(len(annotated) * config.channels * config.image_size**2, scratch)
    problems = Problems()
    digest = hashlib.sha256(annotations.digest)
    sizes: list[tuple[int, int]] = []
    cut = 0
    with (
        RaggedWriter(scratch / "pixels", np.uint8) as pixels,
        RaggedWriter(scratch / "objects", OBJECT) as objects,
        RaggedWriter(scratch / "masks", np.uint8) as encodings,
    ):
        for _, prepared in images.read_all(
            lambda index: _prepare_one(annotated[index], config, masks),
            [image.where for image in annotated],
            threads,
            ADVICE,
        ):
            for problem in prepared.problems:
                problems.add(problem)
            sizes.append(prepared.size)
            if fits:
                pixels.append(prepared.pixels)
            objects.append(np.array(prepared.objects, dtype=OBJECT))
            for mask in prepared.masks:
                encodings.append(np.frombuffer(mask, np.uint8))
            digest.update(prepared.digest)
            cut += prepared.cut
            beat()
        problems.check(ADVICE)
        if cut:
            LOGGER.warning("%d objects reached out of their images and were cut at the edge", cut)
        return DetectedImages(
            annotations.classes,
            annotations.splits,
            digest.hexdigest(),
            tuple(image.path for image in annotated),
            config.channels,
            np.array(sizes, dtype=np.int64),
            pixels.finish() if fits else None,
            objects.finish(),
            encodings.finish() if masks else None,
        )


def _prepare_one(image: AnnotatedImage, config: DataConfig, masks: bool) -> _Prepared:
    content = images.content_of(image.path)
    picture = images.picture(content, config.channels)
    if image.size is not None and image.size != picture.size:
        raise Unreadable(
            f"is {image.size[0]} x {image.size[1]} in the annotations and {picture.width} x {picture.height} "
            "in the file"
        )
    size = fitted(picture.size, config.image_size)
    extent = image.extent(picture.size)
    result = _Prepared(size, resized(picture, size), hashlib.sha256(content).digest())
    for instance in image.instances:
        try:
            box = clip(instance.box, extent)
            if masks:
                assert instance.segmentation is not None
                result.masks.append(encode(instance.segmentation, extent, size))
        except ValueError as error:
            result.problems.append(f"{instance.where} {error}")
            continue
        result.cut += box != instance.box
        result.objects.append((scaled(box, extent, size), instance.label, instance.crowd))
    return result
