"""Volumes are checked, windowed and cut into patches; evaluation sees them whole."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
import torch

from trainingrun_api import TrainingConfig
from trainingrun_trainer import config as configs
from trainingrun_trainer.data.labels import IGNORED
from trainingrun_trainer.data.module import DataModule
from trainingrun_trainer.data.volume_batches import SegmentedVolumes
from trainingrun_trainer.data.volumes import prepare
from trainingrun_trainer.distributed import Ranks
from trainingrun_trainer.errors import BadConfig, BadData, ScratchFull

SHAPES = ((12, 10, 9), (8, 8, 8), (6, 12, 20), (9, 9, 9))
NAMES = ("a", "b", "c", "d")
SPLITS = ("train", "train", "val", "val")


def image(number: int) -> npt.NDArray[np.int16]:
    random = np.random.default_rng(number)
    return random.integers(-1000, 1000, SHAPES[number]).astype(np.int16)


def mask(number: int) -> npt.NDArray[np.uint8]:
    result = np.zeros(SHAPES[number], dtype=np.uint8)
    result[2:6, 2:6, 2:6] = 1
    result[3, 3, 3] = 2
    return result


def write(root: Path, files: Mapping[str, npt.NDArray[Any] | bytes] | None = None) -> None:
    content: dict[str, npt.NDArray[Any] | bytes] = {}
    for number, name in enumerate(NAMES):
        content[f"images/{name}.npy"] = image(number)
        content[f"masks/{name}.npy"] = mask(number)
    rows = [f"{name}.npy,{split}\n" for name, split in zip(NAMES, SPLITS, strict=True)]
    content["metadata.csv"] = "".join(["filename,split\n", *rows]).encode()
    for name, value in (content | dict(files or {})).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, bytes):
            path.write_bytes(value)
        elif name.endswith(".npy"):
            np.save(path, value)
        else:
            nib.save(nib.Nifti1Image(value.transpose(), np.eye(4)), path)


def config(root: Path, *, data: Mapping[str, Any] | None = None, **rest: Any) -> TrainingConfig:
    return configs.parse(
        {
            "task": "semantic-segmentation",
            "data": {
                "format": "directory",
                "path": str(root),
                "dimensions": 3,
                "patchSize": [8, 8, 8],
                **(data or {}),
            },
            **rest,
        }
    )


def prepared(tmp_path: Path, configured: TrainingConfig) -> SegmentedVolumes:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return prepare(configured, scratch, threads=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    write(directory)
    return directory


def test_evaluation_sees_whole_volumes(tmp_path: Path, root: Path) -> None:
    configured = config(root, data={"intensityWindow": [-200, 300]})
    data = prepared(tmp_path, configured)
    assert data.classes == ("background", "1", "2")
    assert data.label_values == (0, 1, 2)
    for index, number in enumerate(range(4)):
        batch = data.batches(configured, augmented=False)[0, index]
        assert batch.images.dtype == torch.float32
        assert batch.images.shape == (1, 1, *SHAPES[number])
        expected = ((image(number) + 200) / 500).clip(0, 1)
        np.testing.assert_allclose(batch.images[0, 0].numpy(), expected, atol=1e-3)
        assert batch.masks.dtype == torch.int64
        assert np.array_equal(batch.masks[0].numpy(), mask(number))


def test_the_counts_of_classes_are_those_of_the_masks(tmp_path: Path, root: Path) -> None:
    data = prepared(tmp_path, config(root))
    voxels = np.concatenate([mask(number).ravel() for number in (0, 1)])
    assert data.pixel_counts("train") == np.bincount(voxels).tolist()


def test_patches_are_functions_of_seed_epoch_and_index(tmp_path: Path, root: Path) -> None:
    flips = {"horizontalFlip": 0.5, "verticalFlip": 0.5, "rotate90": 0.5}
    configured = config(root, augmentation=flips)
    data = prepared(tmp_path, configured)
    dataset = data.batches(configured, augmented=True)
    both = dataset.__getitems__([(3, 0), (5, 1)])
    assert both.images.shape == (2, 1, 8, 8, 8)
    assert both.masks.shape == (2, 8, 8, 8)
    for number, key in enumerate([(3, 0), (5, 1)]):
        alone = dataset[key]
        assert torch.equal(alone.images[0], both.images[number])
        assert torch.equal(alone.masks[0], both.masks[number])
    patches = {tuple(dataset[epoch, 0].images.flatten().tolist()) for epoch in range(10)}
    assert len(patches) == 10
    other = data.batches(config(root, augmentation=flips, seed=7), augmented=True)
    assert not torch.equal(other[3, 0].images, dataset[3, 0].images)


def test_a_patch_shows_image_and_mask_of_the_same_place(tmp_path: Path, root: Path) -> None:
    """Where the intensities name the voxel, the mask must be that of the voxel."""
    shape = (12, 12, 12)
    places = np.arange(12**3).reshape(shape)
    marks = (places % 3).astype(np.uint8)
    write(root, {"images/a.npy": places % 1000, "masks/a.npy": marks})
    flips = {"horizontalFlip": 0.5, "verticalFlip": 0.5, "rotate90": 0.5}
    configured = config(root, data={"intensityWindow": [0, 1000]}, augmentation=flips)
    dataset = prepared(tmp_path, configured).batches(configured, augmented=True)
    by_intensity = {value: set((marks[places % 1000 == value]).tolist()) for value in range(1000)}
    for epoch in range(5):
        batch = dataset[epoch, 0]
        values = (batch.images[0, 0] * 1000).round().int().flatten().tolist()
        # 16 bits tell neighbours apart up to 500
        for value, label in zip(values, batch.masks[0].flatten().tolist(), strict=True):
            assert value > 500 or label in by_intensity[value]


def test_beyond_a_small_volume_is_nothing_and_counts_nowhere(tmp_path: Path, root: Path) -> None:
    configured = config(root, data={"patchSize": [16, 8, 8]})
    batch = prepared(tmp_path, configured).batches(configured, augmented=True)[0, 1]
    assert (batch.masks[0, :4] == IGNORED).all()
    assert (batch.masks[0, 12:] == IGNORED).all()
    assert np.array_equal(batch.masks[0, 4:12].numpy(), mask(1))
    assert not batch.images[0, 0, :4].any()


@pytest.mark.parametrize(
    ("data", "classes", "values", "expected"),
    [
        ({"targetLabel": 2}, ("background", "2"), (0, 2), [0, 0, 1]),
        ({"ignoreLabel": 1}, ("background", "2"), (0, 2), [0, IGNORED, 1]),
        ({"classNames": ["air", "liver", "a", "b"]}, ("air", "liver", "a", "b"), (0, 1, 2, 3), None),
    ],
)  # fmt: skip
def test_labels_become_the_classes_of_the_config(
    tmp_path: Path,
    root: Path,
    data: dict[str, Any],
    classes: tuple[str, ...],
    values: tuple[int, ...],
    expected: list[int] | None,
) -> None:
    configured = config(root, data=data)
    found = prepared(tmp_path, configured)
    assert found.classes == classes
    assert found.label_values == values
    batch = found.batches(configured, augmented=False)[0, 0]
    wanted = np.array(expected or [0, 1, 2])[mask(0)]
    assert np.array_equal(batch.masks[0].numpy(), wanted)
    assert sum(found.pixel_counts("train")) == sum(
        int((np.array(expected or [0, 1, 2])[mask(number)] != IGNORED).sum()) for number in (0, 1)
    )


def test_a_class_that_a_split_lacks_is_told(
    tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        prepared(tmp_path, config(root, data={"classNames": ["air", "liver", "tumor", "bone"]}))
    assert "no volume of val shows bone" in caplog.text
    assert "train: 2 volumes" in caplog.text


def test_volumes_are_evaluated_one_by_one_whatever_the_batch(tmp_path: Path, root: Path) -> None:
    configured = config(root, data={"batchSize": 2, "numWorkers": 0})
    module = DataModule(
        prepared(tmp_path, configured),
        configured,
        Ranks(),
        num_workers=0,
    )
    assert module.common_val_batches == 2
    assert [tuple(batch.images.shape[2:]) for batch in module.val_dataloader()] == list(SHAPES[2:])
    assert [len(batch.images) for batch in module.train_dataloader()] == [2]


def wide(number: int) -> npt.NDArray[np.uint16]:
    return np.arange(np.prod(SHAPES[number])).reshape(SHAPES[number]).astype(np.uint16)


@pytest.mark.parametrize(
    ("files", "data", "said"),
    [
        (
            {"masks/a.npy": mask(1)},
            {},
            r"row 2 .*: image a.npy is of 12 × 10 × 9 voxels, but mask a.npy of 8",
        ),
        ({"images/b.npy": image(1)[0]}, {}, r"row 3 .*: b.npy is of shape \(8, 8\), not of three dimensions"),
        ({"images/c.npy": np.full(SHAPES[2], np.nan)}, {}, "row 4 .*: image c.npy holds NaN"),
        ({"masks/c.npy": np.full(SHAPES[2], -1)}, {}, "row 4 .*: mask c.npy holds the label -1"),
        ({"masks/a.npy": wide(0)}, {}, "row 2 .*: mask a.npy holds 1080 different labels, so it is no mask"),
        ({"images/d.npy": b"hello"}, {}, "row 5 .*: d.npy is no intact NIfTI or npy"),
        ({}, {"classNames": ["air", "liver"]}, "row 2 .*: mask a.npy holds the labels 2"),
        ({f"masks/{name}.npy": np.zeros(SHAPES[n]) for n, name in enumerate(NAMES)}, {}, "single label 0"),
        (
            {"images/a.npy": b"1", "images/b.npy": b"2", "masks/c.npy": b"3"},
            {},
            r"row 2 .*: a.npy .*; row 3 .*: b.npy .*; row 4 .*: c.npy ",
        ),
    ],
)
def test_bad_volumes_are_named(
    tmp_path: Path, root: Path, files: dict[str, Any], data: dict[str, Any], said: str
) -> None:
    write(root, files)
    with pytest.raises(BadData, match=said) as refused:
        prepared(tmp_path, config(root, data=data))
    assert refused.value.advice


def test_a_mask_that_lies_elsewhere_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for split in ("train", "val"):
        for folder in ("images", "masks"):
            (root / split / folder).mkdir(parents=True)
            codes = np.diag([-1, -1, 1, 1.0]) if (split, folder) == ("val", "images") else np.eye(4)
            nib.save(nib.Nifti1Image(mask(0).transpose(), codes), root / split / folder / "v.nii.gz")
    with pytest.raises(BadData, match=r"val/: image v.nii.gz is stored as LPS and mask v.nii.gz as RAS"):
        prepared(tmp_path, config(root))


@pytest.mark.parametrize(
    ("data", "rest", "said"),
    [
        ({"format": "coco"}, {}, "data.format coco is for images"),
        ({"targetLabel": 9}, {}, "data.targetLabel is 9, but masks hold the labels 0, 1, 2"),
        ({}, {"augmentation": {"blur": 3}}, "augmentation.blur is not for volumes"),
    ],
)
def test_configs_that_do_not_fit_volumes_are_refused(
    tmp_path: Path, root: Path, data: dict[str, Any], rest: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadConfig, match=said):
        prepared(tmp_path, config(root, data=data, **rest))


def test_volumes_that_do_not_fit_on_the_node_are_refused_before_they_are_written(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainingrun_trainer.data.volumes.BYTES_A_VOXEL", 10**12)
    with pytest.raises(ScratchFull, match=r"the volumes need .* GiB in .*scratch, where .* GiB are free"):
        prepared(tmp_path, config(root))
    assert not list((tmp_path / "scratch").iterdir())


def test_the_digest_tells_data_apart(tmp_path: Path, root: Path) -> None:
    digests = []
    for number, files in enumerate(({}, {}, {"masks/d.npy": mask(3) * 2})):
        write(root, files)
        part = tmp_path / str(number)
        part.mkdir()
        digests.append(prepared(part, config(root)).digest)
    assert digests[0] == digests[1] != digests[2]
