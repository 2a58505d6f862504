"""NIfTI and npy become the same volume, however they are stored; what cannot be trained on is named."""

import gzip
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from trainingrun_trainer.data.volume_files import BadVolume, header, intensities, labels, lie_together

VOXELS = np.random.default_rng(0).integers(0, 200, (3, 4, 5)).astype(np.int16)
"""Depth, height, width."""
AFFINE = np.array([[0.7, 0, 0, 10], [0, 0.8, 0, 20], [0, 0, 2.5, 30], [0, 0, 0, 1.0]])


def npy(array: npt.NDArray[Any], **options: Any) -> bytes:
    encoded = io.BytesIO()
    np.save(encoded, array, **options)
    return encoded.getvalue()


def nifti(array: npt.NDArray[Any], affine: npt.NDArray[Any] = AFFINE, kind: type = nib.Nifti1Image) -> bytes:
    content: bytes = kind(array, affine).to_bytes()
    return content


def stored(codes: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """VOXELS and its affine as a scanner stores it that has axes in these directions."""
    image = nib.Nifti1Image(VOXELS.transpose(), AFFINE)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(AFFINE), nib.orientations.axcodes2ornt(tuple(codes))
    )
    turned = image.as_reoriented(turn)
    return np.asarray(turned.dataobj), turned.affine


def written(tmp_path: Path, name: str, content: bytes) -> Path:
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", npy(VOXELS)),
        ("a.NPY", npy(np.asfortranarray(VOXELS))),
        ("a.npy", npy(VOXELS[None].astype(np.float64))),
        ("a.npy", npy(VOXELS[..., None].astype(">i4"))),
        ("a.nii", nifti(VOXELS.transpose())),
        ("a.nii.gz", gzip.compress(nifti(VOXELS.transpose()[..., None]))),
        ("A.NII.GZ", gzip.compress(nifti(VOXELS.transpose(), kind=nib.Nifti2Image))),
        *(("a.nii", nifti(*stored(codes))) for codes in ("LPS", "SAR", "PIL")),
    ],
)
def test_a_volume_is_the_same_however_it_is_stored(tmp_path: Path, name: str, content: bytes) -> None:
    path = written(tmp_path, name, content)
    assert header(path).shape == VOXELS.shape
    found = labels(path)
    assert found.dtype == np.uint8
    assert np.array_equal(found, VOXELS)
    assert found.flags.c_contiguous


def test_scaled_intensities_are_those_that_the_header_means(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOXELS.transpose(), AFFINE)
    image.header.set_slope_inter(2, -100)
    content = bytearray(image.to_bytes())
    struct.pack_into("<2f", content, 112, 2, -100)
    path = written(tmp_path, "a.nii", bytes(content))
    expected = ((2.0 * VOXELS - 100 + 50) / 200).clip(0, 1)
    np.testing.assert_allclose(intensities(path, (-50, 150)), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("array", "window", "expected"),
    [
        (np.arange(8), None, np.arange(8) / 7),
        (np.arange(8), (2, 4), [0, 0, 0, 0.5, 1, 1, 1, 1]),
        (np.full(8, 7), None, np.zeros(8)),
        (np.arange(8) > 3, None, [0, 0, 0, 0, 1, 1, 1, 1]),
        (np.array([-1e30, 0, 1, 2, 3, 4, 5, 1e30]), (0, 4), [0, 0, 0.25, 0.5, 0.75, 1, 1, 1]),
    ],
)
def test_intensities_lie_between_the_bounds(
    tmp_path: Path, array: npt.NDArray[Any], window: tuple[float, float] | None, expected: list[float]
) -> None:
    path = written(tmp_path, "a.npy", npy(array.reshape(2, 2, 2)))
    found = intensities(path, window)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-3)


def patched(offset: int, form: str, *values: float) -> bytes:
    content = bytearray(nifti(VOXELS.transpose()))
    struct.pack_into(form, content, offset, *values)
    return bytes(content)


