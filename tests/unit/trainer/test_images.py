"""Images are decoded alike from every format, and a bad one is named by its row."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainingrun_trainer.data import images
from trainingrun_trainer.data.images import Shape
from trainingrun_trainer.errors import BadData

GREY = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, form)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "tolerance"),
    [
        (encoded(GREY), 0),
        (encoded(np.stack([GREY] * 3, axis=-1)), 0),
        (encoded(GREY.astype(np.uint16) * 257), 0),
        (encoded(GREY, "JPEG"), 8),
    ],
    ids=["grey", "colour", "16 bits", "jpeg"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_picture_in_any_form_gives_the_same_pixels(
    content: bytes, tolerance: int, channels: int
) -> None:
    pixels = images.decode(content, Shape(channels, 32))
    assert pixels.shape == (channels, 32, 32)
    assert np.abs(pixels.astype(int) - GREY).max() <= tolerance


def test_images_are_resized_to_the_shape() -> None:
    assert images.decode(encoded(GREY), Shape(3, 8)).shape == (3, 8, 8)


@pytest.mark.parametrize("fits", [True, False], ids=["kept", "read again"])
def test_images_are_the_same_whether_kept_or_read_again(
    tmp_path: Path, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "CACHE_SHARE", 0.5 if fits else 0.0)
    files = [f"{number}.png" for number in range(5)]
    for number, name in enumerate(files):
        (tmp_path / name).write_bytes(encoded(GREY + np.uint8(number)))
    loaded, digest = images.load(tmp_path, files, Shape(1, 32), tmp_path, threads=2)

    assert (loaded.cache is not None) == fits
    assert loaded.take([3, 0]).tolist() == np.stack([GREY + np.uint8(3), GREY])[:, np.newaxis].tolist()
    assert len(digest) == 64


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "row 3 of metadata.csv: image 'bad.png' cannot be read: No such file"),
        (b"no picture", "row 3 of metadata.csv: image 'bad.png' is no intact PNG or JPEG"),
        (encoded(GREY)[:-30], "row 3 of metadata.csv: image 'bad.png' is no intact PNG or JPEG"),
        (encoded(GREY, "GIF"), "row 3 of metadata.csv: image 'bad.png' is no intact PNG or JPEG"),
    ],
    ids=["missing", "text", "truncated", "other format"],
)
def test_a_bad_image_is_named_by_its_row(tmp_path: Path, content: bytes | None, said: str) -> None:
    (tmp_path / "good.png").write_bytes(encoded(GREY))
    if content is not None:
        (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(BadData) as refused:
        images.load(tmp_path, ["good.png", "bad.png"], Shape(1, 32), tmp_path, threads=1)
    assert said in refused.value.message
    assert refused.value.advice


def test_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "huge.png").write_bytes(encoded(GREY))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 32 * 32 - 1)
    with pytest.raises(BadData, match=r"row 2 of metadata.csv: image 'huge.png' has too many pixels"):
        images.load(tmp_path, ["huge.png"], Shape(1, 32), tmp_path, threads=1)
