"""A first run for data, as commented YAML with the defaults that suit them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from trainingrun_api import names
from trainingrun_api.training import DETECTION, TaskName
from trainingrun_client.inspection.found import Found, printable

IMBALANCE = 3
"""Ratio of the largest to the smallest class from which classes are weighed."""
SMALL_SIDE, LEAST_SIDE, STEP = 64, 32, 32
"""Pixels: pictures up to the first have a small network; sides are multiples of the last, which networks
divide by."""
SIDES: dict[TaskName, int] = {
    "classification": 224,
    "semantic-segmentation": 512,
    "object-detection": 512,
    "instance-segmentation": 512,
}
BATCHES: dict[TaskName, int] = {
    "classification": 32,
    "semantic-segmentation": 8,
    "object-detection": 4,
    "instance-segmentation": 4,
}
BATCHES_AN_EPOCH = 10
"""At least so many, where there are few samples."""
LEAST_BATCH = 2
"""Of fewer samples batch normalisation learns nothing."""


@dataclass(frozen=True)
class Answers:
    """What data cannot tell."""

    task: TaskName
    name: str
    """Of the run."""
    claim: str
    """That holds the data."""
    mount_path: str
    gpus: int
    nodes: int


def first_run(found: Found, answers: Answers, below: str, what: str) -> str:
    """The YAML of a TrainingRun.

    Args:
        found: the data.
        answers: what they cannot tell.
        below: their path in the claim; empty where they are all of it.
        what: how the comment calls them.
    """
    lines = [
        f"# {summary(found)}",
        f"# The claim {printable(answers.claim)} must hold {printable(what)}.",
        f"apiVersion: {names.API_VERSION}",
        f"kind: {names.KIND}",
        "metadata:",
        f"  name: {_scalar(answers.name)}",
        "spec:",
        *([f"  nodes: {answers.nodes} # pods that train together"] if answers.nodes > 1 else []),
        "  resources:",
        f"    gpus: {answers.gpus} # {'of each pod' if answers.gpus else 'trains on the CPU'}",
        "  volumes:",
        f"    - claim: {_scalar(answers.claim)}",
        f"      mountPath: {_scalar(answers.mount_path)}",
        "      readOnly: true",
        "  checkpoints:",
        "    size: 10Gi # a new claim for checkpoints and results, kept when the run is deleted",
        "  training:",
        f"    task: {answers.task}",
        "    data:",
        *_data(found, answers, str(PurePosixPath(answers.mount_path) / below)),
        *_training(found, answers.task),
    ]
    return "\n".join(lines) + "\n"


def summary(found: Found) -> str:
    """The data in a line."""
    noun = "volumes" if found.data.get("dimensions") == 3 else "images"
    parts = [f"{found.form}: {found.samples:,} {noun}"]
    if found.classes:
        shown = [f"{name} ({count:,})" if count else name for name, count in list(found.classes.items())[:10]]
        more = f" and {len(found.classes) - 10} more" if len(found.classes) > 10 else ""
        parts.append(f"{len(found.classes)} classes: {', '.join(shown)}{more}")
    if found.splits:
        parts.append(", ".join(f"{split} {count:,}" for split, count in found.splits.items()))
    if found.side:
        parts.append(f"up to {found.side} pixels{', grey' if found.grey else ''}")
    return printable("; ".join(parts))


def _data(found: Found, answers: Answers, path: str) -> list[str]:
    fields: list[tuple[str, Any, str]] = [("format", found.data["format"], ""), ("path", path, "")]
    fields += [(name, value, "") for name, value in found.data.items() if name != "format"]
    volumes = found.data.get("dimensions") == 3
    if not found.splits:
        how = "stratified by class" if answers.task == "classification" else "at random, by the seed"
        fields.append(("validationSplit", 0.2, how))
    if not volumes:
        fields.append(("imageSize", _side(found, answers.task), "pixels of each side as trained"))
        if found.grey:
            fields.append(("channels", 1, "grey; 3 where weights of colour pictures are loaded"))
    fields.append(("batchSize", 1 if volumes else _batch(found, answers.task), "of each process"))
    return [_line(6, *field) for field in fields]


def _training(found: Found, task: TaskName) -> list[str]:
    """All that follows data."""
    volumes = found.data.get("dimensions") == 3
    lines = ["    model:"]
    match task:
        case "classification":
            small = _side(found, task) <= SMALL_SIDE
            lines += [_line(6, "architecture", "resnet18" if small else "resnet50")]
            if _imbalanced(found):
                lines += ["    loss:", _line(6, "classWeights", "balanced", "classes differ much in size")]
            monitor = "val_auroc" if len(found.classes) == 2 else "val_accuracy"
        case "semantic-segmentation" if volumes:
            lines += [
                _line(6, "architecture", "dformer3d", "or swinunetr, unetr, dynunet, segresnet, unet"),
                _line(6, "gradientCheckpointing", True, "less memory, more time"),
            ]
            monitor = "val_dice"
        case "semantic-segmentation":
            lines += [
                _line(6, "architecture", "unet", "or deeplabv3plus, fpn, ..."),
                _line(6, "encoder", "resnet34"),
            ]
            monitor = "val_iou"
        case _:
            first = "maskrcnn" if task == "instance-segmentation" else "fasterrcnn"
            lines += [_line(6, "architecture", f"{first}_resnet50_fpn")]
            monitor = "val_map"
    lines += ["    earlyStopping:", _line(6, "patience", 10, "epochs without a better one")]
    lines += [_line(4, "monitor", monitor, "picks the best epoch"), _line(4, "maxEpochs", 50)]
    if task in DETECTION:
        lines += [_line(4, "precision", "32-true")]
    return lines


def _side(found: Found, task: TaskName) -> int:
    """The usual size, or less where the pictures are smaller."""
    if found.side is None:
        return SIDES[task]
    return min(SIDES[task], max(LEAST_SIDE, -(-found.side // STEP) * STEP))


def _batch(found: Found, task: TaskName) -> int:
    """The usual size, halved while an epoch of few samples would have few steps."""
    batch, train = BATCHES[task], found.splits.get("train", int(found.samples * 0.8))
    while batch > LEAST_BATCH and train < BATCHES_AN_EPOCH * batch:
        batch //= 2
    return batch


def _imbalanced(found: Found) -> bool:
    counts = [count for count in found.classes.values() if count]
    return bool(counts) and max(counts) > IMBALANCE * min(counts)


def _line(indent: int, name: str, value: object, comment: str = "") -> str:
    return f"{' ' * indent}{name}: {_scalar(value)}{f' # {comment}' if comment else ''}"


def _scalar(value: object | Sequence[object]) -> str:
    """In one line of YAML."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
