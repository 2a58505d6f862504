"""Detectors of torchvision small enough to learn on a CPU in a minute, as factories of an image's own."""

from typing import Any

from torch import nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

WIDTH = 48
HIDDEN = 128


class Backbone(nn.Sequential):
    """Features at an eighth of the resolution."""

    out_channels = WIDTH

    def __init__(self) -> None:
        super().__init__(*_stage(3, 16), *_stage(16, 32), *_stage(32, WIDTH), *_stage(WIDTH, WIDTH, stride=1))


def _stage(inputs: int, outputs: int, stride: int = 2) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.GroupNorm(8, outputs), nn.ReLU()


def _arguments(num_classes: int, size: int) -> dict[str, Any]:
    return {
        "backbone": Backbone(),
        "min_size": size,
        "max_size": size,
        "rpn_anchor_generator": AnchorGenerator(((20, 30, 40),), ((0.6, 1.0, 1.7),)),
        "rpn_batch_size_per_image": 64,
        "rpn_pre_nms_top_n_train": 200,
        "rpn_pre_nms_top_n_test": 100,
        "rpn_post_nms_top_n_train": 100,
        "rpn_post_nms_top_n_test": 50,
        "box_batch_size_per_image": 32,
        "box_roi_pool": MultiScaleRoIAlign(["0"], 5, 2),
        "box_head": TwoMLPHead(WIDTH * 25, HIDDEN),
        "box_predictor": FastRCNNPredictor(HIDDEN, num_classes),
    }


def boxes(num_classes: int, size: int = 128) -> FasterRCNN:
    """Faster R-CNN."""
    return FasterRCNN(**_arguments(num_classes, size))


def masks(num_classes: int, size: int = 128) -> MaskRCNN:
    """Mask R-CNN."""
    return MaskRCNN(
        **_arguments(num_classes, size),
        mask_roi_pool=MultiScaleRoIAlign(["0"], 8, 2),
        mask_head=MaskRCNNHeads(WIDTH, (32,), 1),
        mask_predictor=MaskRCNNPredictor(32, 32, num_classes),
    )
