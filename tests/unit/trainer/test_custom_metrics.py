"""Metrics of the image's own are imported by path, named in snake case and refused by name."""

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torchmetrics import Metric
from torchmetrics.classification import BinarySpecificity

from trainingrun_trainer import metrics
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.metrics.custom import CustomMetrics, snake_case


class MissRate(Metric):
    """Share of pictures whose class is not the most probable one."""

    higher_is_better = False
    wrong: torch.Tensor
    seen: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("wrong", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("seen", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predictions: torch.Tensor, targets: torch.Tensor) -> None:
        self.wrong += (predictions.argmax(dim=1) != targets).sum()
        self.seen += len(targets)

    def compute(self) -> torch.Tensor:
        return self.wrong / self.seen


class Pair(MissRate):
    def compute(self) -> torch.Tensor:
        return torch.zeros(2)


def broken() -> Metric:
    raise ValueError("no such day")


class Everybodys(MissRate):
    """Waits for other ranks, as far as torchmetrics lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.distributed_available_fn = lambda: True

    def _sync_dist(self, *arguments: Any, **named: Any) -> None:
        raise AssertionError("a rank waits for others")


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("hospital")
    for name, value in {
        "MissRate": MissRate,
        "Pair": Pair,
        "Everybodys": Everybodys,
        "Recall": MissRate,
        "broken": broken,
        "number": lambda: 1,
        "strict": BinarySpecificity,
    }.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "hospital", module)
    monkeypatch.setattr(metrics, "LOWER_IS_BETTER", {"loss"})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MissRate", "miss_rate"),
        ("BinaryF1Score", "binary_f1_score"),
        ("AUROCOfOne", "auroc_of_one"),
        ("specificity", "specificity"),
        ("Recall_At2", "recall_at2"),
    ],
)
def test_names_become_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_a_metric_counts_batches_until_it_is_reset_and_says_what_is_better() -> None:
    assert metrics.mode("val_miss_rate") == "max"
    custom = CustomMetrics(["hospital:MissRate"])
    assert metrics.mode("val_miss_rate") == "min"
    predictions = torch.tensor([[0.9, 0.1], [0.8, 0.2]])
    custom.update(predictions, torch.tensor([0, 1]))
    custom.update(predictions, torch.tensor([1, 1]))
    assert custom.scores() == {"miss_rate": 0.75}
    custom.reset()
    custom.update(predictions, torch.tensor([0, 0]))
    assert custom.scores() == {"miss_rate": 0.0}
    assert not custom.state_dict()


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["no_such_module:x"], "no_such_module:x cannot be made"),
        (["hospital:Nothing"], "hospital:Nothing cannot be made"),
        (["hospital:broken"], "hospital:broken cannot be made: no such day"),
        (["hospital:number"], "hospital:number gives a int"),
        (["hospital:Recall"], "there is a metric recall already"),
        (["hospital:MissRate", "hospital:MissRate"], "there is a metric miss_rate already"),
    ],
)
def test_what_is_no_metric_is_refused(paths: list[str], said: str) -> None:
    with pytest.raises(BadConfig, match=said) as refused:
        CustomMetrics(paths)
    assert refused.value.advice


def test_a_metric_that_does_not_fit_is_refused_when_it_counts() -> None:
    with pytest.raises(BadConfig, match="hospital:strict does not take the batches"):
        CustomMetrics(["hospital:strict"]).update(torch.rand(2, 5), torch.tensor([0, 3]))
    pair = CustomMetrics(["hospital:Pair"])
    pair.update(torch.rand(2, 2), torch.tensor([0, 1]))
    with pytest.raises(BadConfig, match="hospital:Pair gives no single number"):
        pair.scores()


def test_a_metric_is_tried_by_each_rank_alone_and_forgets_it() -> None:
    custom = CustomMetrics(["hospital:Everybodys"])
    custom.try_out(torch.eye(2), torch.tensor([0, 0]))
    metric = custom.metrics["everybodys"]
    assert not metric.update_called
    assert (int(metric.wrong), int(metric.seen)) == (0, 0)
    custom.update(torch.eye(2), torch.tensor([0, 1]))
    with pytest.raises(BadConfig, match="a rank waits for others"):
        custom.scores()
