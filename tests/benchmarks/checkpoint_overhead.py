"""How long a save holds training: `python -m tests.benchmarks.checkpoint_overhead --directory DIR`.

The checkpoint is one of ResNet-50 with AdamW, about 300 MB. The target is 1 % of wall time at the default
interval.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
import torchvision

from trainingrun_trainer.checkpoint_files import LAST
from trainingrun_trainer.checkpointing import CheckpointStore
from trainingrun_trainer.fence import FENCE, Fence
from trainingrun_trainer.keeper import DEFAULT_SECONDS


class Silent:
    """Nobody watches."""

    def saving(self) -> None: ...

    def written(self) -> None: ...

    def saved(self, seconds: float, step: int) -> None: ...

    def not_saved(self) -> None:
        raise SystemExit("the checkpoint could not be written")


def parser() -> argparse.ArgumentParser:
    """Options of the benchmark."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--directory", type=Path, help="on the volume to measure; default: a temporary one")
    result.add_argument("--saves", type=int, default=5, help="how many to measure (default: 5)")
    result.add_argument(
        "--interval", type=float, default=DEFAULT_SECONDS, help="seconds between saves (default: 300)"
    )
    result.add_argument("--device", default="cpu", help="where the model is (default: cpu)")
    return result


def measure(directory: Path, saves: int, device: str) -> tuple[list[float], list[float], int]:
    """Seconds of each save, those of the processor, and bytes of a checkpoint."""
    model = torchvision.models.resnet50().to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.rand(2, 3, 64, 64, device=device)).sum().backward()
    optimizer.step()
    store = CheckpointStore(directory, Fence(directory / FENCE, 1), Silent())
    seconds, busy = [], []
    for step in range(saves):
        started, worked = time.perf_counter(), time.process_time()
        store.save_checkpoint(
            {
                "global_step": step,
                "loops": {"fit_loop": {"epoch_progress": {"current": {"processed": 0}}}},
                "state_dict": model.state_dict(),
                "optimizer_states": [optimizer.state_dict()],
            },
            directory / LAST,
        )
        seconds.append(time.perf_counter() - started)
        busy.append(time.process_time() - worked)
    return seconds, busy, (directory / LAST).stat().st_size


def main() -> None:
    """Measure and print."""
    options = parser().parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        seconds, busy, size = measure(Path(directory), options.saves, options.device)
    middle = statistics.median(seconds)
    print(f"checkpoint:        {size / 1e6:.0f} MB")
    print(f"a save holds:      {middle:.2f} s (median of {len(seconds)}; longest {max(seconds):.2f} s)")
    print(f"of it processor:   {statistics.median(busy):.2f} s; the rest is the volume, or other processes")
    print(f"share of the time: {middle / (options.interval + middle):.2%} at {options.interval:.0f} s")


if __name__ == "__main__":
    main()
