"""Pictures of machine parts on a bench, washers (rings) and plates (turned rectangles), as COCO.

images/ holds PNG, annotations.json boxes and polygons. Every twelfth bench is empty.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from trainingrun_trainer.samples.packing import pack, png

PICTURES = 120
WIDTH, HEIGHT = 128, 96
SEED = 13
KINDS = ("washer", "plate")
MOST_PARTS = 4
CORNERS = 24
"""Of the polygon around a washer."""

Outline = npt.NDArray[np.float64]


def write_parts(path: Path, pictures: int = PICTURES) -> None:
    """Write the archive."""
    pack(_members(pictures), path)


def _members(pictures: int) -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(SEED)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(pictures):
        picture, parts = bench(random, 0 if number % 12 == 11 else int(random.integers(1, MOST_PARTS + 1)))
        name = f"bench_{number:03}.png"
        yield f"images/{name}", png(picture)
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for kind, outline in parts:
            annotations.append({"id": len(annotations) + 1, "image_id": number, **_annotation(kind, outline)})
    content = {
        "images": images,
        "categories": [{"id": number, "name": name} for number, name in enumerate(KINDS, 1)],
        "annotations": annotations,
    }
    yield "annotations.json", json.dumps(content).encode()


def _annotation(kind: int, outline: Outline) -> dict[str, Any]:
    (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
    box = [left, top, right - left, bottom - top]
    return {
        "category_id": kind + 1,
        "bbox": [round(value, 2) for value in box],
        "segmentation": [[round(value, 2) for value in outline.ravel().tolist()]],
        "area": round(float(box[2] * box[3]), 2),
        "iscrowd": 0,
    }


def bench(random: np.random.Generator, parts: int) -> tuple[npt.NDArray[np.uint8], list[tuple[int, Outline]]]:
    """One picture, (HEIGHT, WIDTH, 3), and the kind and outline, (corners, 2), of each part on it."""
    base = random.uniform(70, 110)
    picture = Image.new("RGB", (WIDTH, HEIGHT), tuple(int(base + tint) for tint in (0, 6, 12)))
    draw = ImageDraw.Draw(picture)
    found: list[tuple[int, Outline]] = []
    taken: list[tuple[float, float, float]] = []
    while len(found) < parts:
        radius = random.uniform(11, 19)
        x, y = random.uniform(radius, WIDTH - radius), random.uniform(radius, HEIGHT - radius)
        if any((x - left) ** 2 + (y - top) ** 2 < (radius + other) ** 2 for left, top, other in taken):
            parts -= 1  # no room for it
            continue
        taken.append((x, y, radius))
        kind = int(random.integers(len(KINDS)))
        outline = np.array([x, y]) + radius * _shape(kind, random)
        shade = int(random.uniform(170, 230))
        draw.polygon([tuple(point) for point in outline.tolist()], fill=(shade, shade, shade - 10))
        if kind == 0:
            hole = radius * random.uniform(0.35, 0.5)
            draw.ellipse((x - hole, y - hole, x + hole, y + hole), fill=(40, 40, 45))
        found.append((kind, outline))
    noisy = np.asarray(picture) + random.normal(0, 6, (HEIGHT, WIDTH, 1))
    return noisy.clip(0, 255).round().astype(np.uint8), found


def _shape(kind: int, random: np.random.Generator) -> Outline:
    """The corners of a part of radius 1 around the origin, (corners, 2)."""
    turn = random.uniform(0, 2 * np.pi)
    if kind == 0:
        angles = turn + np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    else:
        half = random.uniform(0.45, 0.7)  # half of the angle between two corners on the longer side
        angles = turn + np.array([half, np.pi - half, np.pi + half, -half])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)
