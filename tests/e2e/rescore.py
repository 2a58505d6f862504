"""Scores best.ckpt of a run directory in one process, without the loop that trained it. Runs in a pod.

Prints one line of JSON: what results.json says, and what the checkpoint scores.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch

from trainingrun_trainer import config as configs
from trainingrun_trainer.checkpoint_files import load
from trainingrun_trainer.data.classification import prepare
from trainingrun_trainer.tasks.classification import ClassificationModule


def main(run_directory: Path) -> None:
    """Reads the run directory, writes to standard output."""
    config = configs.load(run_directory / "config.json", [])
    results = json.loads((run_directory / "results.json").read_text())
    with tempfile.TemporaryDirectory() as scratch:
        data = prepare(config, Path(scratch), threads=1)
        module = ClassificationModule(config, data).eval()
        module.load_state_dict(load(run_directory / "checkpoints" / "best.ckpt")["state_dict"])
        indices = data.splits["val"].tolist()
        labels = torch.from_numpy(data.labels[indices])
        with torch.no_grad():
            logits = module(torch.from_numpy(data.images.take(indices)))
            module.val_metrics.add(module.loss(logits, labels), module.loss.probabilities(logits), labels)
    print(json.dumps({"results": results["scores"], "scores": module.val_metrics.scores()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
