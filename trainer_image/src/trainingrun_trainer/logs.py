"""One line an epoch, for people: on the console and in logs/training.log of rank 0. On the console of a pod
each line is JSON, for machines, and says which rank of which attempt wrote it."""

import logging
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

from trainingrun_api import names
from trainingrun_api.log_line import JsonFormatter

LOGGER = logging.getLogger("trainingrun_trainer")
FORMAT = "%(asctime)s %(levelname)s %(message)s"
# Libraries that tell at INFO what the run's own lines say already.
TALKATIVE = (
    "pytorch_lightning", "lightning_fabric", "lightning.pytorch", "torch.distributed", "onnxscript", "onnx_ir"
)  # fmt: skip


def configure(rank: int | None, environment: Mapping[str, str], file: Path | None = None) -> None:
    """Log to the console and, where given, to a file.

    Args:
        rank: of this process; None for the launcher.
        environment: names the run in a pod, and so that its console is read by machines.
        file: for people.
    """
    text = logging.Formatter(FORMAT if not rank else f"%(asctime)s %(levelname)s rank {rank}: %(message)s")
    console = logging.StreamHandler(sys.stdout)
    subject = _subject(rank, environment)
    console.setFormatter(JsonFormatter(lambda: subject) if subject else text)
    handlers: list[logging.Handler] = [console]
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(file, encoding="utf-8"))
        handlers[-1].setFormatter(text)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(bool(subject))
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _subject(rank: int | None, environment: Mapping[str, str]) -> dict[str, object]:
    """What the lines of a pod's process are about, in the operator's words; empty elsewhere."""
    if names.ENV_NAME not in environment:
        return {}
    return {
        "namespace": environment.get(names.ENV_NAMESPACE),
        "run": environment[names.ENV_NAME],
        "attempt": int(environment.get(names.ENV_ATTEMPT, "1")),
        **({} if rank is None else {"rank": rank}),
    }


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
