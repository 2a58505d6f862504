"""Once for each node, before training: unpack, read metadata.csv, decode and check every image."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data import archive, images, metadata
from trainingrun_trainer.data.images import Images, Shape
from trainingrun_trainer.data.metadata import Metadata
from trainingrun_trainer.errors import BadData, ScratchFull


@dataclass(frozen=True)
class PreparedData:
    """A checked data set that every process of the node can open."""

    metadata: Metadata
    images: Images
    digest: str
    """SHA-256 of metadata.csv and all images: the same data, the same digest, as ZIP and as directory."""


def prepare(
    config: DataConfig, seed: int, scratch: Path, threads: int, beat: Callable[[], None] = lambda: None
) -> PreparedData:
    """Prepare the data in an empty scratch directory.

    Args:
        config: where the data are, and what they should become.
        seed: of the split.
        scratch: directory for unpacked and decoded images.
        threads: how many decode images.
        beat: called for each member that is unpacked and each image that is decoded.

    Raises:
        BadData: the data cannot be trained on; names file, row or member, and the remedy.
        BadConfig: the config does not fit the data.
        ScratchFull: the unpacked data do not fit.
    """
    try:
        return _prepare(config, seed, scratch, threads, beat)
    except PermissionError as error:
        raise BadData(
            f"{error.filename} may not be read by user {os.getuid()}",
            "Make the data readable for user and group 1000, or for everybody.",
        ) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise ScratchFull(
            f"no space is left in {scratch} to unpack {config.path}",
            "Use data.format directory, or nodes with more ephemeral storage.",
        ) from error


def _prepare(
    config: DataConfig, seed: int, scratch: Path, threads: int, beat: Callable[[], None]
) -> PreparedData:
    directory = _directory(config, scratch, beat)
    table = metadata.read(directory, config, seed)
    decoded, images_digest = images.load(
        directory / metadata.IMAGES,
        table.files,
        Shape(config.channels, config.image_size),
        scratch,
        threads,
        beat,
    )
    if decoded.cache is not None and directory.is_relative_to(scratch):
        shutil.rmtree(directory / metadata.IMAGES)
    digest = hashlib.sha256((directory / metadata.FILE).read_bytes())
    digest.update(images_digest.encode())
    return PreparedData(table, decoded, digest.hexdigest())


def _directory(config: DataConfig, scratch: Path, beat: Callable[[], None]) -> Path:
    path = Path(config.path)
    if config.format == "zip":
        extracted = scratch / "extracted"
        extracted.mkdir()
        archive.extract(path, extracted, config.limits, beat)
        return extracted
    if not path.is_dir():
        raise BadData(f"data.path {path} is not a directory", "Check the path and the volume mounted there.")
    return path


def agreed(prepared: list[PreparedData]) -> None:
    """Check that all nodes prepared the same data.

    Raises:
        BadData: they did not.
    """
    if len({data.digest for data in prepared}) > 1:
        raise BadData("the nodes see different data at data.path", "Mount the same volume on every node.")


def check_ranks(data: PreparedData, world_size: int) -> None:
    """Check that every rank gets images of every split.

    Raises:
        BadData: a split has fewer images than there are ranks.
    """
    for split, indices in data.metadata.splits.items():
        if len(indices) < world_size:
            raise BadData(
                f"the {split} split has {len(indices)} images for {world_size} training processes",
                "Lower nodes or processesPerNode, or add images.",
            )
