"""Masks of images as PNG and of volumes as NIfTI or npy, with the labels and the size of the files given."""

import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from trainingrun_api import TrainingConfig
from trainingrun_trainer.atomic import atomic_file
from trainingrun_trainer.data import images, volume_files
from trainingrun_trainer.data.images import Unreadable
from trainingrun_trainer.data.segmentation import SegmentationBatch
from trainingrun_trainer.data.volume_files import BadVolume, Header
from trainingrun_trainer.errors import BadData
from trainingrun_trainer.predicting import Learned, Predictor

LARGEST_GREY = 255


class _Picture(NamedTuple):
    pixels: torch.Tensor
    size: tuple[int, int]
    """Width and height of the file."""


class _Volume(NamedTuple):
    voxels: torch.Tensor
    header: Header


class MaskPredictor(Predictor):
    """What masks of images and of volumes have in common."""

    def __init__(self, config: TrainingConfig, learned: Learned, out: Path) -> None:
        super().__init__(config, learned, out)
        wide = max(learned.label_values) > LARGEST_GREY
        self._labels = np.array(learned.label_values, dtype=np.uint16 if wide else np.uint8)
        self._sources: dict[Path, str] = {}

    def _target(self, name: str, suffix: str) -> Path:
        """Where the mask of a file goes.

        Raises:
            BadData: that of another file went there.
        """
        end = next(end for end in sorted(self.suffixes, key=len, reverse=True) if name.lower().endswith(end))
        target = self.out / f"{name[: -len(end)]}{suffix}"
        if target in self._sources:
            raise BadData(
                f"the masks of {self._sources[target]} and {name} would both be {target}",
                "Rename one of the two files.",
            )
        self._sources[target] = name
        return target


class PicturePredictor(MaskPredictor):
    """One PNG for each image."""

    def read(self, path: Path) -> _Picture:
        data = self.config.data
        picture = images.picture(images.content_of(path), data.channels)
        return _Picture(torch.tensor(images.resized(picture, data.image_size)), picture.size)

    def batch(self, samples: Sequence[_Picture]) -> SegmentationBatch:
        pixels = torch.stack([sample.pixels for sample in samples])
        return SegmentationBatch(pixels, torch.zeros(len(pixels), *pixels.shape[2:], dtype=torch.int64))

    def write(self, names: Sequence[str], samples: Sequence[_Picture], predictions: torch.Tensor) -> None:
        for name, sample, classes in zip(names, samples, predictions.cpu().numpy(), strict=True):
            mask = Image.fromarray(self._labels[classes]).resize(sample.size, Image.Resampling.NEAREST)
            with atomic_file(self._target(name, ".png")) as file:
                mask.save(file, "PNG")


class VolumePredictor(MaskPredictor):
    """One file for each volume, of its own kind. NIfTI is written in canonical orientation."""

    suffixes = volume_files.SUFFIXES

    @property
    def batch_size(self) -> int:
        return 1

    def read(self, path: Path) -> _Volume:
        window = self.config.data.intensity_window
        try:
            bounds = None if window is None else (window[0], window[1])
            voxels = volume_files.intensities(path, bounds).astype(np.float32)
            return _Volume(torch.from_numpy(voxels), volume_files.header(path))
        except BadVolume as error:
            raise Unreadable(str(error)) from error

    def batch(self, samples: Sequence[_Volume]) -> SegmentationBatch:
        voxels = torch.stack([sample.voxels for sample in samples])
        return SegmentationBatch(voxels.unsqueeze(1), torch.zeros(voxels.shape, dtype=torch.int64))

    def write(self, names: Sequence[str], samples: Sequence[_Volume], predictions: torch.Tensor) -> None:
        for name, sample, classes in zip(names, samples, predictions.cpu().numpy(), strict=True):
            labels, affine = self._labels[classes], sample.header.affine
            with atomic_file(self._target(name, ".npy" if affine is None else ".nii.gz")) as file:
                file.write(_npy(labels) if affine is None else _nifti(labels, affine))


def _npy(labels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    content = io.BytesIO()
    np.save(content, labels)
    return content.getvalue()


def _nifti(labels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], affine: npt.NDArray[np.float64]) -> bytes:
    image = nib.Nifti1Image(labels.transpose(2, 1, 0), affine)
    return gzip.compress(image.to_bytes(), mtime=0)


def predictor(config: TrainingConfig, learned: Learned, out: Path) -> MaskPredictor:
    """That of images or of volumes."""
    kind = PicturePredictor if config.data.dimensions == 2 else VolumePredictor
    return kind(config, learned, out)


PREDICTOR = predictor
