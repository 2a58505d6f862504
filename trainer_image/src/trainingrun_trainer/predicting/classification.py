"""Classes of images: predictions.csv with the most probable class and the probability of each."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from trainingrun_api import TrainingConfig
from trainingrun_trainer.atomic import atomic_file
from trainingrun_trainer.data import images
from trainingrun_trainer.data.classification import Batch
from trainingrun_trainer.data.images import Shape
from trainingrun_trainer.metrics.classification import words
from trainingrun_trainer.predicting import Learned, Predictor

FILE = "predictions.csv"


class ClassPredictor(Predictor):
    """See `Predictor`."""

    def __init__(self, config: TrainingConfig, learned: Learned, out: Path) -> None:
        super().__init__(config, learned, out)
        self._shape = Shape(config.data.channels, config.data.image_size)
        self._text = io.StringIO()
        self._rows = csv.writer(self._text, lineterminator="\n")
        self._rows.writerow(
            ["filename", "label", *(f"probability_class_{word}" for word in words(learned.classes))]
        )

    def read(self, path: Path) -> torch.Tensor:
        return torch.tensor(images.decode(images.content_of(path), self._shape))

    def batch(self, samples: Sequence[torch.Tensor]) -> Batch:
        return Batch(torch.stack(list(samples)), torch.zeros(len(samples), dtype=torch.int64))

    def write(self, names: Sequence[str], samples: Sequence[Any], predictions: torch.Tensor) -> None:
        for name, probabilities in zip(names, predictions.cpu(), strict=True):
            label = self.learned.classes[int(probabilities.argmax())]
            self._rows.writerow([name, label, *(f"{value:.6g}" for value in probabilities.tolist())])

    def close(self) -> None:
        with atomic_file(self.out / FILE) as file:
            file.write(self._text.getvalue().encode())


PREDICTOR = ClassPredictor
