"""Detectors of every family give losses and predictions; what does not fit is refused by the field's name."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import detection, mobilenet_v3_large
from torchvision.ops import FrozenBatchNorm2d

from trainingrun_trainer import config as configs
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.models import detector

SIZE = 64
SMALL = "fasterrcnn_mobilenet_v3_large_320_fpn"
TINY = "tests.integration.trainer.tiny_detector:"
LOSSES = {
    SMALL: {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"},
    "retinanet_resnet50_fpn": {"classification", "bbox_regression"},
    "fcos_resnet50_fpn": {"classification", "bbox_regression", "bbox_ctrness"},
    "ssdlite320_mobilenet_v3_large": {"classification", "bbox_regression"},
    f"{TINY}boxes": {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"},
    f"{TINY}masks": {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg", "loss_mask"},
}


def build(
    architecture: str,
    *,
    masks: bool = False,
    channels: int = 3,
    normalization: str = "imagenet",
    batch: int = 4,
    **model: Any,
) -> detector.Detector:
    config = configs.parse(
        {
            "task": "instance-segmentation" if masks else "object-detection",
            "data": {
                "format": "coco",
                "path": "/data",
                "imageSize": SIZE,
                "channels": channels,
                "normalization": normalization,
                "batchSize": batch,
            },
            "model": {"architecture": architecture, **model},
        }
    )
    return detector.build(config, classes=2, masks=masks)


def picture(channels: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (channels, SIZE - 16, SIZE), dtype=torch.uint8)


def target(*, masks: bool) -> dict[str, torch.Tensor]:
    found = {"boxes": torch.tensor([[8.0, 8.0, 40.0, 40.0]]), "labels": torch.tensor([2])}
    if masks:
        found["masks"] = torch.zeros(1, SIZE - 16, SIZE, dtype=torch.uint8)
        found["masks"][0, 8:40, 8:40] = 1
    return found


def nothing(*, masks: bool) -> dict[str, torch.Tensor]:
    return {name: values[:0] for name, values in target(masks=masks).items()}


@pytest.mark.parametrize("architecture", LOSSES)
def test_losses_and_predictions_of_every_family(architecture: str) -> None:
    torch.manual_seed(0)
    masks = architecture.endswith("masks")
    network = build(architecture, masks=masks, channels=1)
    pictures = [picture(1), picture(1)]
    losses = network(pictures, [target(masks=masks), nothing(masks=masks)])
    assert losses.keys() == LOSSES[architecture]
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters() if parameter.requires_grad)
    with torch.no_grad():
        found = network.eval()(pictures)
    assert len(found) == 2
    assert {"boxes", "labels", "scores"} <= found[0].keys()
    assert ("masks" in found[0]) == masks


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"architecture": "yolov11"}, "model.architecture 'yolov11' is no detector of torchvision"),
        ({"architecture": "keypointrcnn_resnet50_fpn"}, "is no detector"),
        ({"architecture": "maskrcnn_resnet50_fpn"}, "is for instance-segmentation, not for object-detection"),
        ({"architecture": SMALL, "masks": True}, "is for object-detection, not for instance-segmentation"),
        ({"parameters": {"box_scor_thresh": 0.1}}, "model.parameters has 'box_scor_thresh', which"),
        ({"parameters": {"weights_backbone": "V1"}}, "model.parameters has 'weights_backbone', for which"),
        ({"parameters": {"box_roi_pool": 5}}, "cannot be built with model.parameters: "),
        ({"parameters": {"min_size": "small"}}, "does not take batches of 2 images of data.imageSize 64: "),
        ({"parameters": {"box_batch_size_per_image": "few"}}, "does not take batches"),
        ({"architecture": "ssdlite320_mobilenet_v3_large", "batch": 1}, "does not take batches of 1 images"),
        ({"weights": "/no/where.pt"}, "model.weights /no/where.pt cannot be loaded"),
        ({"encoderWeights": "/no/where.pt"}, "model.encoderWeights /no/where.pt cannot be loaded"),
        ({"architecture": "ssd300_vgg16", "encoderWeights": "/x"}, "model.encoderWeights does not"),
        ({"architecture": "torch.nn:Identity", "parameters": {}}, "'torch.nn:Identity'"),
        ({"architecture": f"{TINY}boxes", "masks": True}, "does not give losses by name, and boxes, labels"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConfig, match=said) as error:
        build(**{"architecture": SMALL, **change})
    assert error.value.advice


def test_all_detectors_of_torchvision_are_known() -> None:
    assert detector.architectures(masks=True) == ["maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2"]
    assert set(detector.architectures(masks=False)) == {
        *(name for name in LOSSES if not name.startswith(TINY)),
        "fasterrcnn_mobilenet_v3_large_fpn",
        "fasterrcnn_resnet50_fpn",
        "fasterrcnn_resnet50_fpn_v2",
        "retinanet_resnet50_fpn_v2",
        "ssd300_vgg16",
    }


def test_encoder_weights_come_from_a_classifier_and_its_statistics_stay(tmp_path: Path) -> None:
    classifier = mobilenet_v3_large(weights=None)
    torch.save(classifier.state_dict(), tmp_path / "encoder.pt")
    network = build(SMALL, encoderWeights=str(tmp_path / "encoder.pt"))
    state = network.encoder.state_dict()
    for name, value in classifier.features.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(state[name], value), name
    kinds = {type(module) for module in network.encoder.modules()}
    assert FrozenBatchNorm2d in kinds
    assert nn.BatchNorm2d not in kinds
    with pytest.raises(BadConfig, match=r"model.encoderWeights .* do not fit"):
        build("retinanet_resnet50_fpn", encoderWeights=str(tmp_path / "encoder.pt"))


def test_weights_of_a_whole_detector_may_be_of_other_classes(tmp_path: Path) -> None:
    other = detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, num_classes=91
    )
    torch.save(other.state_dict(), tmp_path / "weights.pt")
    network = build(SMALL, weights=str(tmp_path / "weights.pt")).network
    state, known = network.state_dict(), other.state_dict()
    for name in ("backbone.body.0.0.weight", "rpn.head.conv.0.0.weight", "roi_heads.box_head.fc6.weight"):
        assert torch.equal(state[name], known[name]), name
    assert state["roi_heads.box_predictor.cls_score.weight"].shape[0] == 3


def test_image_sizes_and_normalization_reach_the_detector() -> None:
    transform: Any = build(SMALL, normalization="unit").network.get_submodule("transform")
    assert (transform.min_size, transform.max_size) == ((SIZE,), SIZE)
    assert (transform.image_mean, transform.image_std) == ([0.0] * 3, [1.0] * 3)
    own: Any = build("ssdlite320_mobilenet_v3_large").network.get_submodule("transform")
    assert own.fixed_size == (320, 320)
    assert own.image_mean == [0.5] * 3


def test_boxes_are_computed_in_float32_under_bfloat16() -> None:
    torch.manual_seed(0)
    network = build(f"{TINY}boxes")
    pictures, targets = [picture()], [target(masks=False)]
    proposed: list[torch.Tensor] = []
    network.network.get_submodule("rpn").register_forward_hook(
        lambda module, inputs, output: proposed.extend(output[0])
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = network(pictures, targets)
        found = network.eval()(pictures)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert proposed
    assert {boxes.dtype for boxes in proposed} == {torch.float32}
    assert found[0]["boxes"].dtype == torch.float32
    with torch.no_grad():
        exact = network(pictures)
    assert torch.equal(found[0]["boxes"], exact[0]["boxes"])


def test_gradient_checkpointing_changes_no_gradient() -> None:
    def gradients(**model: Any) -> list[torch.Tensor]:
        torch.manual_seed(0)
        network = build(SMALL, **model)
        torch.manual_seed(1)
        sum(network([picture()], [target(masks=False)]).values()).backward()
        return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]

    # Not to the bit: the threads of a scatter-add may add in another order the second time.
    torch.testing.assert_close(gradients(gradientCheckpointing=True), gradients())
