"""Configurations of the earlier systems become valid TrainingRuns, and nothing is left out without a word."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainingrun_api import TrainingRunSpec
from trainingrun_api.names import EXIT_BAD_CONFIG
from trainingrun_api.schema import structural_schema
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.importing.command import main
from trainingrun_trainer.importing.conversion import Converted, convert
from trainingrun_trainer.importing.forms import FORMS, IMAGES, MASKS, NAME, SPLITS, Dropped, Row
from trainingrun_trainer.importing.sources import Source, read

XRAY = """
experiment:
  learning_rate: 0.001
  epochs: 10
  batch_size: 32
  weight_decay: 0.0001
  dropout_rate: 0.3
  fine_tune_layers_count: 5
  early_stopping_patience: 7
  reduce_lr_patience: 3
  monitor_metric: val_loss
system:
  batch_size: 32
  num_workers: 0
  pin_memory: true
  persistent_workers: false
  prefetch_factor: 2
  validation_split: 0.2
  seed: 42
output:
  checkpoint_dir: models/checkpoints
  log_dir: logs
  results_dir: results
"""
REQUEST = {
    "run_name": "exp_001_baseline",
    "dataset_path": "data/pneumonia_dataset.zip",
    "config_overrides": {"experiment.epochs": 100, "experiment.learning_rate": 0.0005},
}
VOLUMES = """
import os
from configs.model_training_config import ModelTrainingConfig

raise SystemExit("this code must not run")

