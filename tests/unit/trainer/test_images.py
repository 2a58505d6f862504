"""Images are decoded alike from every format, and a bad one is named by its row."""

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from trainingrun_trainer.data import images
from trainingrun_trainer.data.images import Shape, Unreadable
from trainingrun_trainer.errors import BadData

GREY = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
COLOUR = np.stack([GREY] * 3, axis=-1)
SIDES = np.repeat(np.array([[10, 60], [110, 160]], dtype=np.uint8), 16, axis=0).repeat(16, axis=1)
"""Four quarters, so that each way to turn it shows."""
LABELS = np.repeat(np.array([[0, 1], [2, 7]], dtype=np.uint8), 4, axis=0)


def encoded(pixels: np.ndarray | Image.Image, form: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(content, form, **options)
    return content.getvalue()


def palette(indices: np.ndarray) -> Image.Image:
    """The indices with a palette of greys that runs backwards."""
    image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    image.putpalette([255 - level // 3 for level in range(768)])
    return image


def turned(orientation: int, form: str) -> bytes:
    """SIDES as a camera stores it that was turned. Source: EXIF 2.32, tag 0x0112."""
    stored = {1: SIDES, 3: np.rot90(SIDES, 2), 6: np.rot90(SIDES), 8: np.rot90(SIDES, 3)}[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encoded(np.ascontiguousarray(stored), form, exif=exif)


@pytest.mark.parametrize(
    ("content", "tolerance"),
    [
        (encoded(GREY), 0),
        (encoded(COLOUR), 0),
        (encoded(GREY.astype(np.uint16) * 257), 0),
        (encoded(GREY.astype(np.uint16) * 257, "TIFF"), 0),
        (encoded(Image.fromarray(GREY.astype(np.int32) * 257), "TIFF"), 0),
        (encoded(palette(255 - GREY)), 0),
        (encoded(np.dstack([COLOUR, np.full_like(GREY, 255)])), 0),
        (encoded(np.dstack([GREY, np.full_like(GREY, 255)])), 0),
        (encoded(COLOUR, "BMP"), 0),
        (encoded(GREY, "TIFF", compression="tiff_lzw"), 0),
        (encoded(GREY, "JPEG"), 8),
        (encoded(Image.fromarray(COLOUR).convert("CMYK"), "JPEG"), 8),
        (encoded(COLOUR, "JPEG", progressive=True), 8),
    ],
    ids=["grey", "colour", "16 bits", "16-bit TIFF", "32-bit TIFF of 16", "palette", "RGBA", "grey and alpha",
         "BMP", "TIFF", "JPEG", "CMYK", "progressive"],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_picture_in_any_form_gives_the_same_pixels(
    content: bytes, tolerance: int, channels: int
) -> None:
    pixels = images.decode(content, Shape(channels, 32))
    assert pixels.shape == (channels, 32, 32)
    assert np.abs(pixels.astype(int) - GREY).max() <= tolerance


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_pictures_stand_upright(orientation: int, form: str) -> None:
    pixels = images.decode(turned(orientation, form), Shape(1, 32))[0]
    quarters = pixels[4:28:20, 4:28:20]
    assert np.abs(quarters.astype(int) - SIDES[4:28:20, 4:28:20]).max() <= 4


def test_what_is_transparent_is_black() -> None:
    glass = np.dstack([np.full((32, 32, 3), 200, np.uint8), np.zeros((32, 32), np.uint8)])
    half = glass.copy()
    half[..., 3] = 128
    assert images.decode(encoded(glass), Shape(3, 32)).max() == 0
    assert np.abs(images.decode(encoded(half), Shape(3, 32)).astype(int) - 100).max() <= 1
    assert images.decode(encoded(palette(GREY), transparency=0), Shape(3, 32))[:, :, 0].max() == 0


def test_images_are_resized_to_the_shape() -> None:
    assert images.decode(encoded(GREY), Shape(3, 8)).shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        (encoded(LABELS), LABELS),
        (encoded(palette(LABELS)), LABELS),
        (encoded(Image.fromarray(LABELS > 0)), LABELS > 0),
        (encoded(LABELS.astype(np.uint16) * 1000), LABELS.astype(int) * 1000),
        (encoded(LABELS, "TIFF"), LABELS),
        (encoded(LABELS, "BMP"), LABELS),
    ],
    ids=["grey", "palette", "1 bit", "16 bits", "TIFF", "BMP"],
)
def test_masks_keep_their_labels(content: bytes, labels: np.ndarray) -> None:
    assert images.mask_labels(content).tolist() == labels.astype(int).tolist()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (encoded(COLOUR), "has the mode RGB instead of one grey or palette index a pixel"),
        (encoded(np.dstack([COLOUR, GREY])), "has the mode RGBA"),
        (encoded(np.dstack([GREY, GREY])), "has the mode LA"),
        (encoded(GREY.astype(np.float32), "TIFF"), "has the mode F"),
        (encoded(GREY, "JPEG"), "is a JPEG, whose labels are not exact"),
        (encoded(GREY.astype(np.int32) - 9, "TIFF"), "holds labels from -9 to 239"),
        (encoded(GREY.astype(np.int32) * 1000, "TIFF"), "holds labels from 0 to 248000"),
        (b"no picture", "is no intact PNG, JPEG, BMP or TIFF"),
    ],
)
def test_what_is_no_mask_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        images.mask_labels(content)


@pytest.mark.parametrize("fits", [True, False], ids=["kept", "read again"])
def test_images_are_the_same_whether_kept_or_read_again(
    tmp_path: Path, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "CACHE_SHARE", 0.5 if fits else 0.0)
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(encoded(GREY + np.uint8(number)))
    loaded, digest = images.load(paths, [path.name for path in paths], Shape(1, 32), tmp_path, threads=2)

    assert (loaded.cache is not None) == fits
    assert loaded.take([3, 0]).tolist() == np.stack([GREY + np.uint8(3), GREY])[:, np.newaxis].tolist()
    assert len(digest) == 64


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "row 3: image 'bad.png' cannot be read: No such file"),
        (b"no picture", "row 3: image 'bad.png' is no intact PNG, JPEG, BMP or TIFF"),
        (b"", "is no intact PNG"),
        (encoded(GREY)[:-30], "is no intact PNG"),
        (encoded(GREY, "JPEG")[:-200], "is no intact PNG"),
        (encoded(GREY, "GIF"), "is no intact PNG"),
        (encoded(GREY.astype(np.float32), "TIFF"), "holds decimal numbers"),
        (encoded(GREY.astype(np.int32) - 5, "TIFF"), "holds numbers of more than 16 bits"),
        (encoded(GREY, "TIFF", save_all=True, append_images=[Image.fromarray(GREY)]), "has 2 pages"),
    ],
    ids=["missing", "text", "empty", "truncated", "truncated JPEG", "other format", "decimals", "negative",
         "pages"],
)  # fmt: skip
def test_a_bad_image_is_named_by_its_row(tmp_path: Path, content: bytes | None, said: str) -> None:
    (tmp_path / "good.png").write_bytes(encoded(GREY))
    if content is not None:
        (tmp_path / "bad.png").write_bytes(content)
    paths, where = [tmp_path / "good.png", tmp_path / "bad.png"], ["row 2", "row 3: image 'bad.png'"]
    with pytest.raises(BadData) as refused:
        images.load(paths, where, Shape(1, 32), tmp_path, threads=1)
    assert said in refused.value.message
    assert refused.value.advice


