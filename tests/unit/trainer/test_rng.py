"""Random numbers go on where they were, also after safe loading."""

import io
import random

import numpy
import pytest
import torch

from trainingrun_trainer import rng

CPU = torch.device("cpu")


def draw() -> list[float]:
    return [
        *torch.rand(3).tolist(),
        random.random(),
        random.gauss(0, 1),
        *numpy.random.rand(3).tolist(),
        float(numpy.random.standard_normal()),
    ]


@pytest.mark.parametrize("draws", [0, 1, 2])
def test_drawing_goes_on_exactly(draws: int) -> None:
    rng.reseed(42, 7, 0)
    for _ in range(draws):
        draw()
    file = io.BytesIO()
    torch.save(rng.capture(CPU), file)
    file.seek(0)
    expected = [draw(), draw()]
    rng.reseed(1)
    rng.restore(torch.load(file, weights_only=True), CPU)
    assert [draw(), draw()] == expected


def test_every_rank_draws_numbers_of_its_own_anew() -> None:
    drawn = []
    for key in ((42, 7, 0), (42, 7, 1), (42, 8, 0), (43, 7, 0), (42, 7, 0)):
        rng.reseed(*key)
        drawn.append(tuple(draw()))
    assert drawn[0] == drawn[-1]
    assert len(set(drawn)) == 4