HUGE = patched(40, "<8h", 3, 30000, 30000, 30000, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.png", b"", "is none of .nii, .nii.gz, .npy"),
        ("a.npy", npy(VOXELS[0]), r"is of shape \(4, 5\), not of three dimensions"),
        ("a.npy", npy(np.zeros((2, 3, 4, 5))), r"is of shape \(2, 3, 4, 5\), not of three"),
        ("a.nii", nifti(np.zeros((3, 4, 5, 2))), r"is of shape \(3, 4, 5, 2\), not of three"),
        ("a.npy", npy(np.zeros((0, 3, 3))), "which holds nothing"),
        ("a.npy", npy(np.array([{}]), allow_pickle=True), "is no intact .* Python objects"),
        ("a.npy", npy(np.zeros((2, 2, 2), complex)), "holds complex128, not plain numbers"),
        ("a.npy", npy(np.full((2, 2, 2), "x")), "holds <U1, not plain numbers"),
        ("a.npy", npy(VOXELS)[:140], "is no intact NIfTI or npy"),
        ("a.npy", npy(VOXELS).replace(b"(3, 4, 5)", b"(9" * 9), "is no intact NIfTI or npy"),
        ("a.npy", npy(VOXELS).replace(b"(3, 4, 5)", b"(-3,4, 5)"), "is no intact NIfTI or npy"),
        ("a.npy", b"", "is no intact NIfTI or npy"),
        ("a.npy", b"hello", "is no intact NIfTI or npy"),
        ("a.nii", b"", "is no intact NIfTI or npy: Empty file"),
        ("a.nii.gz", b"hello", "is no intact NIfTI or npy"),
        ("a.nii.gz", gzip.compress(nifti(VOXELS.transpose()))[:-40], "is no intact NIfTI or npy"),
        ("a.nii", nifti(VOXELS.transpose())[:400], "is no intact NIfTI or npy: Expected 120 bytes"),
        ("a.nii", HUGE, "27,000,000,000,000 voxels, more than 536,870,912"),
        ("a.nii.gz", gzip.compress(HUGE), "27,000,000,000,000 voxels"),
        ("a.nii", patched(40, "<2h", 3, -5), "which holds nothing"),
        ("a.nii", patched(70, "<h", 9999), "data code 9999 not recognized"),
        ("a.nii", patched(70, "<h", 128), "not plain numbers"),
        ("a.nii", patched(108, "<f", 1e30), "is no intact NIfTI or npy"),
        ("a.nii", patched(280, "<12f", *[0.0] * 12), "an affine that maps an axis to nothing"),
        ("a.nii", patched(280, "<12f", *[float("nan")] * 12), "is no intact NIfTI or npy"),
    ],
)
def test_files_that_hold_no_volume_are_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = written(tmp_path, name, content)
    reads: tuple[Callable[[], object], ...] = (lambda: intensities(path, None), lambda: labels(path))
    for read in reads:
        with pytest.raises(BadVolume, match=said):
            read()


def test_a_missing_file_and_a_directory_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadVolume, match="is missing"):
        header(tmp_path / "a.npy")
    (tmp_path / "b.npy").mkdir()
    with pytest.raises(BadVolume, match="is a directory"):
        header(tmp_path / "b.npy")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_intensities_must_be_finite(tmp_path: Path, value: float) -> None:
    array = np.zeros((2, 2, 2))
    array[1, 1, 1] = value
    path = written(tmp_path, "a.npy", npy(array))
    with pytest.raises(BadVolume, match="NaN or infinite"):
        intensities(path, (0, 1))


def test_intensities_must_not_overflow(tmp_path: Path) -> None:
    array = np.zeros((2, 2, 2), dtype=np.float32)
    array[0, 0, 0], array[1, 1, 1] = -3e38, 3e38
    with pytest.raises(BadVolume, match=r"from -3e\+38 to 3e\+38, which are too far apart"):
        intensities(written(tmp_path, "a.npy", npy(array)), None)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (-1, "label -1, not one from 0"),
        (65536, "label 65536, not one from 0"),
        (float("nan"), "label nan"),
        (0.5, "label 0.5, which is no whole number"),
    ],
)
def test_labels_must_be_whole_and_in_range(tmp_path: Path, value: float, said: str) -> None:
    array = np.zeros((2, 2, 2))
    array[1, 1, 1] = value
    path = written(tmp_path, "a.npy", npy(array))
    with pytest.raises(BadVolume, match=said):
        labels(path)


def test_large_labels_take_two_bytes(tmp_path: Path) -> None:
    array = np.array([0, 256, 65535, 1]).reshape(1, 2, 2)
    found = labels(written(tmp_path, "a.npy", npy(array)))
    assert found.dtype == np.uint16
    assert np.array_equal(found, array)


@pytest.mark.parametrize(
    ("image", "mask", "together"),
    [
        (nifti(*stored("LPS")), nifti(*stored("LPS")), True),
        (nifti(*stored("LPS")), nifti(*stored("RAS")), True),
        (nifti(stored("LPS")[0], np.diag([-1, -1, 1, 1.0])), nifti(*stored("LPS")), True),
        (nifti(*stored("LPS")), nifti(stored("LPS")[0], np.eye(4)), False),
        (npy(VOXELS), nifti(*stored("RAS")), False),
        (npy(VOXELS), npy(VOXELS), True),
    ],
)
def test_a_mask_must_be_stored_as_its_image_or_say_truly_how(
    tmp_path: Path, image: bytes, mask: bytes, together: bool
) -> None:
    found = []
    for number, content in enumerate((image, mask)):
        suffix = "npy" if content.startswith(b"\x93NUMPY") else "nii"
        found.append(header(written(tmp_path, f"{number}.{suffix}", content)))
    assert lie_together(found[0], found[1]) is together
