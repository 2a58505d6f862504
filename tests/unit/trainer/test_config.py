"""A config is understood from every form that it has, and refused with field, value and remedy."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainingrun_trainer import config
from trainingrun_trainer.errors import BadConfig

MINIMAL: dict[str, Any] = {"task": "classification", "data": {"format": "zip", "path": "/data/a.zip"}}


@pytest.mark.parametrize(
    ("overrides", "path", "value"),
    [
        (["optimizer.learningRate=0.0005"], ("optimizer", "learning_rate"), 0.0005),
        (["optimizer.learningRate=5e-4"], ("optimizer", "learning_rate"), 0.0005),
        (["maxEpochs=3", "maxEpochs=4"], ("max_epochs",), 4),
        (["data.pinMemory=false"], ("data", "pin_memory"), False),
        (["data.numWorkers=null"], ("data", "num_workers"), None),
        (["model.architecture=timm/convnext_tiny"], ("model", "architecture"), "timm/convnext_tiny"),
        (["data.path=/a=b.zip"], ("data", "path"), "/a=b.zip"),
    ],
)
def test_overrides_reach_their_field(overrides: list[str], path: tuple[str, ...], value: object) -> None:
    found: Any = config.parse(config.override(MINIMAL, overrides))
    for name in path:
        found = getattr(found, name)
    assert found == value


def test_overrides_leave_the_original_alone() -> None:
    before = json.dumps(MINIMAL)
    config.override(MINIMAL, ["data.path=/other.zip"])
    assert json.dumps(MINIMAL) == before


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["maxEpochs"], "--set maxEpochs is not of the form path=value"),
        (["=3"], "--set =3 is not of the form path=value"),
        (["task.name=x"], "task is 'classification', not an object"),
        (["data.path=["], "the value cannot be read"),
        (["optimizer.learningrate=1"], "optimizer.learningrate: there is no such field"),
        (["optimizer.learningRate=fast"], "optimizer.learningRate: 'fast' is not allowed"),
        (
            ["optimizer.learningRate=0"],
            "optimizer.learningRate: 0 is not allowed, input should be",
        ),
        (["monitor=val_speed"], "training.monitor is no metric of the task classification"),
        (["data.path=data.zip"], "data.path: 'data.zip' is not allowed"),
        (
            ["data.validationSplit=0.5", "data.testSplit=0.5"],
            "data.validationSplit + data.testSplit must stay below 1",
        ),
        (["data=null"], "data: None is not allowed"),
    ],
)
def test_a_bad_value_is_refused_by_name(overrides: list[str], said: str) -> None:
    with pytest.raises(BadConfig) as refused:
        config.parse(config.override(MINIMAL, overrides))
    assert said in refused.value.message
    assert refused.value.advice


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(MINIMAL),
        "task: classification\ndata: {format: zip, path: /data/a.zip}\n",
        json.dumps({"kind": "TrainingRun", "spec": {"training": MINIMAL}}),
    ],
    ids=["json", "yaml", "training run"],
)
def test_every_form_of_the_file_is_understood(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    assert config.load(file) == config.parse(MINIMAL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read the config"),
        ("{", "neither JSON nor YAML"),
        ("[]", "holds no object"),
        ('{"kind": "TrainingRun", "spec": {"command": ["true"]}}', "holds no object"),
        ('{"kind": "TrainingRun", "spec": null}', "holds no object"),
        ('{"kind": "TrainingRun", "spec": []}', "holds no object"),
        ("{}", "task: is required"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BadConfig, match=said):
        config.load(file)
