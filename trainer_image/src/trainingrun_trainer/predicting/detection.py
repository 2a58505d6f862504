"""Objects in pictures: predictions.json, in the pixels of the files given.

An array with one entry for each file: file_name, width, height, and objects, the best first, each with class,
score, bbox (left, top, width, height) and perhaps segmentation, COCO's run-length encoding (size and counts).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch.nn import functional

from trainingrun_api import TrainingConfig
from trainingrun_trainer.artifacts import as_json
from trainingrun_trainer.atomic import atomic_file
from trainingrun_trainer.data import images
from trainingrun_trainer.data.detection_batches import DetectionBatch, fitted, resized
from trainingrun_trainer.predicting import Learned, Predictor

FILE = "predictions.json"


class _Picture(NamedTuple):
    pixels: torch.Tensor
    size: tuple[int, int]
    """Width and height of the file."""


class ObjectPredictor(Predictor):
    """See `Predictor`."""

    def __init__(self, config: TrainingConfig, learned: Learned, out: Path) -> None:
        super().__init__(config, learned, out)
        self._entries: list[dict[str, Any]] = []

    def read(self, path: Path) -> _Picture:
        picture = images.picture(images.content_of(path), self.config.data.channels)
        size = fitted(picture.size, self.config.data.image_size)
        return _Picture(torch.tensor(resized(picture, size)), picture.size)

    def batch(self, samples: Sequence[_Picture]) -> DetectionBatch:
        return DetectionBatch([sample.pixels for sample in samples], [])

    def write(
        self,
        names: Sequence[str],
        samples: Sequence[_Picture],
        predictions: Sequence[Mapping[str, torch.Tensor]],
    ) -> None:
        for name, sample, found in zip(names, samples, predictions, strict=True):
            width, height = sample.size
            scale = torch.tensor([width / sample.pixels.shape[2], height / sample.pixels.shape[1]]).repeat(2)
            boxes = found["boxes"].float().cpu() * scale
            boxes[:, 2:] -= boxes[:, :2]
            objects = [
                {"class": self.learned.classes[label - 1], "score": score, "bbox": box}
                for label, score, box in zip(
                    found["labels"].tolist(), found["scores"].tolist(), boxes.tolist(), strict=True
                )
            ]
            if "masks" in found:
                for thing, mask in zip(objects, found["masks"].cpu(), strict=True):
                    thing["segmentation"] = _encoded(mask, (width, height))
            self._entries.append({"file_name": name, "width": width, "height": height, "objects": objects})

    def close(self) -> None:
        with atomic_file(self.out / FILE) as file:
            file.write(as_json(self._entries))


def _encoded(mask: torch.Tensor, size: tuple[int, int]) -> dict[str, Any]:
    width, height = size
    scaled = functional.interpolate(mask[None, None].float(), (height, width), mode="nearest")[0, 0]
    encoded = coco_mask.encode(np.asfortranarray(scaled.numpy().astype(np.uint8)))
    return {"size": [height, width], "counts": encoded["counts"].decode()}
