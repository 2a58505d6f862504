"""Over the space of configurations: each accepted one trains two steps, each refused one names the field."""

import math
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from trainingrun_api import TrainingConfig
from trainingrun_api.training import LOSSES, MONITORS, LossConfig, TaskName
from trainingrun_trainer import config as configs
from trainingrun_trainer import samples
from trainingrun_trainer.accelerator import choose_precision
from trainingrun_trainer.data.module import DataModule
from trainingrun_trainer.data.prepared import PreparedData
from trainingrun_trainer.distributed import Ranks
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.logs import quiet_libraries
from trainingrun_trainer.tasks import task

STEPS = 2
SIDE = 64
"""Pixels of the pictures with objects."""


class TinyBackbone(nn.Sequential):
    """A block that can be computed again, and a norm."""

    out_channels = 8

    def __init__(self) -> None:
        block = nn.Sequential(nn.Conv2d(3, 8, 3, stride=8, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        super().__init__(block)


def tiny_detector(num_classes: int, *, masks: bool = False) -> nn.Module:
    """torchvision's own detector of boxes or masks, in small: those that it names have 20 million weights."""
    backbone, pool = TinyBackbone(), MultiScaleRoIAlign(["0"], output_size=4, sampling_ratio=1)
    options = {
        "num_classes": None,
        "min_size": SIDE,
        "max_size": SIDE,
        "rpn_anchor_generator": AnchorGenerator(((16, 32),), ((1.0,),)),
        "rpn_pre_nms_top_n_train": 50,
        "rpn_pre_nms_top_n_test": 50,
        "box_roi_pool": pool,
        "box_head": TwoMLPHead(8 * 4 * 4, 16),
        "box_predictor": BoxPredictor(num_classes),
    }
    kind = FasterRCNN
    if masks:
        kind = MaskRCNN
        options |= {
            "mask_roi_pool": pool,
            "mask_head": nn.Conv2d(8, 8, 3, padding=1),
            "mask_predictor": nn.ConvTranspose2d(8, num_classes, 2, stride=2),
        }
    network: nn.Module = kind(backbone, **options)
    return network


class BoxPredictor(nn.Module):
    """Logits of classes and moves of boxes from 16 features."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.classes, self.boxes = nn.Linear(16, num_classes), nn.Linear(16, 4 * num_classes)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.classes(features), self.boxes(features)


@dataclass(frozen=True)
class Kind:
    """A task with data that are small enough for it."""

    name: str
    task: TaskName
    sample: str
    data: Mapping[str, Any]
    models: tuple[Mapping[str, Any], ...]
    examples: int
    classes: int


KINDS = (
    Kind(
        "classification",
        "classification",
        "digits",
        {"format": "zip", "imageSize": 32, "batchSize": 4},
        (
            {"architecture": "timm/test_resnet"},
            {"architecture": "timm/test_resnet", "fineTuneLayersCount": 2},
            {"architecture": "squeezenet1_1"},
        ),
        examples=10,
        classes=10,
    ),
    Kind(
        "segmentation of images",
        "semantic-segmentation",
        "defects",
        {"format": "split-files", "imageSize": 32, "batchSize": 2},
        (
            {"architecture": "unet", "encoder": "mobilenet_v2"},
            {"architecture": "fpn", "encoder": "mobilenet_v2"},
            {"architecture": "linknet", "encoder": "mobilenet_v2"},
        ),
        examples=6,
        classes=2,
    ),
    Kind(
        "segmentation of volumes",
        "semantic-segmentation",
        "liver",
        {"format": "zip", "dimensions": 3, "patchSize": [16, 16, 16], "batchSize": 2},
        (
            {"architecture": "unet", "parameters": {"channels": [4, 8], "strides": [2], "num_res_units": 1}},
            {"architecture": "segresnet", "parameters": {"init_filters": 8, "blocks_down": [1, 1]}},
        ),
        examples=5,
        classes=3,
    ),
    Kind(
        "detection",
        "object-detection",
        "parts",
        {"format": "coco", "imageSize": SIDE, "batchSize": 2},
        ({"architecture": f"{__name__}:tiny_detector"},),
        examples=5,
        classes=2,
    ),
    Kind(
        "instance segmentation",
        "instance-segmentation",
        "parts",
        {"format": "coco", "imageSize": SIDE, "batchSize": 2},
        ({"architecture": f"{__name__}:tiny_detector", "parameters": {"masks": True}},),
        examples=4,
        classes=2,
    ),
)
ALL_LOSSES = get_args(LossConfig.model_fields["name"].annotation)
ALL_MONITORS = tuple(dict.fromkeys(monitor for monitors in MONITORS.values() for monitor in monitors))


def mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Seven times the one, once the other: a configuration with one fault shows what it is refused for."""
    return st.integers(0, 7).flatmap(lambda draw: rare if draw == 7 else usual)


def configurations(kind: Kind) -> st.SearchStrategy[dict[str, Any]]:
    """The content of a config file, most often valid."""
    model = st.builds(
        lambda model, freeze, checkpointing: {
            **model,
            "freezeEncoderEpochs": freeze,
            "gradientCheckpointing": checkpointing,
        },
        st.sampled_from(kind.models),
        st.sampled_from([0, 0, 1]),
        st.booleans(),
    )
    scheduler = st.fixed_dictionaries(
        {
            "name": st.sampled_from(["plateau", "step", "cosine", "none"]),
            "warmupEpochs": st.sampled_from([0, 1]),
            "minLearningRate": mostly(st.just(0.0), st.just(1.0)),
        }
    )
    losses, monitors = LOSSES.get(kind.task, ALL_LOSSES), MONITORS[kind.task]
    return st.fixed_dictionaries(
        {
            "model": model,
            "scheduler": scheduler,
            "loss": st.fixed_dictionaries(
                {
                    "name": mostly(st.sampled_from(losses), st.sampled_from(ALL_LOSSES)),
                    "classWeights": st.sampled_from(["none", "balanced"]),
                }
            ),
            "optimizer": st.fixed_dictionaries(
                {"name": st.sampled_from(["adamw", "adam", "sgd"]), "momentum": st.sampled_from([0.0, 0.9])}
            ),
            "monitor": mostly(st.sampled_from(monitors), st.sampled_from(ALL_MONITORS)),
            "precision": mostly(st.sampled_from(["auto", "32-true", "bf16-mixed"]), st.just("16-mixed")),
            "accumulateBatches": st.sampled_from([1, 2]),
            "gradientClipNorm": st.sampled_from([None, 1.0]),
            "emaDecay": st.sampled_from([None, 0.9]),
            "compile": mostly(
                st.just(False), st.just(kind.task in ("object-detection", "instance-segmentation"))
            ),
        }
    )


def faults(kind: Kind, content: Mapping[str, Any]) -> list[str]:
    """The fields for which the documentation says that the config is refused."""
    found = {
        "precision": content["precision"] == "16-mixed",
        "scheduler.minLearningRate": content["scheduler"]["minLearningRate"] > 0,
        "compile": content["compile"],
        "loss.name": content["loss"]["name"] not in LOSSES.get(kind.task, ALL_LOSSES)
        or (content["loss"]["name"] == "bce-with-logits" and kind.classes > 2),
        "monitor": content["monitor"] not in MONITORS[kind.task],
    }
    return [field for field, faulty in found.items() if faulty]


class Prepared:
    """The data of each kind, prepared once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, PreparedData] = {}

    def path(self, kind: Kind) -> Path:
        path = self._directory / f"{kind.sample}.zip"
        if path.exists():
            return path
        if kind.sample == "digits":
            samples.write_zip(islice(samples.digits(), 60), path)
        else:
            samples.SAMPLES[kind.sample](path)
        return path

    def data(self, kind: Kind, config: TrainingConfig) -> PreparedData:
        if kind.name not in self._known:
            scratch = self._directory / kind.name
            scratch.mkdir()
            self._known[kind.name] = task(config.task).prepare(config, scratch, 1, lambda: None)
        return self._known[kind.name]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    with pytest.MonkeyPatch.context() as patch:
        # the file is imported under another name, by which a config cannot name it
        patch.setitem(sys.modules, __name__, sys.modules[Kind.__module__])
        yield Prepared(tmp_path_factory.mktemp("configurations"))


def train(config: TrainingConfig, data: PreparedData) -> None:
    """Two steps and a validation; the weights move and stay finite.

    Raises:
        BadConfig: the config does not fit the data.
    """
    torch.manual_seed(0)
    module = task(config.task).module(config, data)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    trainer = pl.Trainer(
        accelerator="cpu",
        precision=choose_precision(config.precision, "cpu", bf16=False),
        max_epochs=1,
        limit_train_batches=STEPS * config.accumulate_batches,
        limit_val_batches=1,
        accumulate_grad_batches=config.accumulate_batches,
        gradient_clip_val=config.gradient_clip_norm,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        quiet_libraries()
        trainer.fit(module, datamodule=DataModule(data, config, Ranks(), num_workers=0))
    assert trainer.global_step == STEPS
    after = list(module.parameters())
    assert all(torch.isfinite(parameter).all() for parameter in after)
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert math.isfinite(float(trainer.callback_metrics[config.monitor]))


def refused(kind: Kind, content: Mapping[str, Any], prepared: Prepared) -> BadConfig | None:
    """Why a config was refused, or None once it has trained."""
    try:
        config = configs.parse(
            {
                **content,
                "task": kind.task,
                "data": {**kind.data, "path": str(prepared.path(kind)), "numWorkers": 0},
                "maxEpochs": 2,
                "accelerator": "cpu",
            }
        )
        train(config, prepared.data(kind, config))
    except BadConfig as error:
        return error
    return None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_accepted_trains_and_what_is_refused_is_named(kind: Kind, prepared: Prepared) -> None:
    # a failure is told as it is: to make it smaller would train hundreds of times
    @settings(
        max_examples=kind.examples,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(configurations(kind))
    def check(content: dict[str, Any]) -> None:
        faulty = faults(kind, content)
        refusal = refused(kind, content, prepared)
        if refusal is None:
            assert not faulty
        else:
            assert any(field in refusal.message for field in faulty), (refusal.message, faulty)
            assert refusal.advice

    check()
