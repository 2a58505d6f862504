"""A custom metric that does not fit its task is refused before the first epoch; others leave no trace."""

import random
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy
import pytest
import torch
from torchmetrics import Metric

from tests.unit.trainer.test_configurations import KINDS, Kind, Prepared
from trainingrun_trainer import config as configs
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.metrics.custom import CustomMetrics
from trainingrun_trainer.tasks import task
from trainingrun_trainer.tasks.module import TaskModule

CPU = torch.device("cpu")


class Drawing(Metric):
    """Takes all, and draws random numbers."""

    def update(self, predictions: Any, targets: Any) -> None:
        torch.rand(1)
        random.random()
        numpy.random.rand()

    def compute(self) -> float:
        return 0.5


class Choosy(Drawing):
    """Takes nothing."""

    def update(self, predictions: Any, targets: Any) -> None:
        raise TypeError("these are no waveforms")


class Wordy(Drawing):
    def compute(self) -> Any:
        return "good"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    hospital = ModuleType("hospital")
    for metric in (Drawing, Choosy, Wordy):
        setattr(hospital, metric.__name__, metric)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "hospital", hospital)
        yield Prepared(tmp_path_factory.mktemp("trial"))


def made(kind: Kind, prepared: Prepared) -> tuple[TaskModule, Any]:
    config = configs.parse(
        {
            "task": kind.task,
            "model": kind.models[0],
            "data": {**kind.data, "path": str(prepared.path(kind)), "numWorkers": 0},
            "accelerator": "cpu",
        }
    )
    data = prepared.data(kind, config)
    return task(config.task).module(config, data), data


def form(content: Any) -> Any:
    """Types and shapes, where any number of objects is as good as another."""
    match content:
        case torch.Tensor():
            return content.dtype, content.shape
        case list():
            return [form(entry) for entry in content]
        case dict():
            return {name: (value.dtype, value.shape[1:]) for name, value in content.items()}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_metrics_are_tried_with_what_they_will_get(kind: Kind, prepared: Prepared) -> None:
    module, data = made(kind, prepared)
    batch = data.batches(module.config, augmented=False).__getitems__([(0, data.splits["val"].tolist()[0])])
    with torch.no_grad():
        found, targets = module.eval().evaluate_batch(batch, module.val_metrics)
    right, truth = module.perfect(batch)
    assert form(right) == form(found)
    assert form(truth) == form(targets)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_metric_that_does_not_fit_is_refused_and_one_that_does_leaves_no_trace(
    kind: Kind, prepared: Prepared
) -> None:
    module, data = made(kind, prepared)
    for name, said in {
        "Choosy": "metrics.custom hospital:Choosy does not take the batches of this task: these are no wave",
        "Wordy": "metrics.custom hospital:Wordy gives no single number",
    }.items():
        module.custom_metrics = CustomMetrics([f"hospital:{name}"])
        with pytest.raises(BadConfig, match=said) as refused:
            module.try_custom_metrics(data, CPU)
        assert refused.value.advice
    module.custom_metrics = CustomMetrics(["hospital:Drawing"])
    before = random_numbers()
    module.try_custom_metrics(data, CPU)
    assert random_numbers() == before
    assert not module.custom_metrics.metrics["drawing"].update_called


def random_numbers() -> Any:
    of_numpy = numpy.random.get_state(legacy=False)
    return random.getstate(), of_numpy["state"]["key"].tolist(), torch.get_rng_state().tolist()
