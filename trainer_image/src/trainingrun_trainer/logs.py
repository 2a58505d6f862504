"""One line an epoch, for people: on the console and in logs/training.log of rank 0."""

import logging
import sys
import warnings
from pathlib import Path

LOGGER = logging.getLogger("trainingrun_trainer")
FORMAT = "%(asctime)s %(levelname)s %(message)s"
# Libraries that tell at INFO what the run's own lines say already.
TALKATIVE = (
    "pytorch_lightning", "lightning_fabric", "lightning.pytorch", "torch.distributed", "onnxscript", "onnx_ir"
)  # fmt: skip


def configure(rank: int, file: Path | None = None) -> None:
    """Log to the console and, where given, to a file. Ranks above 0 say who they are."""
    form = FORMAT if rank == 0 else f"%(asctime)s %(levelname)s rank {rank}: %(message)s"
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(file, encoding="utf-8"))
    logging.basicConfig(level=logging.INFO, format=form, handlers=handlers, force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def quiet_libraries() -> None:
    """Silence hints that do not hold here."""
    for message in (
        # scores are exact over all ranks before they are logged
        r"It is recommended to use `self.log\(.*sync_dist=True\)`",
        # images are decoded before training, so few loader processes are enough
        r"The '.*_dataloader' does not have many workers",
        # nothing is logged at steps
        r"The number of training batches .* is smaller than the logging interval",
        # the position in the data is ours and is restored exactly
        r"You're resuming from a checkpoint that ended before the epoch ended",
        # the sampler is ours and shuffles by itself
        r"You are using a custom batch sampler",
        # frozen layers keep to evaluation
        r"Found .* module\(s\) in eval mode at the start of training",
        # Lightning's own use of torch's pytrees
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    ):
        warnings.filterwarnings("ignore", message=message)
