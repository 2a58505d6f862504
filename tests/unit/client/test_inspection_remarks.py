"""What init says of data that the trainer would refuse."""

import zipfile
from pathlib import Path

from tests.unit.client.test_inspection import written


def test_what_the_trainer_would_refuse_is_noted(tmp_path: Path) -> None:
    rows = ("a.png,x", "b.png,", "a,y", "c.png,x", "../d.png,x")
    files = {"images/a.png": "", "images/b.png": "", "metadata.csv": "\n".join(("filename,label", *rows))}
    with zipfile.ZipFile(tmp_path / "2024 X-ray.zip", "w") as archive:
        for name, content in {**files, "../evil.txt": ""}.items():
            archive.writestr(name, content)
    body, said = written(str(tmp_path / "2024 X-ray.zip"))
    assert body["metadata"]["name"] == "run-2024-x-ray"
    assert [line for line in said.splitlines() if line.startswith("note: ")] == [
        "note: 1 rows of metadata.csv have no label: b.png",
        "note: 1 rows of metadata.csv name files that are not there: c.png",
        "note: 1 rows of metadata.csv name files outside of the folder of images: ../d.png",
        "note: metadata.csv gives different labels to the same file: a",
        "note: the ZIP has members that lead out of it, which are refused: ../evil.txt",
    ]


def test_one_class_is_noted_and_names_reach_no_terminal_raw(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").touch()
    (tmp_path / "metadata.csv").write_text("filename,label\na.png,\x1b[31mred\n")
    _, said = written(str(tmp_path), "--name", "a")
    assert "note: all labels of metadata.csv are" in said
    assert "\x1b" not in said
