"""A run on a GPU, from archive to results."""

from typing import Any

import pytest
import torch

from tests.integration.trainer.conftest import Launcher
from trainingrun_api.names import EXIT_DONE
from trainingrun_trainer.metrics.classification import HEADLINE


@pytest.mark.gpu
@pytest.mark.parametrize("forked", [False, True], ids=["a program", "a fork of torchrun's agent"])
def test_an_epoch_on_a_gpu_ends_in_results(
    new_launcher: Launcher, digits: dict[str, Any], forked: bool
) -> None:
    precision = "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    on_gpu = {"accelerator": "gpu", "precision": precision, "model": {"architecture": "resnet18"}}
    config = digits | on_gpu | {"maxEpochs": 1}
    ended = new_launcher.launch(config, processes=1).wait() if forked else new_launcher.train(config)

    assert ended.exit_code == EXIT_DONE, ended.output
    results = ended.read("results.json")
    assert results["total_epochs_run"] == 1
    assert {f"best_{name}" for name in HEADLINE} <= results.keys()
    checkpoint = torch.load(ended.directory / "checkpoints" / "best.ckpt", weights_only=True)
    assert {tensor.device.type for tensor in checkpoint["state_dict"].values()} == {"cuda"}
