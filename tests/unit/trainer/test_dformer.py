"""D-Former: units tile a map near and far, every weight takes part, and it learns."""

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import nn
from torch.nn import functional

from trainingrun_trainer.models.dformer import SegNetwork, cut, join, unit_sides

SHAPE = (4, 6, 8)
PLACES = torch.tensor(list(itertools.product(*map(range, SHAPE)))).reshape(1, *SHAPE, 3)
"""A map whose tokens say where they are."""


def small(**arguments: object) -> SegNetwork:
    settings = {
        "num_classes": 3,
        "embed_dim": 12,
        "depths": (2, 2),
        "num_heads": (2, 4),
        "patch_size": (2, 2, 2),
        "group_size": (2, 4, 4),
    }
    return SegNetwork(**{**settings, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize("dilated", [False, True])
@pytest.mark.parametrize("sides", [(1, 1, 1), (2, 3, 4), (4, 6, 8), (2, 2, 2)])
def test_units_are_put_together_as_they_were(sides: tuple[int, int, int], dilated: bool) -> None:
    units = cut(PLACES, sides, dilated=dilated)
    assert units.shape[1] == sides[0] * sides[1] * sides[2]
    assert torch.equal(join(units, SHAPE, sides, dilated=dilated), PLACES)


def test_a_local_unit_is_a_block_of_neighbours() -> None:
    for unit in cut(PLACES, (2, 3, 4), dilated=False):
        reach = unit.amax(dim=0) - unit.amin(dim=0)
        assert reach.tolist() == [1, 2, 3]


def test_a_global_unit_spans_the_map_at_equal_distances() -> None:
    for unit in cut(PLACES, (2, 3, 4), dilated=True):
        for axis, distance in enumerate((2, 2, 2)):
            steps = unit[:, axis].unique().diff()
            assert set(steps.tolist()) == {distance}


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((48, 24, 24), (2, 8, 8)),
        ((24, 12, 12), (2, 6, 6)),
        ((3, 7, 5), (1, 7, 5)),
        ((2, 11, 1), (2, 1, 1)),
    ],
)
def test_units_shrink_to_what_divides_the_map(shape: Sequence[int], sides: Sequence[int]) -> None:
    assert unit_sides(shape, (2, 8, 8)) == sides


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({}, (8, 12, 20)),
        ({"in_chan": 2, "num_classes": 1}, (4, 4, 4)),
        ({"depths": (1, 2, 3), "num_heads": (1, 2, 3), "patch_size": (1, 2, 2)}, (8, 16, 24)),
        ({"mlp_ratio": 2.0, "group_size": (1, 7, 7)}, (12, 8, 8)),
    ],
)
def test_each_voxel_gets_a_score_for_each_class(arguments: dict[str, int], shape: Sequence[int]) -> None:
    volumes = torch.rand(2, arguments.get("in_chan", 1), *shape)
    assert small(**arguments)(volumes).shape == (2, arguments.get("num_classes", 3), *shape)


def test_the_default_network_keeps_its_size() -> None:
    with torch.device("meta"):
        network = SegNetwork(num_classes=9)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters == 44_647_593
    assert network.divisor == (16, 32, 32)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"num_heads": (2,)}, "same length"),
        ({"num_heads": (5, 5)}, "must divide"),
        ({"group_size": (2, 2)}, "three numbers"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        small(**arguments)


def test_a_volume_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(8, 10, 8\) must be multiples of \(4, 4, 4\)"):
        small()(torch.rand(1, 1, 8, 10, 8))


def gradients(network: nn.Module, volumes: torch.Tensor) -> dict[str, torch.Tensor]:
    network.zero_grad()
    network(volumes).square().mean().backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }


def test_gradients_reach_every_weight_and_are_the_same_when_recomputed() -> None:
    torch.manual_seed(0)
    network, volumes = small(), torch.rand(1, 1, 8, 8, 8)
    found = gradients(network, volumes)
    assert found.keys() == dict(network.named_parameters()).keys()
    assert all(gradient.abs().sum() > 0 for gradient in found.values())
    recomputing = small(use_checkpoint=True)
    recomputing.load_state_dict(network.state_dict())
    assert all(
        torch.equal(gradient, found[name]) for name, gradient in gradients(recomputing, volumes).items()
    )


def test_it_learns_a_ball_by_heart() -> None:
    torch.manual_seed(0)
    grid = torch.stack(torch.meshgrid([torch.linspace(-1, 1, 16)] * 3, indexing="ij"))
    mask = ((grid - 0.2) ** 2).sum(dim=0).lt(0.4)[None].long()
    volume = mask[None] * 0.5 + 0.2 * torch.rand(1, 1, 16, 16, 16)
    network = small(num_classes=2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(60):
        loss = functional.cross_entropy(network(volume), mask)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = network(volume).argmax(dim=1)
    dice = 2 * (found * mask).sum() / (found.sum() + mask.sum())
    assert dice > 0.95
