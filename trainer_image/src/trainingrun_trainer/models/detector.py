"""Detectors of torchvision, or of a factory of the image with the same interface."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import torch
import torchvision
from torch import nn
from torchvision.models import detection
from torchvision.models.detection import _utils as coders
from torchvision.ops import FrozenBatchNorm2d

from trainingrun_api import TrainingConfig
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.models import factory, weights
from trainingrun_trainer.models.recompute import recompute_blocks

MASKS = ("maskrcnn_",)
BOXES = ("fasterrcnn_", "retinanet_", "fcos_", "ssd")
OWN_SIZE = "ssd"
"""These resize each image to a square of 300 or 320, whatever data.imageSize is."""
RESERVED = ("weights", "weights_backbone", "num_classes", "trainable_backbone_layers", "progress")
"""Arguments that other fields of the config stand for."""
HEADS = (".box_predictor.", ".mask_predictor.", ".classification_head.")
"""Parts whose shapes depend on the number of classes."""

PROBE_BATCH = 2
PROBE_HEIGHT = 128
"""Height in pixels above which images of a probe are no squares: those take long on a CPU."""

Target = Mapping[str, torch.Tensor]


class Detector(nn.Module):
    """A detector for uint8 images of 1 or 3 channels; grey ones are three equal colours to it.

    In training it is given targets and gives its losses by name; else it gives for each image boxes, labels
    from 1, scores and perhaps masks, in pixels of the image. Predictions are made in float32, whatever the
    precision of training: in bfloat16 boxes would be off by pixels.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def encoder(self) -> nn.Module:
        """The part that weights for classification fit; a feature pyramid is not in it."""
        backbone = self.network.get_submodule("backbone")
        return backbone.get_submodule("body") if hasattr(backbone, "body") else backbone

    def forward(self, images: list[torch.Tensor], targets: list[Target] | None = None) -> Any:
        """Losses or predictions of images, each (channels, height, width)."""
        scaled = [(image.float() / 255).expand(3, -1, -1) for image in images]
        if self.training:
            return self.network(scaled, targets)
        with torch.autocast(scaled[0].device.type, enabled=False):
            return self.network(scaled)


def architectures(*, masks: bool) -> list[str]:
    """Names of torchvision's detectors, of boxes or of masks."""
    names: list[str] = torchvision.models.list_models(module=detection)
    return [name for name in names if name.startswith(MASKS if masks else BOXES)]


def build(config: TrainingConfig, *, classes: int, masks: bool) -> Detector:
    """The detector of a config, with weights where it names some.

    Args:
        config: model and data.
        classes: without the background, which detectors count as one more.
        masks: whether it must give masks.

    Raises:
        BadConfig: the architecture is unknown, gives boxes where masks are asked for or the other way round,
            or does not take such images or arguments, or the weights do not fit it.
    """
    model = config.model
    if model.encoder_weights is not None and model.architecture.startswith(OWN_SIZE):
        raise BadConfig(
            f"model.encoderWeights does not go with {model.architecture}, whose backbone is changed",
            "Give weights of the whole network in model.weights.",
        )
    if factory.is_factory(model.architecture):
        network = factory.build(model.architecture, **{"num_classes": classes + 1, **model.parameters})
    else:
        network = _torchvision(config, classes, masks)
    _compute_boxes_in_float32(network)
    detector = Detector(network)
    if model.encoder_weights is not None:
        _load_encoder(detector, model.encoder_weights)
    if model.weights is not None:
        _load(network, model.weights)
    if (model.encoder_weights or model.weights) and _freezes_statistics(model.architecture):
        _freeze_statistics(detector.encoder)
    _probe(detector, config, masks)
    if model.gradient_checkpointing and not recompute_blocks(detector.encoder):
        raise BadConfig(
            f"model.architecture {model.architecture!r} has no blocks to compute again",
            "Set model.gradientCheckpointing to false.",
        )
    return detector


def _torchvision(config: TrainingConfig, classes: int, masks: bool) -> nn.Module:
    model, data = config.model, config.data
    known = architectures(masks=masks)
    if model.architecture not in known:
        if model.architecture in architectures(masks=not masks):
            task = "object-detection" if masks else "instance-segmentation"
            raise BadConfig(
                f"model.architecture {model.architecture!r} is for {task}, not for {config.task}",
                f"Use one of {', '.join(known)}, or the task {task}.",
            )
        raise BadConfig(
            f"model.architecture {model.architecture!r} is no detector of torchvision for {config.task}",
            f"Use one of {', '.join(known)}, or module:factory.",
        )
    if reserved := [name for name in RESERVED if name in model.parameters]:
        raise BadConfig(
            f"model.parameters has {reserved[0]!r}, for which the config has fields",
            "Use model.weights, model.encoderWeights or model.freezeEncoderEpochs.",
        )
    arguments: dict[str, Any] = {"weights": None, "weights_backbone": None, "num_classes": classes + 1}
    if not model.architecture.startswith(OWN_SIZE):
        arguments |= {"min_size": data.image_size, "max_size": data.image_size}
    if data.normalization == "unit":
        arguments |= {"image_mean": [0.0, 0.0, 0.0], "image_std": [1.0, 1.0, 1.0]}
    try:
        network: nn.Module = torchvision.models.get_model(
            model.architecture, **(arguments | model.parameters)
        )
    except (TypeError, ValueError, RuntimeError, AssertionError, AttributeError) as error:
        raise BadConfig(
            f"model.architecture {model.architecture!r} cannot be built with model.parameters: {error}",
            "Correct model.parameters.",
        ) from error
    takes = {name for kind in type(network).__mro__ for name in inspect.signature(kind).parameters}
    if unknown := sorted(model.parameters.keys() - takes):  # torchvision itself would pass over them
        raise BadConfig(
            f"model.parameters has {unknown[0]!r}, which {model.architecture} does not take",
            f"Use arguments of torchvision's {type(network).__name__}.",
        )
    return network


