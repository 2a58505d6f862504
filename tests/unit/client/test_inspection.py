"""What init writes for data is a run that the API takes and whose data the trainer can prepare."""

import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from PIL import Image
from typer.testing import CliRunner

from tests.helpers.data_forms import FORMS, class_folders, picture, xray_zip
from trainingrun_api import TrainingRunSpec
from trainingrun_client.cli.init import init
from trainingrun_client.errors import InputError
from trainingrun_client.inspection import inspect
from trainingrun_client.inspection.pictures import Picture
from trainingrun_client.inspection.pictures import picture as told_by
from trainingrun_client.local.volumes import on_this_machine
from trainingrun_trainer.tasks import task

PROGRAM = typer.Typer()
PROGRAM.command()(init)

WANTED: dict[str, tuple[str, int, tuple[str, ...], dict[str, int], dict[str, Any]]] = {
    "xray.zip": ("classification", 40, ("clear", "opacity"), {}, {"format": "zip", "channels": 1}),
    "parts.zip": ("instance-segmentation", 12, ("washer", "plate"), {}, {"format": "coco"}),
    "defects.zip": (
        "semantic-segmentation",
        120,
        (),
        {"train": 80, "val": 20, "test": 20},
        {"format": "split-files", "imageSize": 96},
    ),
    "liver.zip": (
        "semantic-segmentation",
        20,
        (),
        {"train": 14, "val": 4, "test": 2},
        {"format": "zip", "dimensions": 3, "batchSize": 1},
    ),
    "excel_table": (
        "classification",
        10,
        ("ill", "well"),
        {"train": 6, "val": 4},
        {"imageColumn": "image", "labelColumn": "diagnosis", "imagesDirectory": "pictures", "channels": 1},
    ),
    "masks_in_table": ("semantic-segmentation", 10, (), {}, {"format": "directory", "imageSize": 64}),
    "class_folders": (
        "classification",
        10,
        ("cat", "dog"),
        {},
        {"format": "directory", "path": "/data", "imagesDirectory": "animals"},
    ),
    "class_folders_below": ("classification", 10, ("cat", "dog"), {}, {"imagesDirectory": "photos"}),
    "class_folders_by_split": ("classification", 10, ("cat", "dog"), {"train": 6, "val": 4}, {}),
    "pairs": ("semantic-segmentation", 10, (), {}, {"imagesDirectory": "imgs"}),
    "pairs_by_split": ("semantic-segmentation", 10, (), {"train": 6, "val": 4}, {}),
    "split_files": (
        "semantic-segmentation",
        10,
        (),
        {"train": 6, "val": 4},
        {"splitsDirectory": "splits", "imagesDirectory": "processed/images"},
    ),
    "decathlon": (
        "semantic-segmentation",
        10,
        ("background", "liver"),
        {},
        {"dimensions": 3, "masksDirectory": "labelsTr", "classNames": ["background", "liver"]},
    ),
    "coco_by_split": ("object-detection", 10, ("bolt",), {"train": 6, "val": 4}, {"format": "coco"}),
    "yolo": ("object-detection", 10, ("washer", "plate"), {"train": 6, "val": 4}, {"format": "yolo"}),
    "yolo_outlines": ("instance-segmentation", 10, ("washer", "plate"), {"train": 6, "val": 4}, {}),
    "dataset_of_labels": ("classification", 10, ("a", "b"), {"train": 6, "val": 4}, {}),
    "dataset_of_outlines": ("instance-segmentation", 10, ("bolt",), {"train": 6, "val": 4}, {}),
}
"""Task, samples, classes, splits, and fields of training.data."""