config = ModelTrainingConfig(
    model_name="dformer3d",
    data_dir="data_preprocessed",
    max_epochs=100,
    learning_rate=1e-4,
    optimizer="adamw",
    gpus=1,
    train_batch_size=1,
    val_batch_size=1,
    num_classes=3,
    input_channels=1,
    model_params={"depths": [2, 2, 2, 2]},
    num_workers=os.cpu_count(),
)
config.target_label = 2
config.precision = "16-mixed"
config.debug = True
"""
DEFECTS = """
config = {
    'architecture': 'deeplabv3+',
    'encoder': 'resnet34',
    'encoder_weights': 'imagenet',
    'num_epochs': 50,
    'batch_size': 8,
    'learning_rate': 0.0001,
    'optimizer': 'AdamW',
    'scheduler': 'ReduceLROnPlateau',
    'early_stopping_patience': 10,
    'loss': 'combined',
    'image_size': (512, 512),
    'augmentation_prob': 0.5,
    'split_dir': 'data/splits',
    'images_dir': 'data/processed/images',
    'masks_dir': 'data/processed/masks',
    'checkpoint_dir': 'data/outputs/models',
}
"""
EXPERIMENT: dict[str, Any] = {
    "task": "object_detection",
    "split_index": 1,
    "num_workers": 4,
    "hardware": {"selected_devices": ["cuda:0", "cuda:1"], "precision": "32"},
    "hyperparameters": {"max_epochs": 100, "early_stopping_patience": 10, "batch_size": 4},
    "augmentation_config": {"train": {"horizontal_flip": 0.5}, "val": {}},
}


def file(directory: Path, name: str, content: Any) -> Path:
    path = directory / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def converted(directory: Path, name: str, content: Any, task: str | None = None) -> Converted:
    return convert(read(file(directory, name, content)), Path(name).stem, task)


def at(run: Any, path: str) -> Any:
    for key in path.split("."):
        run = run[key]
    return run


@pytest.mark.parametrize(
    ("name", "content", "expected", "dropped"),
    [
        pytest.param(
            "default_config.yaml",
            XRAY,
            {
                "metadata.name": "default-config",
                "spec.training.task": "classification",
                "spec.training.data.path": "/data/dataset.zip",
                "spec.training.data.batchSize": 32,
                "spec.training.data.numWorkers": 0,
                "spec.training.data.validationSplit": 0.2,
                "spec.training.model.dropout": 0.3,
                "spec.training.model.fineTuneLayersCount": 5,
                "spec.training.earlyStopping.patience": 7,
                "spec.training.scheduler.patience": 3,
                "spec.training.monitor": "val_loss",
                "spec.training.maxEpochs": 10,
                "spec.training.seed": 42,
            },
            ["output.checkpoint_dir", "output.log_dir", "output.results_dir"],
            id="YAML of the X-ray system",
        ),
        pytest.param(
            "request.json",
            REQUEST | {"experiment": {"epochs": 50}},
            {
                "metadata.name": "exp-001-baseline",
                "spec.training.data.path": "/data/pneumonia_dataset.zip",
                "spec.training.data.format": "zip",
                "spec.training.maxEpochs": 100,
                "spec.training.optimizer.learningRate": 0.0005,
            },
            [],
            id="request with dotted overrides",
        ),
        pytest.param(
            "train.py",
            VOLUMES,
            {
                "spec.resources.gpus": 1,
                "spec.training.task": "semantic-segmentation",
                "spec.training.data.dimensions": 3,
                "spec.training.data.path": "/data/data_preprocessed",
                "spec.training.data.batchSize": 1,
                "spec.training.data.targetLabel": 2,
                "spec.training.model.architecture": "dformer3d",
                "spec.training.model.parameters": {"depths": [2, 2, 2, 2]},
                "spec.training.optimizer": {"learningRate": 0.0001, "name": "adamw"},
                "spec.training.precision": "16-mixed",
                "spec.training.maxEpochs": 100,
            },
            ["num_workers", "val_batch_size", "num_classes", "input_channels", "debug"],
            id="Python of the volume system",
        ),
        pytest.param(
            "defects.py",
            DEFECTS,
            {
                "spec.volumes": [{"claim": "data", "mountPath": "/data", "readOnly": True}],
                "spec.training.data.format": "split-files",
                "spec.training.data.path": "/data",
                "spec.training.data.splitsDirectory": "splits",
                "spec.training.data.imagesDirectory": "processed/images",
                "spec.training.data.masksDirectory": "processed/masks",
                "spec.training.data.imageSize": 512,
                "spec.training.model": {"architecture": "deeplabv3plus", "encoder": "resnet34"},
                "spec.training.loss.name": "combined",
                "spec.training.scheduler.name": "plateau",
                "spec.training.augmentation.probability": 0.5,
                "spec.training.earlyStopping.patience": 10,
            },
            ["encoder_weights", "checkpoint_dir"],
            id="dictionary of the defect system",
        ),
        pytest.param(
            "experiment.json",
            EXPERIMENT,
            {
                "spec.resources.gpus": 2,
                "spec.training.task": "object-detection",
                "spec.training.data.format": "dataset-json",
                "spec.training.data.splitIndex": 1,
                "spec.training.data.numWorkers": 4,
                "spec.training.precision": "32-true",
                "spec.training.augmentation": {"horizontalFlip": 0.5},
                "spec.training.earlyStopping.patience": 10,
            },
            ["augmentation_config.val"],
            id="experiment.json of the studio",
        ),
    ],
)
def test_a_file_of_each_system_becomes_a_valid_run(
    tmp_path: Path, name: str, content: Any, expected: dict[str, Any], dropped: list[str]
) -> None:
    result = converted(tmp_path, name, content)
    assert {path: at(result.run, path) for path in expected} == expected
    assert [line.partition(":")[0] for line in result.dropped] == dropped
    TrainingRunSpec.model_validate(result.run["spec"])


SCHEMA = structural_schema(TrainingRunSpec)
ROWS = [
    pytest.param(row, id=f"{form.title.partition(' (')[0]}: {key}")
    for form in FORMS
    for key, row in form.table.items()
]


@pytest.mark.parametrize("row", ROWS)
def test_every_row_leads_to_fields_that_exist_or_says_why_not(row: Row) -> None:
    fields = row("word")
    if isinstance(fields, Dropped):
        assert fields.reason
        return
    for path in fields.keys() - {SPLITS, IMAGES, MASKS, NAME}:
        schema = {"properties": {"spec": SCHEMA}}
        for key in path.split("."):
            schema = schema["properties"][key]


@pytest.mark.parametrize(
    ("content", "task", "words"),
    [
        (
            {"experiment": {"batch_size": 32}, "system": {"batch_size": 16}},
            None,
            "experiment.batch_size is 32 and system.batch_size is 16",
        ),
        ({"experiment": {"learning_rate": "fast"}}, None, "optimizer.learningRate: 'fast' is not allowed"),
        (
            {"experiment": {"monitor_metric": "val_iou"}},
            None,
            "training.monitor is no metric of the task classification",
        ),
        ({"hyperparameters": {"max_epochs": 5}}, None, "the file names no task"),
        (EXPERIMENT, "classification", "--task is 'classification' and task is 'object-detection'"),
        (
            {"hardware": {"selected_devices": "cpu", "precision": "16"}, "task": "classification"},
            None,
            "precision 16-mixed needs a GPU",
        ),
        ({"model_name": "unetr", "data_dir": 5}, None, "data_dir is 5, which cannot be read"),
        ({"model_name": "unetr", "data_dir": "../up"}, None, "data.path: '/data/../up' is not allowed"),
        ({"lr": 1}, None, "lr: this is none of the known forms"),
    ],
)
def test_contradictions_and_values_without_counterpart_are_refused(
    tmp_path: Path, content: Any, task: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path, "config.json", content)
    assert main([str(path), *(["--task", task] if task else [])]) == EXIT_BAD_CONFIG
    output = capsys.readouterr()
    assert words in output.err
    assert output.out == ""


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.yaml", "a: [", "cannot be parsed"),
        ("config.yaml", "- a", "holds no config"),
        ("config.py", "def f(:", "cannot be parsed"),
        ("config.py", "x = 1", "holds no config"),
        ("config.yaml", "\x00", "cannot be parsed"),
    ],
)
def test_what_is_no_config_is_refused(
    tmp_path: Path, name: str, content: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(file(tmp_path, name, content))]) == EXIT_BAD_CONFIG
    assert words in capsys.readouterr().err


def test_a_missing_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.yaml")]) == EXIT_BAD_CONFIG
    assert "No such file" in capsys.readouterr().err


def test_a_dataclass_of_defaults_is_read(tmp_path: Path) -> None:
    text = "class ModelTrainingConfig:\n    model_name: str = 'unetr'\n    max_epochs: int = 3\n"
    result = converted(tmp_path, "model_training_config.py", text)
    assert at(result.run, "spec.training.model.architecture") == "unetr"
    assert at(result.run, "spec.training.maxEpochs") == 3


def test_the_command_writes_the_run_and_says_what_it_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run.yaml"
    assert (
        main([str(file(tmp_path, "Defects 1.py", DEFECTS + "\nconfig.unheard_of = 1\n")), "--out", str(out)])
        == 0
    )
    run = yaml.safe_load(out.read_text())
    assert run["metadata"]["name"] == "defects-1"
    errors = capsys.readouterr().err
    assert "dropped unheard_of: nothing here is named so" in errors
    assert "dropped encoder_weights: 'imagenet' would be downloaded" in errors
    assert "note: the data are expected at /data" in errors
    assert "note: the name 'Defects 1' has become defects-1" in errors


WORDS = st.sampled_from(
    [
        None,
        True,
        0,
        2,
        0.5,
        "word",
        "cpu",
        "/",
        "//x",
        "../up",
        "data/a.zip",
        "/data/a b",
        [],
        [1, 2],
        ["cpu"],
    ]
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "a.b", "horizontal_flip", "blur.x"]), WORDS, max_size=2)
CONTENTS = st.sampled_from(FORMS).flatmap(
    lambda form: st.dictionaries(st.sampled_from(sorted(form.table)), WORDS | OBJECTS, max_size=6)
)


@given(CONTENTS)
@example({"config_overrides": 5, "experiment": {"epochs": 1}})
@example({"experiment": 5})
@settings(max_examples=300, deadline=None, derandomize=True)
def test_whatever_a_file_says_it_becomes_a_valid_run_or_an_error(content: dict[str, Any]) -> None:
    try:
        run = convert(Source(content), "run", None).run
    except BadConfig:
        return
    TrainingRunSpec.model_validate(run["spec"])
