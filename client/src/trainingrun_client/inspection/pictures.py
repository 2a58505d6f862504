"""Width, height and colours of a picture by its first bytes."""

import struct
from dataclasses import dataclass

HEAD = 1 << 16
"""Bytes that hold the sizes of nearly all pictures; metadata of a camera come before them."""
PNG, BMP = b"\x89PNG\r\n\x1a\n", b"BM"
JPEG = b"\xff\xd8"
FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
"""Markers of JPEG that tell sizes. Source: ITU-T T.81, table B.1."""
GREYS = (0, 4)
"""Colour types of PNG without colours. Source: https://www.w3.org/TR/png-3/#11IHDR."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a file says of itself."""

    width: int
    height: int
    grey: bool


def picture(head: bytes) -> Picture | None:
    """Of PNG, JPEG or BMP; None for others, and where the head is too short."""
    try:
        if head.startswith(PNG):
            width, height, _, kind = struct.unpack_from(">IIBB", head, 16)
            return Picture(width, height, kind in GREYS)
        if head.startswith(BMP):
            width, height = struct.unpack_from("<ii", head, 18)
            return Picture(width, abs(height), False)
        if head.startswith(JPEG):
            return _jpeg(head)
    except struct.error:
        pass
    return None


def _jpeg(head: bytes) -> Picture | None:
    place = len(JPEG)
    while True:
        mark, marker, length = struct.unpack_from(">BBH", head, place)
        if mark != 0xFF:
            return None
        if marker in FRAMES:
            _, height, width, components = struct.unpack_from(">BHHB", head, place + 4)
            return Picture(width, height, components == 1)
        place += 2 + length