def test_the_first_ten_bad_images_are_named_together(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    with pytest.raises(BadData) as refused:
        images.load(paths, [path.name for path in paths], Shape(1, 32), tmp_path, threads=2)
    assert refused.value.message.startswith("12 problems, the first 10: 0.png cannot be read")
    assert "9.png" in refused.value.message
    assert "10.png" not in refused.value.message


def test_too_many_pixels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 32 * 32 - 1)
    with pytest.raises(Unreadable, match="has too many pixels"):
        images.decode(encoded(GREY), Shape(1, 32))


FORMS = [
    encoded(GREY),
    encoded(palette(GREY)),
    encoded(GREY, "JPEG"),
    turned(6, "JPEG"),
    encoded(GREY, "BMP"),
    encoded(GREY, "TIFF"),
    encoded(GREY, "TIFF", compression="tiff_lzw"),
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(FORMS),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
    st.floats(0.1, 1),
)
@pytest.mark.filterwarnings("ignore")
def test_damage_is_refused_or_harmless(content: bytes, flips: list[tuple[float, int]], kept: float) -> None:
    damaged = bytearray(content)
    for place, byte in flips:
        damaged[int(place * len(damaged))] = byte
    for decode in (lambda: images.decode(bytes(damaged[: int(kept * len(damaged))]), Shape(3, 16)),
                   lambda: images.mask_labels(bytes(damaged))):  # fmt: skip
        with suppress(Unreadable):
            decode()
