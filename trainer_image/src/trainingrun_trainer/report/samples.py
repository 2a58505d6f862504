"""Which validation samples are shown, and what the network says of them. Rank 0 asks it alone."""

from collections.abc import Iterator, Sequence

import torch
from lightning_fabric.utilities import move_data_to_device

from trainingrun_api import TrainingConfig
from trainingrun_trainer.data.prepared import PreparedData
from trainingrun_trainer.data.sampler import generator
from trainingrun_trainer.report.drawings import Draw
from trainingrun_trainer.report.overlays import Picture
from trainingrun_trainer.tasks.module import TaskModule

BATCHES = (2, 1, 3)
"""Samples of the batches that a network is tried with."""


def chosen(indices: Sequence[int], count: int, seed: int) -> list[int]:
    """Some samples by chance, the same for the same seed, in their order."""
    order = torch.randperm(len(indices), generator=generator(seed))
    return sorted(indices[place] for place in order[:count].tolist())


def examples(data: PreparedData, config: TrainingConfig, *, batched: bool) -> list[torch.Tensor]:
    """Inputs to try a network with: batches of some chosen samples, or these one by one. Of volumes, which
    are evaluated whole, the patches that a network is trained with."""
    patches = config.data.dimensions == 3
    samples = data.batches(config, augmented=patches)
    indices = chosen(data.splits["train" if patches else "val"].tolist(), max(BATCHES), config.seed)
    images = [samples.__getitems__([(0, index)]).images[0] for index in indices]
    if not batched:
        return images
    return [torch.stack([images[place % len(images)] for place in range(size)]) for size in BATCHES]


def pictures(
    draw: Draw, module: TaskModule, data: PreparedData, config: TrainingConfig, device: torch.device
) -> Iterator[tuple[int, Picture]]:
    """Index and picture of the chosen samples, one by one, because volumes differ in size."""
    samples = data.batches(config, augmented=False)
    indices = chosen(data.splits["val"].tolist(), config.artifacts.sample_predictions, config.seed)
    module.to(device).eval()
    for index in indices:
        batch = samples.__getitems__([(0, index)])
        with torch.no_grad():
            prediction = module.predict_batch(move_data_to_device(batch, device))
        (picture,) = draw(batch, move_data_to_device(prediction, torch.device("cpu")), data.classes)
        yield index, picture
