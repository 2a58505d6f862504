"""Pictures of predictions: what is coloured, and what is left as it was."""

import io
from typing import Any

import pytest
import torch
from PIL import Image

from trainingrun_trainer.data.classification import Batch
from trainingrun_trainer.data.segmentation import SegmentationBatch
from trainingrun_trainer.report import drawings, overlays
from trainingrun_trainer.report.overlays import GAP, SMALLEST, Picture
from trainingrun_trainer.report.samples import chosen

GREY = torch.full((3, 4, 6), 100, dtype=torch.uint8)


def changed(before: torch.Tensor, after: torch.Tensor) -> list[list[bool]]:
    return (before != after).any(dim=0).tolist()


def test_the_background_and_what_is_ignored_keep_their_colours() -> None:
    classes = torch.zeros(4, 6, dtype=torch.int64)
    classes[0, 0], classes[1, 1], classes[2, 2] = 1, 2, overlays.IGNORED
    drawn = overlays.masked(GREY, classes)
    assert changed(GREY, drawn) == ((classes > 0) & (classes < 255)).tolist()
    assert drawn[:, 0, 0].tolist() != drawn[:, 1, 1].tolist()
    assert overlays.masked(GREY, torch.zeros_like(classes)) is GREY


def test_a_segmentation_shows_image_truth_and_prediction_where_the_truth_is_known() -> None:
    truth = torch.zeros(4, 6, dtype=torch.int64)
    truth[0] = overlays.IGNORED
    truth[1] = 1
    prediction = torch.ones(4, 6, dtype=torch.int64)
    (picture,) = drawings.segmentations(
        SegmentationBatch(GREY[None], truth[None]), prediction[None], ["a", "b"]
    )
    factor = SMALLEST // 4
    assert picture.pixels.shape == (3, SMALLEST, 3 * 6 * factor + 2 * GAP)
    assert "33.3% of the pixels right" in picture.caption
    image, true, found = (
        picture.pixels[:, ::factor, start : start + 6 * factor : factor]
        for start in (n * (6 * factor + GAP) for n in range(3))
    )
    assert torch.equal(image, GREY)
    assert changed(image, true) == (truth == 1).tolist()
    assert changed(image, found) == (truth != overlays.IGNORED).tolist()


@pytest.mark.parametrize(("marked", "shown"), [(2, 2), (None, 2)])
def test_of_a_volume_the_slice_with_most_foreground_is_shown(marked: int | None, shown: int) -> None:
    volume = torch.zeros(1, 5, 4, 4)
    volume[:, shown] = 1.0
    truth = torch.zeros(5, 4, 4, dtype=torch.int64)
    if marked is not None:
        truth[marked, 0] = 1
        truth[4, 0, 0] = 1
    picture = overlays.segmented(volume, truth, torch.zeros_like(truth))
    assert picture.caption.startswith(f"slice {shown}: ")
    assert picture.pixels[:, 0, 0].tolist() == [255, 255, 255]


def found(boxes: list[list[float]], labels: list[int], **more: Any) -> dict[str, torch.Tensor]:
    return {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        **{name: torch.as_tensor(values) for name, values in more.items()},
    }


def test_detections_below_the_threshold_are_not_shown() -> None:
    image = torch.full((1, 300, 400), 50, dtype=torch.uint8)
    truth = found([[10, 10, 60, 60]], [2])
    unsure = found([[100, 100, 200, 200]], [1], scores=[0.49])
    picture = overlays.detected(image, truth, unsure, ["cat", "dog"])
    assert picture.caption == "truth, prediction; 1 true, 0 found"
    plain = overlays.rgb(image)
    assert any(map(any, changed(plain, picture.pixels[:, :, :400])))
    assert torch.equal(picture.pixels[:, :, 400 + GAP :], plain)
    sure = found([[100, 100, 200, 200]], [1], scores=[0.51], masks=torch.zeros(1, 1, 300, 400))
    sure["masks"][0, 0, 250, 250] = 0.9
    drawn = overlays.detected(image, truth, sure, ["cat", "dog"]).pixels[:, :, 400 + GAP :]
    assert changed(plain, drawn)[250][250]
    assert changed(plain, drawn)[100][150]
    assert not changed(plain, drawn)[150][150]


def test_an_image_without_objects_is_shown_as_it_is() -> None:
    nothing = found([], [], scores=[])
    picture = overlays.detected(GREY, found([], []), nothing, ["cat"])
    assert torch.equal(picture.pixels[:, 0, 0], GREY[:, 0, 0])


def test_a_classification_says_what_is_right() -> None:
    batch = Batch(GREY[None].repeat(2, 1, 1, 1), torch.tensor([0, 1]))
    pictures = drawings.classifications(batch, torch.tensor([[0.75, 0.25], [0.9, 0.1]]), ["cat", "dog"])
    assert [(picture.caption, picture.right) for picture in pictures] == [
        ("true cat, predicted cat (0.75)", True),
        ("true dog, predicted cat (0.90)", False),
    ]


@pytest.mark.parametrize(
    ("size", "panel"),
    [((100, 100), (300, 300)), ((300, 400), (300, 400)), ((3000, 1500), (1024, 512)), ((2, 2048), (1, 1024))],
)
def test_pictures_are_neither_tiny_nor_huge(size: tuple[int, int], panel: tuple[int, int]) -> None:
    batch = Batch(torch.zeros(1, 1, *size, dtype=torch.uint8), torch.tensor([0]))
    (picture,) = drawings.classifications(batch, torch.tensor([[1.0, 0.0]]), ["cat", "dog"])
    assert picture.pixels.shape[1:] == panel


def test_a_sheet_holds_the_first_pictures_in_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [Picture("caption", torch.full((3, 40, 30), 10 * n, dtype=torch.uint8)) for n in range(8)]
    monkeypatch.setattr(overlays, "MOST_ON_SHEET", 5)
    with Image.open(io.BytesIO(overlays.png(overlays.sheet(pictures, columns=2)))) as sheet:
        assert sheet.size == (2 * (30 + GAP), 3 * (40 + overlays.CAPTION))
        assert sheet.getpixel((5, 2 * (40 + overlays.CAPTION) + 5)) == (40, 40, 40)


def test_samples_are_chosen_by_the_seed_alone() -> None:
    indices = list(range(100, 200))
    assert chosen(indices, 8, 1) == chosen(indices, 8, 1) == sorted(set(chosen(indices, 8, 1)))
    assert chosen(indices, 8, 1) != chosen(indices, 8, 2)
    assert chosen(indices, 256, 1) == indices
