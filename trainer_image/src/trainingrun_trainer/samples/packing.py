"""How samples become files: the same content makes the same archive, byte for byte."""

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP can hold."""


def pack(members: Iterable[tuple[str, bytes]], path: Path) -> None:
    """Write a ZIP of named contents, stored as they are."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A picture, (height, width) or (height, width, 3), as PNG."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()
