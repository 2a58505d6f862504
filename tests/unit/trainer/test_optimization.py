"""Each step has the learning rate of its closed form, averages are those computed by hand, and what is frozen
stays as it is."""

import math
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD, Optimizer, lr_scheduler

from trainingrun_api.training import OptimizerConfig, SchedulerConfig
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.optimization import optimizer as optimizers
from trainingrun_trainer.optimization import range_test
from trainingrun_trainer.optimization.average import WeightAverage
from trainingrun_trainer.optimization.compilation import check_compiler
from trainingrun_trainer.optimization.freezing import Freezer, encoder_of
from trainingrun_trainer.optimization.schedule import learning_rate

BASE = 0.1
STEPS = 4
EPOCHS = 6


def rates(config: SchedulerConfig, epochs: int = EPOCHS) -> list[float | None]:
    """Of all steps of all epochs."""
    return [
        learning_rate(config, BASE, epoch=epoch, step=step, steps=STEPS, max_epochs=epochs)
        for epoch in range(epochs)
        for step in range(STEPS)
    ]


def test_cosine_is_that_of_torch_by_steps() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=BASE)
    reference = lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS * STEPS, eta_min=0.01)
    expected = []
    for _ in range(EPOCHS * STEPS):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    assert rates(SchedulerConfig(name="cosine", min_learning_rate=0.01)) == pytest.approx(expected, rel=1e-9)


def test_step_is_that_of_torch_by_epochs() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=BASE)
    reference = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    expected = []
    for _ in range(EPOCHS):
        expected += [optimizer.param_groups[0]["lr"]] * STEPS
        optimizer.step()
        reference.step()
    assert rates(SchedulerConfig(name="step", step_size=2, factor=0.5)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("none", [BASE] * STEPS * 4),
        ("plateau", [None] * STEPS * 4),
        ("step", [BASE * 0.5**epoch for epoch in range(4) for _ in range(STEPS)]),
        ("cosine", [BASE * (1 + math.cos(math.pi * step / (4 * STEPS))) / 2 for step in range(4 * STEPS)]),
    ],
)
def test_after_an_even_warm_up_all_else_begins(name: str, rest: list[float | None]) -> None:
    config = SchedulerConfig.model_validate(
        {"name": name, "warmup_epochs": 2, "step_size": 1, "factor": 0.5, "min_learning_rate": 0.0}
    )
    found = rates(config)
    assert found[: 2 * STEPS] == pytest.approx(
        [BASE * step / (2 * STEPS) for step in range(1, 2 * STEPS + 1)]
    )
    assert found[2 * STEPS - 1] == BASE
    assert found[2 * STEPS :] == pytest.approx(rest)


def test_a_warm_up_to_the_end_never_gets_there() -> None:
    found = rates(SchedulerConfig(name="cosine", warmup_epochs=2 * EPOCHS))
    assert found[-1] == pytest.approx(BASE / 2)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_the_fused_form_moves_weights_as_the_plain_one(name: str, momentum: float) -> None:
    config = OptimizerConfig.model_validate({"name": name, "momentum": momentum, "weight_decay": 0.1})
    plain = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}[name]
    options = {"momentum": momentum} if name == "sgd" else {}
    ours, its = (nn.Parameter(torch.linspace(-1, 1, 8)) for _ in range(2))
    optimizer: Optimizer = optimizers.build(config, [ours], 0.1, fused=True)
    reference = plain([its], lr=0.1, weight_decay=0.1, foreach=False, **options)
    for step in range(5):
        for parameter, mover in ((ours, optimizer), (its, reference)):
            parameter.grad = torch.cos(parameter.detach() * step)
            mover.step()
    torch.testing.assert_close(ours, its)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_what_is_not_fused_is_left_to_torch(name: str) -> None:
    config = OptimizerConfig.model_validate({"name": name})
    optimizer = optimizers.build(config, [nn.Parameter(torch.zeros(1))], 0.1, fused=False)
    # False would keep it from moving all parameters at once
    assert (optimizer.defaults["fused"], optimizer.defaults["foreach"]) == (None, None)


