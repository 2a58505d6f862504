"""The two vocabularies of overrides, and the names that come of what people write."""

import re
from typing import Any

import pytest

from trainingrun_api import TrainingRunSpec
from trainingrun_console.api import overrides
from trainingrun_console.api.changes import numbered
from trainingrun_console.api.experiments import run_name
from trainingrun_trainer.importing.forms import XRAY, Dropped

NO_FIELD = ("run_name", "dataset_path")
"""Fields of their own in a request."""


def test_the_words_are_those_of_the_importer() -> None:
    rows = {key: row(1) for key, row in XRAY.table.items() if key not in NO_FIELD}
    fields = {
        key: next(iter(found)).removeprefix("spec.")
        for key, found in rows.items()
        if not isinstance(found, Dropped)
    }
    assert fields == dict(overrides.WORDS)
    assert rows.keys() - fields.keys() == overrides.WITHOUT_FIELD.keys()


def test_every_word_is_a_field_of_the_spec() -> None:
    assert set(overrides.WORDS.values()) <= overrides.known()
    assert {"nodes", "resources.gpus", "training.optimizer.learningRate"} <= overrides.known()
    assert "training" not in overrides.known()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"experiment.epochs": 3}, {"training": {"maxEpochs": 3}}),
        ({"training.maxEpochs": 3, "nodes": 2}, {"training": {"maxEpochs": 3}, "nodes": 2}),
        ({"experiment.batch_size": 8, "system.batch_size": 8}, {"training": {"data": {"batchSize": 8}}}),
        ({"training.model.parameters.depth": 3}, {"training": {"model": {"parameters": {"depth": 3}}}}),
        ({}, {}),
    ],
)
def test_overrides_become_fields(given: dict[str, Any], expected: dict[str, Any]) -> None:
    found = overrides.read(given)
    assert overrides.nested(found.fields) == expected
    assert not found.errors


@pytest.mark.parametrize(
    ("given", "key", "words"),
    [
        ({"experiment.learningrate": 1}, "experiment.learningrate", "experiment.learning_rate"),
        ({"training.maxEpoch": 1}, "training.maxEpoch", "training.maxEpochs"),
        ({"learningRate": 1}, "learningRate", "training.optimizer.learningRate"),
        ({"training": {}}, "training", "no such field"),
        ({"": 1}, "", "no such field"),
        ({"experiment.epochs": 3, "training.maxEpochs": 4}, "training.maxEpochs", "experiment.epochs sets"),
        (
            {"training.model.parameters": {}, "training.model.parameters.a": 1},
            "training.model.parameters.a",
            "sets",
        ),
        ({"output.results_dir": "r"}, "output.results_dir", "checkpoints.claim"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_its_name(given: dict[str, Any], key: str, words: str) -> None:
    [error] = overrides.read(given).errors
    assert error.field == f"body.config_overrides.{key}"
    assert words in error.message


def test_the_spec_takes_what_the_words_say() -> None:
    given = {"experiment.epochs": 9, "experiment.monitor_metric": "val_loss", "system.seed": 1}
    training = {"task": "classification", "data": {"format": "zip", "path": "/data/a.zip"}}
    spec = overrides.nested(overrides.read(given).fields)
    checked = TrainingRunSpec.model_validate({"training": {**training, **spec["training"]}})
    assert checked.training is not None
    assert (checked.training.max_epochs, checked.training.seed) == (9, 1)


@pytest.mark.parametrize("text", ["exp_001_baseline", "A B.c", "x--", "0_"])
def test_a_run_name_is_one_that_kubernetes_takes(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", run_name(text))


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("chest", 2, "chest-r2"),
        ("chest-r2", 3, "chest-r3"),
        ("exp-50", 2, "exp-50-r2"),
        ("a" * 49, 2, "a" * 46 + "-r2"),
    ],
)
def test_a_repeated_run_has_a_name_that_says_so(name: str, number: int, expected: str) -> None:
    assert numbered(name, number) == expected