def written(*words: str) -> tuple[dict[str, Any], str]:
    """The run that init prints, and what it says beside it."""
    result = CliRunner().invoke(PROGRAM, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    body: dict[str, Any] = yaml.safe_load(result.stdout)
    return body, result.stderr


@pytest.mark.parametrize("form", FORMS)
def test_data_of_every_form_become_a_run_that_the_trainer_can_begin(form: str, tmp_path: Path) -> None:
    wanted_task, samples, classes, splits, fields = WANTED[form]
    data = FORMS[form](tmp_path)
    found = inspect(data)
    assert (found.tasks[0], found.samples, tuple(found.classes), found.splits) == (
        wanted_task,
        samples,
        classes,
        splits,
    )
    body, _ = written(str(data), "--write-list", "--name", "first")
    spec = TrainingRunSpec.model_validate(body["spec"])
    assert spec.training is not None
    assert spec.training.task == wanted_task
    assert fields.items() <= body["spec"]["training"]["data"].items()

    config, _ = on_this_machine(spec, "first", {"first": tmp_path})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    prepared = task(config.task).prepare(config, scratch, 2, lambda: None)
    assert prepared.splits.keys() >= {"train", "val"}
    assert sum(map(len, prepared.splits.values())) == samples
    if classes and wanted_task != "semantic-segmentation":
        assert sorted(prepared.classes) == sorted(classes)
    if splits:
        assert {name: len(indices) for name, indices in prepared.splits.items()} == splits


@pytest.mark.parametrize("form", [form for form in FORMS if not form.endswith(".zip")])
def test_a_packed_folder_is_recognised_as_the_folder_is(form: str, tmp_path: Path) -> None:
    data = FORMS[form](tmp_path)
    folder = inspect(data)
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", data.parent, data.name))
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("__MACOSX/._x.png", "what macOS adds")
    if folder.missing:
        with pytest.raises(InputError, match="unpack it"):
            inspect(packed)
        return
    found = inspect(packed)
    assert (found.tasks, found.samples, found.classes, found.splits, found.side) == (
        folder.tasks,
        folder.samples,
        folder.classes,
        folder.splits,
        folder.side,
    )


def test_answers_stand_in_the_run(tmp_path: Path) -> None:
    data = xray_zip(tmp_path)
    options = ("--claim", "shared", "--mount-path", "/mnt/all", "--gpus", "2", "--nodes", "3")
    body, said = written(str(data), *options)
    spec = body["spec"]
    assert (body["metadata"]["name"], spec["nodes"], spec["resources"]["gpus"]) == ("chest", 3, 2)
    assert spec["volumes"] == [{"claim": "shared", "mountPath": "/mnt/all", "readOnly": True}]
    assert spec["training"]["data"]["path"] == "/mnt/all/chest.zip"
    assert "40 images; 2 classes: clear (20), opacity (20); up to 64 pixels, grey" in said
    assert f"kubectl trainingrun local chest.yaml --data shared={tmp_path}" in said


def test_another_task_that_the_data_allow_can_be_chosen(tmp_path: Path) -> None:
    body, _ = written(str(FORMS["yolo_outlines"](tmp_path)), "--task", "object-detection")
    assert body["spec"]["training"]["model"]["architecture"].startswith("fasterrcnn")
    with pytest.raises(InputError, match="cannot be learned of YOLO; what can: instance"):
        written(str(tmp_path / "parts"), "--task", "classification")


@pytest.mark.parametrize(
    ("task_name", "fmt"), [("classification", "zip"), ("object-detection", "coco"), (None, "zip")]
)
def test_without_data_it_writes_a_run_to_fill_in(task_name: str | None, fmt: str) -> None:
    body, _ = written(*(("--task", task_name) if task_name else ()))
    TrainingRunSpec.model_validate(body["spec"])
    assert body["spec"]["training"]["data"]["format"] == fmt


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    data, out = xray_zip(tmp_path), tmp_path / "run.yaml"
    result = CliRunner().invoke(PROGRAM, [str(data), "--out", str(out)], catch_exceptions=False)
    assert (result.exit_code, result.stdout) == (0, "")
    before = out.read_text()
    assert before.startswith("# metadata.csv with images: 40 images")
    with pytest.raises(InputError, match="exists"):
        written(str(data), "--out", str(out))
    assert out.read_text() == before


def test_a_list_is_written_only_where_somebody_agreed_and_never_over_another(tmp_path: Path) -> None:
    data = class_folders(tmp_path)
    table = tmp_path / "metadata.csv"
    with pytest.raises(InputError, match="--write-list writes it"):
        written(str(data))
    assert not table.exists()
    written(str(data), "--write-list")
    assert table.read_text().splitlines()[:2] == ["filename,label", "cat/0.png,cat"]
    written(str(data))  # it is there
    table.write_text("filename,label\nother.png,x\n")
    with pytest.raises(InputError, match="not of these data"):
        written(str(data), "--write-list")


def test_a_second_data_set_is_listed_in_a_folder_of_its_own(tmp_path: Path) -> None:
    first = class_folders(tmp_path)
    written(str(first), "--write-list")
    second = shutil.copytree(first, tmp_path / "birds")
    (second / "dog").rename(second / "owl")
    with pytest.raises(InputError, match=r"mkdir .*/birds-set && mv") as refused:
        written(str(second), "--write-list")
    command = str(refused.value).partition("of their own, ")[2].partition(", and")[0]
    subprocess.run(command, shell=True, check=True)
    body, _ = written(str(tmp_path / "birds-set"), "--write-list")
    assert body["spec"]["training"]["data"]["path"] == "/data/birds-set"


def test_a_place_that_cannot_be_written_is_told_before_anything_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no directory"):
        written(str(xray_zip(tmp_path)), "--out", str(tmp_path / "none" / "run.yaml"))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ((), "It holds no files"),
        (("notes.txt", "a/b.doc"), r"Seen at its top: a/, notes.txt; files: 1 .doc, 1 .txt"),
        (("images/1.png", "images/2.png"), r"2 .png"),
    ],
)
def test_unknown_data_are_listed_with_the_forms_that_are_known(
    files: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=told) as refused:
        inspect(tmp_path)
    assert "YOLO: data.yaml or classes.txt" in str(refused.value)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"metadata.csv": "name,kind\nx,y"}, "has the columns name, kind; one must name the files"),
        (
            {"metadata.csv": "filename,kind\n1.png,y", "images/1.png": ""},
            "a column label makes classification",
        ),
        ({"metadata.csv": "filename,label\n1.png,y", "1.png": ""}, "must lie in a folder beside it"),
        ({"dataset.json": "{"}, "dataset.json in .* is no JSON"),
        ({"dataset.json": '{"images": [{"file": "a"}]}'}, "nothing can be learned"),
        (
            {"images/1.png": "", "images/2.png": "", "masks/1.png": ""},
            "have no mask in masks/, such as 2.png",
        ),
        ({"data.yaml": "names: [", "labels/1.txt": "0 1 1 1 1"}, "data.yaml in .* is no YAML"),
    ],
)
def test_what_is_wrong_with_a_list_is_told(files: dict[str, str], told: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=told):
        inspect(tmp_path)


def test_no_zip_and_no_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("no archive")
    with pytest.raises(InputError, match="neither a folder nor a ZIP"):
        inspect(tmp_path / "a.zip")
    with pytest.raises(InputError, match="does not exist"):
        inspect(tmp_path / "b.zip")


@pytest.mark.parametrize("name", ["Upper", "two words", "x" * 60, "2024"])
def test_a_name_that_no_run_may_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--name|no valid run"):
        written(str(xray_zip(tmp_path)), "--name", name, "--claim", "data")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_sizes_are_read_from_the_first_bytes(form: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    Image.new(mode, (300, 200)).save(path, form)
    assert told_by(path.read_bytes()[:1024]) == Picture(300, 200, mode == "L" and form != "BMP")
    assert told_by(path.read_bytes()[:12]) is None


def test_what_is_no_picture_has_no_size(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1)
    assert told_by(b"") is None
    assert told_by(b"\xff\xd8\x00\x00\x00\x00") is None
