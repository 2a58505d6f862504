"""`training.model`: the network."""

from typing import Any

from pydantic import Field

from trainingrun_api.fields import AbsolutePath
from trainingrun_api.model import ApiModel

ARCHITECTURE = "resnet50"


class ModelConfig(ApiModel):
    """The network of a task; weights come from files, never silently from the net."""

    architecture: str = Field(
        default_factory=lambda: ARCHITECTURE,
        min_length=1,
        max_length=128,
        description="Classification: a classifier of torchvision (resnet50) or, with the prefix timm/, of "
        "timm (timm/convnext_tiny). Segmentation: one of segmentation-models-pytorch (unet, "
        "deeplabv3plus, fpn, ...), or for volumes dformer3d, swinunetr, unetr, dynunet, segresnet, "
        "unet. Detection: fasterrcnn_resnet50_fpn, retinanet_resnet50_fpn, fcos_resnet50_fpn, "
        "ssd300_vgg16, ...; instance segmentation: maskrcnn_resnet50_fpn, ... Or any factory of the "
        "image as module:factory. Default: resnet50, unet, dformer3d, fasterrcnn_resnet50_fpn and "
        "maskrcnn_resnet50_fpn.",
    )
    encoder: str = Field(
        "resnet34",
        min_length=1,
        max_length=128,
        description="Encoder of a 2D segmentation network: any of segmentation-models-pytorch (resnet34, "
        "efficientnet-b0, mobilenet_v2, densenet121, tu-... of timm).",
    )
    weights: AbsolutePath | None = Field(
        None,
        description="Path of a state dict inside the pod: the classifier's backbone, or the whole network of "
        "the other tasks. Default: random weights; nothing is downloaded.",
    )
    encoder_weights: AbsolutePath | None = Field(
        None,
        description="Path of a state dict for the encoder of a segmentation network or the backbone of a "
        "detector, inside the pod. Default: random weights; nothing is downloaded.",
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Dropout before a classifier's last layer.")
    fine_tune_layers_count: int | None = Field(
        None,
        ge=0,
        le=10000,
        description="How many of a classifier's last backbone layers train; the others are frozen. 0 trains "
        "the head alone. Default: all train.",
    )
    freeze_encoder_epochs: int = Field(
        0,
        ge=0,
        le=100000,
        description="Epochs at the beginning in which the backbone or encoder is frozen; maxEpochs or more "
        "never trains it.",
    )
    gradient_checkpointing: bool = Field(
        False, description="Compute activations again in the backward pass: less memory, more time."
    )
    parameters: dict[str, Any] = Field(
        {},
        max_length=64,
        description="Further arguments of the architecture, under the names of its library.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
