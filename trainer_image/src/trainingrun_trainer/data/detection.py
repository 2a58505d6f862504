"""Pictures with objects in them: boxes, and for instance segmentation their masks.

annotations (coco, yolo, dataset_json) -> every picture decoded once and every object checked against it ->
files that all processes of the node map -> batches. A picture is kept with its longer side at data.imageSize
and its shape as it was; torchvision pads a batch itself. Masks are kept as run-length encodings
and drawn for each batch.
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import tv_tensors

from trainingrun_api import TrainingConfig
from trainingrun_api.training import AugmentationConfig, DataConfig
from trainingrun_trainer.data import coco, dataset_objects, images, yolo
from trainingrun_trainer.data.augmentation import augment_sample, changes
from trainingrun_trainer.data.images import Pixels, Unreadable
from trainingrun_trainer.data.instances import AnnotatedImage, Annotations, Box, clip, decode, encode, scaled
from trainingrun_trainer.data.metadata import Indices
from trainingrun_trainer.data.prepared import PreparedData, directory, reading
from trainingrun_trainer.data.problems import Problems
from trainingrun_trainer.data.ragged import Ragged, RaggedWriter
from trainingrun_trainer.data.sampler import Key, generator
from trainingrun_trainer.errors import BadData
from trainingrun_trainer.logs import LOGGER

OBJECT = np.dtype([("box", "<f4", 4), ("label", "<i8"), ("crowd", "?")])
ADVICE = "Correct or drop them: nothing is trained on what may be wrong."

Target = dict[str, torch.Tensor]


class DetectionBatch(NamedTuple):
    """Pictures, each (channels, height, width) of uint8, and what is in them.

    A target has boxes (objects, 4) of left, top, right, bottom in pixels as float32; labels (objects,) from 1
    as int64, for 0 is the background; iscrowd (objects,) of 0 and 1 as int64; with masks also masks
    (objects, height, width) of 0 and 1 as uint8.
    """

    images: list[torch.Tensor]
    targets: list[Target]


@dataclass(frozen=True)
class DetectedImages(PreparedData):
    """A checked data set of pictures and the objects in them."""

    paths: tuple[Path, ...]
    channels: int
    sizes: Indices
    """Width and height that each picture is brought to, (pictures, 2)."""
    pixels: Ragged | None
    """Decoded pictures; None where they do not fit."""
    objects: Ragged
    """The objects of each picture as OBJECT."""
    masks: Ragged | None
    """For each object of `objects`, in order, the run-length encoding of its mask."""

    def image(self, index: int) -> torch.Tensor:
        """One picture, (channels, height, width) of uint8."""
        width, height = self.sizes[index].tolist()
        if self.pixels is None:
            picture = images.picture(self.paths[index].read_bytes(), self.channels)
            return torch.from_numpy(resized(picture, (width, height)))
        return torch.from_numpy(self.pixels[index].reshape(self.channels, height, width))

    def target(self, index: int) -> Target:
        """The objects of one picture, see `DetectionBatch`."""
        objects = self.objects[index]
        target = {
            "boxes": torch.from_numpy(objects["box"].copy()),
            "labels": torch.from_numpy(objects["label"] + 1),
            "iscrowd": torch.from_numpy(objects["crowd"].astype(np.int64)),
        }
        if self.masks is not None:
            width, height = self.sizes[index].tolist()
            first = int(self.objects.offsets[index])
            drawn = [
                decode(self.masks[first + number].tobytes(), (width, height))
                for number in range(len(objects))
            ]
            target["masks"] = torch.from_numpy(
                np.stack(drawn) if drawn else np.zeros((0, height, width), np.uint8)
            )
        return target

    def batches(self, config: TrainingConfig, *, augmented: bool) -> "DetectionDataset":
        return DetectionDataset(self, config.augmentation if augmented else None, config.seed)


@dataclass(frozen=True)
class DetectionDataset(Dataset[DetectionBatch]):
    """Whole batches of pictures by their keys. Those for training have no crowds, which no loss can count."""

    data: DetectedImages
    augmentation: AugmentationConfig | None
    seed: int

    def __getitem__(self, key: Key) -> DetectionBatch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> DetectionBatch:
        samples = [self._sample(key) for key in keys]
        return DetectionBatch([image for image, _ in samples], [target for _, target in samples])

    def _sample(self, key: Key) -> tuple[torch.Tensor, Target]:
        image, target = self.data.image(key[1]), self.data.target(key[1])
        if self.augmentation is None:
            return image, target
        single = target["iscrowd"] == 0
        target = {name: values[single] for name, values in target.items()}
        if not changes(self.augmentation):
            return image, target
        placed: dict[str, Any] = target | {
            "boxes": tv_tensors.BoundingBoxes(
                target["boxes"],
                format=tv_tensors.BoundingBoxFormat.XYXY,
                canvas_size=(image.shape[1], image.shape[2]),
            )
        }
        if "masks" in target:
            placed["masks"] = tv_tensors.Mask(target["masks"])
        changed, placed = augment_sample(
            tv_tensors.Image(image), placed, self.augmentation, generator(self.seed, *key)
        )
        return changed.as_subclass(torch.Tensor), {
            name: values.as_subclass(torch.Tensor) for name, values in placed.items()
        }


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


def fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Width and height with the longer side at a length."""
    factor = longest / max(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def resized(picture: Image.Image, size: tuple[int, int]) -> Pixels:
    """A picture of mode L or RGB as (channels, height, width)."""
    pixels = np.asarray(picture.resize(size, Image.Resampling.BILINEAR), dtype=np.uint8)
    return pixels[np.newaxis] if pixels.ndim == 2 else np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
