"""Pictures of what a network says of a sample, beside the sample itself and the truth. Pure."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw
from torchvision.transforms.v2.functional import resize
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

from trainingrun_trainer.report.palette import BRIGHT

IGNORED = 255
"""In masks: counts nowhere."""
OPACITY = 0.5
SMALLEST, LARGEST = 256, 1024
"""Pixels of a panel's shorter and longer side: smaller ones are enlarged by a whole number, larger ones are
shrunk."""
GAP = 8
MOST_ON_SHEET = 24
CAPTION = 24
"""Pixels in height."""
SCORE = 0.5
"""Least score of a detection that is shown."""
MOST_DETECTIONS = 50


@dataclass(frozen=True)
class Picture:
    """A sample with what the network says of it."""

    caption: str
    pixels: torch.Tensor
    """(3, height, width) uint8."""
    right: bool | None = None
    """Whether the prediction is right, where that is a yes or no."""


def classified(
    image: torch.Tensor, probabilities: torch.Tensor, label: int, classes: Sequence[str]
) -> Picture:
    """An image, (channels, height, width) uint8, its class, and the likeliest of (classes,)."""
    predicted = int(probabilities.argmax())
    caption = f"true {classes[label]}, predicted {classes[predicted]} ({float(probabilities[predicted]):.2f})"
    return Picture(caption, shrunk(enlarged(rgb(image))), predicted == label)


def segmented(image: torch.Tensor, truth: torch.Tensor, prediction: torch.Tensor) -> Picture:
    """Image | truth | prediction, with the classes but the first as colours. What is ignored stays blank.

    Args:
        image: (channels, height, width) uint8, or (channels, depth, height, width) in [0, 1]: of a volume the
            slice is shown that has most of the true foreground.
        truth: classes, (height, width) or (depth, height, width).
        prediction: the same shape.
    """
    caption = "image, truth, prediction"
    if truth.ndim == 3:
        foreground = ((truth > 0) & (truth != IGNORED)).sum(dim=(1, 2))
        middle = len(foreground) // 2
        index = int(foreground.argmax()) if foreground.any() else middle
        image, truth, prediction = image[:, index], truth[index], prediction[index]
        caption = f"slice {index}: {caption}"
    picture = rgb(image)
    prediction = torch.where(truth == IGNORED, IGNORED, prediction)
    panels = [picture, *(masked(picture, classes) for classes in (truth, prediction))]
    valid = truth != IGNORED
    right = (truth == prediction)[valid].double().mean() if valid.any() else torch.tensor(0.0)
    return Picture(f"{caption}; {float(right):.1%} of the pixels right", strip(panels))


def masked(picture: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """A picture under a mask of classes, (height, width)."""
    present = [index for index in torch.unique(classes).tolist() if index not in (0, IGNORED)]
    if not present:
        return picture
    layers = torch.stack([classes == index for index in present])
    drawn: torch.Tensor = draw_segmentation_masks(
        picture, layers, alpha=OPACITY, colors=[colour(index - 1) for index in present]
    )
    return drawn


def detected(
    image: torch.Tensor,
    truth: Mapping[str, torch.Tensor],
    prediction: Mapping[str, torch.Tensor],
    classes: Sequence[str],
) -> Picture:
    """Truth | prediction as boxes and, where there are any, masks.

    Args:
        image: (channels, height, width) uint8.
        truth: boxes (n, 4) in pixels, labels (n,) from 1, perhaps masks (n, height, width).
        prediction: the same with scores (n,); those from SCORE on are shown, the best ones first.
        classes: name of label 1, 2, ...
    """
    kept = (prediction["scores"] >= SCORE).nonzero().squeeze(1)[:MOST_DETECTIONS]
    shown = {name: values[kept] for name, values in prediction.items()}
    names = [_name(label, classes) for label in shown["labels"].tolist()]
    scored = [f"{name} {score:.2f}" for name, score in zip(names, shown["scores"].tolist(), strict=True)]
    true_names = [_name(label, classes) for label in truth["labels"].tolist()]
    picture = rgb(image)
    panels = [_boxed(picture, truth, true_names), _boxed(picture, shown, scored)]
    return Picture(f"truth, prediction; {len(true_names)} true, {len(scored)} found", strip(panels))


def _name(label: int, classes: Sequence[str]) -> str:
    return classes[label - 1] if 0 < label <= len(classes) else str(label)


def _boxed(picture: torch.Tensor, found: Mapping[str, torch.Tensor], names: list[str]) -> torch.Tensor:
    if not names:
        return enlarged(picture)
    colours = [colour(label - 1) for label in found["labels"].tolist()]
    if "masks" in found:
        masks = found["masks"].reshape(len(names), *picture.shape[1:]) > 0.5
        picture = draw_segmentation_masks(picture, masks, alpha=OPACITY, colors=colours)
    factor = _factor(picture)
    # text is drawn at a fixed size, so the picture comes to its size first
    drawn: torch.Tensor = draw_bounding_boxes(
        enlarged(picture),
        found["boxes"] * factor,
        labels=names,
        colors=colours,
        width=2,
        label_colors="black",
        fill_labels=True,
    )
    return drawn


def rgb(image: torch.Tensor) -> torch.Tensor:
    """(channels, height, width) of uint8, or of floats in [0, 1], as (3, height, width) uint8."""
    if image.is_floating_point():
        image = (image.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return image[:1].expand(3, -1, -1).contiguous() if image.shape[0] != 3 else image.contiguous()


def enlarged(picture: torch.Tensor) -> torch.Tensor:
    """A picture whose shorter side has at least SMALLEST pixels where LARGEST allows it, each of its own a
    square of some."""
    factor = _factor(picture)
    return picture.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)


def _factor(picture: torch.Tensor) -> int:
    shorter, longer = sorted(picture.shape[1:])
    return max(1, min(-(-SMALLEST // shorter), LARGEST // longer))


def shrunk(picture: torch.Tensor) -> torch.Tensor:
    """A picture whose longer side has at most LARGEST pixels."""
    height, width = picture.shape[1:]
    if max(height, width) <= LARGEST:
        return picture
    share = LARGEST / max(height, width)
    result: torch.Tensor = resize(picture, [max(1, int(height * share)), max(1, int(width * share))])
    return result


def strip(panels: Sequence[torch.Tensor]) -> torch.Tensor:
    """Panels of one size side by side, enlarged if they are small."""
    first, *others = [shrunk(enlarged(panel)) for panel in panels]
    gap = torch.full((3, first.shape[1], GAP), 255, dtype=torch.uint8)
    return torch.cat([first, *(part for panel in others for part in (gap, panel))], dim=2)


def colour(index: int) -> str:
    """The colour of a class, its background apart."""
    return BRIGHT[index % len(BRIGHT)]


def sheet(pictures: Sequence[Picture], columns: int = 4) -> Image.Image:
    """The first pictures in a grid, each above its caption."""
    pictures = pictures[:MOST_ON_SHEET]
    width = max(picture.pixels.shape[2] for picture in pictures) + GAP
    height = max(picture.pixels.shape[1] for picture in pictures) + CAPTION
    columns = min(columns, len(pictures))
    grid = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height), "white")
    draw = ImageDraw.Draw(grid)
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        corner = column * width, row * height
        grid.paste(as_image(picture.pixels), corner)
        draw.text((corner[0] + 4, corner[1] + picture.pixels.shape[1] + 4), picture.caption, "black")
    return grid


def as_image(pixels: torch.Tensor) -> Image.Image:
    """(3, height, width) uint8 as Pillow has it."""
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def png(image: Image.Image) -> bytes:
    """The content of a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
