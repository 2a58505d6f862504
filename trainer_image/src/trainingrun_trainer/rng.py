"""The random numbers of one process, as tensors that a checkpoint can hold and safe loading accepts."""

import random

import numpy
import torch

from trainingrun_trainer.data.sampler import generator

State = dict[str, torch.Tensor]


def capture(device: torch.device) -> State:
    """The state of torch's generators, Python's and NumPy's."""
    _, words, gauss = random.getstate()
    legacy = numpy.random.get_state(legacy=False)
    state = {
        "torch": torch.get_rng_state(),
        "python": torch.tensor(words),
        "python_gauss": torch.tensor([float("nan") if gauss is None else gauss], dtype=torch.float64),
        "numpy": torch.tensor(
            [*legacy["state"]["key"].tolist(), legacy["state"]["pos"], legacy["has_gauss"]]
        ),
        "numpy_gauss": torch.tensor([legacy["gauss"]], dtype=torch.float64),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore(state: State, device: torch.device) -> None:
    """Go on where `capture` was called."""
    torch.set_rng_state(state["torch"])
    gauss = state["python_gauss"].item()
    random.setstate((3, tuple(state["python"].tolist()), None if gauss != gauss else gauss))
    *keys, position, has_gauss = state["numpy"].tolist()
    numpy.random.set_state(
        {
            "bit_generator": "MT19937",
            "state": {"key": numpy.array(keys, dtype=numpy.uint32), "pos": position},
            "has_gauss": has_gauss,
            "gauss": state["numpy_gauss"].item(),
        }
    )
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def reseed(*key: int) -> None:
    """Begin anew with random numbers of one (seed, step, rank) and no other."""
    seed = generator(*key).initial_seed()
    torch.manual_seed(seed)
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
