"""Sample data come again byte for byte, and hold what they say."""

import io
import zipfile
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from trainingrun_trainer import samples


def test_samples_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        samples.write_zip(samples.digits(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_digits_are_all_there() -> None:
    counts = Counter(label for _, label in samples.digits())
    assert counts.total() == 1797
    assert sorted(counts) == [str(digit) for digit in range(10)]


def test_xrays_are_half_of_each_class() -> None:
    assert Counter(label for _, label in islice(samples.xray(), 40)) == {"clear": 20, "opacity": 20}


def test_defects_lie_in_split_files_with_a_mask_for_each_picture(tmp_path: Path) -> None:
    for name in ("one", "two"):
        samples.SAMPLES["defects"](tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with zipfile.ZipFile(tmp_path / "one") as archive:
        listed = [archive.read(f"{split}.txt").decode().split() for split in ("train", "val", "test")]
        masks = {
            name: np.asarray(Image.open(io.BytesIO(archive.read(f"masks/{name}"))))
            for names in listed
            for name in names
        }
        assert set(archive.namelist()) >= {f"images/{name}" for name in masks}
    assert [len(names) for names in listed] == [80, 20, 20]
    flawless = sum(not mask.any() for mask in masks.values())
    assert flawless == 20
    assert {value for mask in masks.values() for value in np.unique(mask).tolist()} == {0, 255}
