"""Sample data come again byte for byte, and hold what they say."""

from collections import Counter
from itertools import islice
from pathlib import Path

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
