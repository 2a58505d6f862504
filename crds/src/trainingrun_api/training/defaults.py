"""What a task's config is where nothing is said: the defaults of the system that the task comes from.

A schema has one default for a field, whatever the task. So these stand here, and fill in what is absent
before the config is validated.
"""

from collections.abc import Mapping
from typing import Any

Content = Mapping[str, Any]

SEGMENTATION_AUGMENTATION: Content = {
    "horizontalFlip": 0.5,
    "verticalFlip": 0.5,
    "rotate90": 0.5,
    "probability": 0.5,
    "rotateDegrees": 45.0,
    "shift": 0.1,
    "scale": 0.1,
    "brightness": 0.2,
    "contrast": 0.2,
    "hueDegrees": 10.0,
    "saturation": 20.0,
    "value": 20.0,
    "noiseVariance": 20.0,
    "blur": 3,
}
DEFAULTS: Mapping[tuple[str, int], Content] = {
    ("classification", 2): {
        "data": {"imageSize": 224, "batchSize": 32},
        "model": {"architecture": "resnet50"},
        "optimizer": {"learningRate": 0.001},
        "monitor": "val_recall",
    },
    ("semantic-segmentation", 2): {
        "data": {"imageSize": 512, "batchSize": 8},
        "model": {"architecture": "unet"},
        "optimizer": {"learningRate": 0.0001},
        "augmentation": SEGMENTATION_AUGMENTATION,
        "monitor": "val_iou",
    },
    ("semantic-segmentation", 3): {
        "data": {"batchSize": 1, "patchSize": [96, 96, 96]},
        "model": {"architecture": "dformer3d"},
        "optimizer": {"learningRate": 0.0001},
        "monitor": "val_iou",
    },
    ("object-detection", 2): {
        "data": {"imageSize": 512, "batchSize": 4},
        "model": {"architecture": "fasterrcnn_resnet50_fpn"},
        "optimizer": {"learningRate": 0.0001},
        "monitor": "val_map",
    },
    ("instance-segmentation", 2): {
        "data": {"imageSize": 512, "batchSize": 4},
        "model": {"architecture": "maskrcnn_resnet50_fpn"},
        "optimizer": {"learningRate": 0.0001},
        "monitor": "val_map",
    },
}
"""By task and number of dimensions."""


def with_defaults(content: Any) -> Any:
    """The content of a config, completed by the defaults of its task; what is no object stays as it is."""
    if not isinstance(content, Mapping):
        return content
    data = content.get("data")
    dimensions = data.get("dimensions", 2) if isinstance(data, Mapping) else getattr(data, "dimensions", 2)
    try:
        defaults = DEFAULTS.get((content.get("task", ""), dimensions), {})
    except TypeError:  # neither can be a key; validation says so
        return content
    return _completed(content, defaults)


def _completed(content: Content, defaults: Content) -> dict[str, Any]:
    result = dict(content)
    for name, default in defaults.items():
        known = name if name in content else _snake(name)
        if known not in content:
            result[name] = default
        elif isinstance(default, Mapping) and isinstance(content[known], Mapping):
            result[known] = _completed(content[known], default)
    return result


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