class _BoxCoder(coders.BoxCoder):  # type: ignore[misc]
    def decode_single(self, rel_codes: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        decoded: torch.Tensor = super().decode_single(rel_codes.float(), boxes)
        return decoded


class _BoxLinearCoder(coders.BoxLinearCoder):  # type: ignore[misc]
    def decode(self, rel_codes: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        decoded: torch.Tensor = super().decode(rel_codes.float(), boxes)
        return decoded


def _compute_boxes_in_float32(network: nn.Module) -> None:
    """torchvision brings proposals to the type of the layer before, and bfloat16 rounds 300 to 300 or 302."""
    for module in network.modules():
        coder: Any = getattr(module, "box_coder", None)
        if type(coder) is coders.BoxCoder:
            module.box_coder = _BoxCoder(coder.weights, coder.bbox_xform_clip)
        elif type(coder) is coders.BoxLinearCoder:
            module.box_coder = _BoxLinearCoder(coder.normalize_by_size)


def _load_encoder(detector: Detector, path: str) -> None:
    """Weights of torchvision's classifier of the backbone's name."""
    state = weights.without_prefix(weights.read(path, "model.encoderWeights"), "features.")
    weights.fill(detector.encoder, state, f"model.encoderWeights {path}")


def _load(network: nn.Module, path: str) -> None:
    """Weights of the whole network; a head for another number of classes stays random."""
    state = weights.read(path, "model.weights")
    for _ in range(2):  # best_model.pt holds the task's network, and that torchvision's
        state = weights.without_prefix(state, weights.NETWORK)
    for name, own in network.state_dict().items():
        if any(head in f".{name}" for head in HEADS) and name in state and state[name].shape != own.shape:
            state[name] = own
    weights.fill(network, state, f"model.weights {path}")


def _freezes_statistics(architecture: str) -> bool:
    """Whether torchvision freezes the batch statistics of a pretrained backbone, as batches of few images
    give poor ones."""
    return (
        not architecture.startswith(OWN_SIZE) and not architecture.endswith("_v2") and ":" not in architecture
    )


def _freeze_statistics(encoder: nn.Module) -> None:
    for name, module in list(encoder.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            frozen = FrozenBatchNorm2d(module.num_features, eps=module.eps)
            state = module.state_dict()
            frozen.load_state_dict({name: state[name] for name in frozen.state_dict()})
            encoder.set_submodule(name, frozen)


def _probe(detector: Detector, config: TrainingConfig, masks: bool) -> None:
    """Train and ask it once, so that what does not fit is found before training."""
    size, batch = config.data.image_size, min(PROBE_BATCH, config.data.batch_size)
    height = min(size, max(PROBE_HEIGHT, size // 4))
    pictures = [torch.zeros(config.data.channels, height, size, dtype=torch.uint8)] * batch
    target = {
        "boxes": torch.tensor([[0.25 * size, 0.25 * height, 0.75 * size, 0.75 * height]]),
        "labels": torch.ones(1, dtype=torch.int64),
    }
    if masks:
        target["masks"] = torch.ones(1, height, size, dtype=torch.uint8)
    trained = copy.deepcopy(detector)  # for batch statistics change
    field = f"model.architecture {config.model.architecture!r}"
    try:
        with torch.no_grad():
            losses = trained.train()(pictures, [target] * batch)
            found = detector.eval()(pictures[:1])
    except (RuntimeError, AssertionError, ValueError, TypeError, AttributeError) as error:
        raise BadConfig(
            f"{field} does not take batches of {batch} images of data.imageSize {size}: {error}",
            "Correct model.parameters, or data.imageSize and data.batchSize to what the architecture takes.",
        ) from error
    wanted = {"boxes", "labels", "scores"} | ({"masks"} if masks else set())
    if not isinstance(losses, dict) or not isinstance(found, list) or not wanted <= set(found[0]):
        raise BadConfig(
            f"{field} does not give losses by name, and {', '.join(sorted(wanted))} of each image",
            "Give a network with the interface of torchvision's detectors.",
        )
    detector.train()
