"""metadata.csv: errors name row, value and remedy; splits keep their promises."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data import metadata, splits
from trainingrun_trainer.errors import BadConfig, BadData

CONFIG = DataConfig(format="directory", path="/data")
HEADER = "filename,label\n"
GOOD = "a.png,cat\nb.png,dog\nc.png,cat\nd.png,dog\n"


def read(tmp_path: Path, text: str, config: DataConfig = CONFIG) -> metadata.Metadata:
    (tmp_path / "metadata.csv").write_bytes(text.encode())
    return metadata.read(tmp_path, config, seed=42)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,label\na.png,cat\n", "no column 'filename', only 'file', 'label'"),
        ("filename,class\na.png,cat\n", "no column 'label'"),
        ("", "metadata.csv is empty"),
        (" \n\n", "metadata.csv is empty"),
        (HEADER, "has no rows"),
        (HEADER + "a.png,cat\n,dog\n", "row 3 of metadata.csv has no value in column 'filename'"),
        (HEADER + "a.png,cat\nb.png,\n", "row 3 of metadata.csv has no value in column 'label'"),
        (HEADER + "a.png,cat\n../b.png,dog\n", "row 3 of metadata.csv names '../b.png', which is outside"),
        (HEADER + "/a.png,cat\n", "row 2 of metadata.csv names '/a.png', which is outside"),
        (HEADER + "a.png,cat\nb\0.png,dog\n", "row 3 of metadata.csv names 'b\\x00.png', which holds a NUL"),
        (HEADER + "a.png,cat,\nb.png,dog,\n", "row 2 of metadata.csv has more fields than the header"),
        (
            HEADER + "a.png,cat\nb.png,dog,\n",
            "row 3 of metadata.csv has more fields than the header, 3",
        ),
        (HEADER + 'a.png,cat\nb.png,"dog\nc.png,cat\n', "row 3 of metadata.csv cannot be read as CSV"),
        ("filename,label,label\na.png,cat,dog\n", "metadata.csv has the column 'label' twice"),
        (HEADER + "a.png,cat\na.png,dog\n", "rows 2 and 3 of metadata.csv name the same image 'a.png'"),
        (HEADER + "a.png,cat\nb.png,cat\n", "single class 'cat'"),
        (HEADER + GOOD + "e.png,cow\n", "class 'cow' has 1 images, too few for 2 splits"),
        ("filename,label,split\na.png,cat,train\nb.png,dog,dev\n", "row 3 of metadata.csv has 'dev'"),
        ("filename,label,split\na.png,cat,train\nb.png,dog,train\n", "the val split is empty"),
        ("filename,label,split\na.png,cat,val\nb.png,dog,val\n", "the train split is empty"),
        (
            "filename,label,split\na.png,cat,train\nb.png,dog,train\nc.png,cat,val\n",
            "the val split holds the single class 'cat'",
        ),
        (
            "filename,label,split\na.png,cat,train\nb.png,dog,train\nc.png,cat,val\nd.png,cow,val\n",
            "row 5 of metadata.csv has class 'cow', which is not in train",
        ),
    ],
)
def test_a_bad_table_is_refused_with_row_value_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadData) as refused:
        read(tmp_path, text)
    assert said in refused.value.message
    assert refused.value.advice


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEADER + "a.png,cat\n,dog\n", 3),
        ("\n\n" + HEADER + "a.png,cat\n,dog\n", 5),
        (HEADER + "\na.png,cat\n\n  \n,dog\n", 6),
        (HEADER + "a.png,cat\n,\n,dog\n\n\n", 4),
        ('"filename","label"\na.png,"ginger\n\ncat"\n,dog\n', 5),
        ('"filename",label,"not\ne"\na.png,cat,1\n,dog,2\n', 4),
        ("filename,label\r\n\r\na.png,cat\r\n,dog\r\n", 4),
        ("filename,label\ra.png,cat\r,dog\r", 3),
    ],
)
def test_rows_are_named_by_their_lines_in_an_editor(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(BadData, match=f"row {line} of metadata.csv has no value in column 'filename'"):
        read(tmp_path, text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_tables_of_spreadsheets_are_read(tmp_path: Path, encoding: str, separator: str, newline: str) -> None:
    text = "label , filename,note\n" + "Käse,a.png,1\nBrot,b.png,\nKäse,c.png,2\nBrot,d.png,3\n"
    content = text.replace(",", separator).replace("\n", newline).encode(encoding)
    (tmp_path / "metadata.csv").write_bytes(content)
    table = metadata.read(tmp_path, CONFIG, seed=42)
    assert table.files == ("a.png", "b.png", "c.png", "d.png")
    assert table.classes == ("Brot", "Käse")
    assert table.labels.tolist() == [1, 0, 1, 0]


def test_quoted_names_may_hold_the_separator(tmp_path: Path) -> None:
    table = read(tmp_path, '"filename","label"\n"a,1.png","x"\n"b.png","y"\n"c.png","x"\n"d.png","y"\n')
    assert table.files[0] == "a,1.png"


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_bytes("filename,label\na.png,Käse\n".encode("latin-1"))
    with pytest.raises(BadData, match=r"metadata.csv cannot be read as CSV: 'utf-8' codec"):
        metadata.read(tmp_path, CONFIG, seed=42)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"no metadata.csv in /data"):
        metadata.read(tmp_path, CONFIG, seed=42)


def test_nothing_to_validate_on_is_an_error_of_the_config(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"data.validationSplit is 0"):
        read(tmp_path, HEADER + GOOD, CONFIG.model_copy(update={"validation_split": 0.0}))


def test_given_splits_are_kept(tmp_path: Path) -> None:
    rows = "a.png,cat,train\nb.png,dog,val\nc.png,dog,train\nd.png,cat,val\ne.png,dog,test\nf.png,cat,test\n"
    read_back = read(tmp_path, "filename,label,split\n" + rows)
    assert {split: indices.tolist() for split, indices in read_back.splits.items()} == {
        "train": [0, 2],
        "val": [1, 3],
        "test": [4, 5],
    }
    assert read_back.classes == ("cat", "dog")
    assert metadata.counts(read_back.labels[read_back.splits["train"]], 2) == [1, 1]


@pytest.mark.parametrize(
    ("values", "ordered"),
    [
        ({"10", "9", "-1"}, ("-1", "9", "10")),
        ({"b", "10", "a"}, ("10", "a", "b")),
        ({"--5", "5"}, ("--5", "5")),
        ({"9" * 5000, "10"}, ("10", "9" * 5000)),
    ],
)
def test_classes_are_ordered_by_number_or_by_text(values: set[str], ordered: tuple[str, ...]) -> None:
    assert metadata.sort_classes(values) == ordered


@pytest.mark.parametrize(("validation", "test"), [(0.2, 0.0), (0.2, 0.1), (0.5, 0.4), (0.01, 0.98)])
def test_stratified_splits_partition_and_give_every_class_its_share(validation: float, test: float) -> None:
    sizes = [100, 40, 3]
    labels = np.repeat(np.arange(3), sizes)
    made = splits.stratified(labels, ("a", "b", "c"), validation, test, seed=42)

    assert sorted(np.concatenate(list(made.values())).tolist()) == list(range(sum(sizes)))
    for split, share in (("val", validation), ("test", test)):
        if share:
            counts = Counter(labels[made[split]].tolist())
            for number, size in enumerate(sizes):
                assert 1 <= counts[number] <= size - 2
                assert abs(counts[number] - share * size) <= 2


def test_stratified_splits_depend_on_the_seed_alone() -> None:
    labels = np.repeat(np.arange(2), 50)
    first, again, other = (splits.stratified(labels, ("a", "b"), 0.2, 0.0, s) for s in (42, 42, 43))
    assert first["val"].tolist() == again["val"].tolist() != other["val"].tolist()