def test_an_average_is_that_computed_by_hand_and_comes_and_goes() -> None:
    network = nn.BatchNorm1d(2)
    average = WeightAverage(network, 0.75)
    expected: float | None = None
    for step in range(1, 5):
        with torch.no_grad():
            network.weight.fill_(step)
            network.running_mean.fill_(10 * step)  # type: ignore[union-attr]
        average.update()
        expected = step if expected is None else 0.75 * expected + 0.25 * step
    assert expected is not None
    assert average.states()[0]["weight"].tolist() == pytest.approx([expected] * 2)
    average.swap()
    assert network.weight.tolist() == pytest.approx([expected] * 2)
    assert network.running_mean.tolist() == pytest.approx([10 * expected] * 2)  # type: ignore[union-attr]
    held, weights = average.states()
    assert held["weight"].tolist() == pytest.approx([expected] * 2)
    assert weights["weight"].tolist() == [4.0] * 2
    average.swap()
    assert network.weight.tolist() == [4.0] * 2
    assert average.states()[1]["weight"].tolist() == [4.0] * 2


def test_an_average_goes_on_where_it_was_saved() -> None:
    network, other = nn.Linear(2, 1), nn.Linear(2, 1)
    average = WeightAverage(network, 0.9)
    for _ in range(3):
        with torch.no_grad():
            network.weight += 1
        average.update()
    saved = {name: tensor.clone() for name, tensor in average.states()[0].items()}
    other.load_state_dict(network.state_dict())
    resumed = WeightAverage(other, 0.9)
    resumed.load(saved, average.updates)
    for one, its in ((network, average), (other, resumed)):
        with torch.no_grad():
            one.weight *= 2
        its.update()
    assert torch.equal(average.states()[0]["weight"], resumed.states()[0]["weight"])


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
        self.head = nn.Linear(2, 1)


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = Net()


@pytest.mark.parametrize("network", [Net(), Wrapped()], ids=["its own", "one level down"])
def test_the_encoder_is_found(network: nn.Module) -> None:
    (encoder,) = encoder_of(network)
    assert isinstance(encoder, nn.Sequential)


def test_a_network_without_an_encoder_is_refused() -> None:
    with pytest.raises(BadConfig, match="freezeEncoderEpochs"):
        encoder_of(nn.Linear(1, 1))


def test_what_is_frozen_has_no_gradients_and_keeps_its_statistics_until_it_is_let_go() -> None:
    network = Net()
    for_good = network.encoder[1].weight.requires_grad_(False)
    freezer = Freezer(encoder_of(network))
    network.encoder[0].weight.grad = torch.ones(2, 2)
    freezer.freeze(True)
    network.train()
    freezer.still()
    assert not any(module.training for module in network.encoder.modules())
    assert network.head.training
    assert all(parameter.grad is None for parameter in network.encoder.parameters())
    network.head(network.encoder(torch.rand(4, 2))).sum().backward()
    assert all(parameter.grad is None for parameter in network.encoder.parameters())
    freezer.freeze(False)
    network.train()
    freezer.still()
    assert network.encoder[1].training
    assert network.encoder[0].weight.requires_grad
    assert not for_good.requires_grad


class Bowl(nn.Module):
    """Learns at once at a rate of 0.5, hardly below 0.01, and runs away above 1."""

    def __init__(self, slope: float = 1.0) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor([3.0]))
        self.slope = slope

    def train_batch(self, batch: torch.Tensor) -> torch.Tensor:
        return self.slope * (self.place**2).sum() + batch.sum()


def endless() -> Iterator[torch.Tensor]:
    while True:
        yield torch.zeros(1)


def test_the_range_test_finds_where_a_bowl_is_learned_and_leaves_it_alone() -> None:
    bowl = Bowl()
    rate = range_test.find(bowl, endless(), SGD(bowl.parameters(), lr=1), nullcontext, clip_norm=None)
    assert rate is not None
    assert 0.005 < rate < 1
    assert bowl.place.item() == 3
    assert bowl.place.grad is None


def test_the_range_test_finds_nothing_where_nothing_is_learned() -> None:
    flat = Bowl(slope=0.0)
    assert range_test.find(flat, endless(), SGD(flat.parameters(), lr=1), nullcontext, clip_norm=1.0) is None


def test_without_a_compiler_compile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BadConfig, match="no C\\+\\+ compiler"):
        check_compiler()


def test_without_headers_of_python_compile_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CXX", sys.executable)  # any program
    monkeypatch.setattr("sysconfig.get_path", lambda *_: str(tmp_path))
    with pytest.raises(BadConfig, match="no Python\\.h"):
        check_compiler()
    (tmp_path / "Python.h").touch()
    check_compiler()
