"""What each value of each predecessor's configuration becomes, as one table a system.

A row says where the value goes in a TrainingRun, or why it goes nowhere. Two rows may lead to one field; the
values must then agree.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

DATA = "/data"
"""Where the claim with the data is mounted: relative paths are taken to be below it."""
NAME = "metadata.name"
SPLITS, IMAGES, MASKS = "splits", "images", "masks"
"""Three directories of the defect system, which become one path and three below it."""


@dataclass(frozen=True)
class Dropped:
    """A value that has no place here."""

    reason: str


Fields = Mapping[str, Any]
Row = Callable[[Any], Fields | Dropped]
"""From a value to the fields of a TrainingRun, by dotted path, or to why there is none."""


@dataclass(frozen=True)
class Form:
    """The configuration of one system."""

    title: str
    signs: frozenset[str]
    """Keys at the top by which it is known."""
    table: Mapping[str, Row]
    base: Fields = field(default_factory=dict)
    """What the system always was, whatever its configuration said."""


def to(path: str, convert: Callable[[Any], Any] = lambda value: value) -> Row:
    """The value goes there."""
    return lambda value: {path: convert(value)}


def drop(reason: str) -> Row:
    """The value goes nowhere."""
    return lambda _: Dropped(reason)


def one_of(path: str, words: Mapping[str, Any]) -> Row:
    """The value in our words; another one is passed on, for validation to refuse it by name."""
    return lambda value: {path: words.get(str(value).lower(), value)}


def below_data(text: str) -> str:
    """The absolute path of a file: data/a.zip and a.zip are both /data/a.zip."""
    path = PurePosixPath(text)
    if path.is_absolute():
        return f"/{str(path).lstrip('/')}"  # two slashes at the beginning would stay
    parts = [part for part in path.parts if part != "."]
    return "/".join([DATA, *(parts[1:] if parts[:1] == ["data"] else parts)])


def _archive_or_directory(text: str) -> Fields:
    zipped = text.lower().endswith(".zip")
    return {
        "spec.training.data.path": below_data(text),
        "spec.training.data.format": "zip" if zipped else "directory",
    }


def _devices(devices: Any) -> Fields:
    chosen = devices if isinstance(devices, list) else [devices]
    on_cpu = all(str(device).lower() == "cpu" for device in chosen)
    accelerator = {"spec.training.accelerator": "cpu"} if on_cpu else {}
    return {"spec.resources.gpus": 0 if on_cpu else len(chosen), **accelerator}


def _encoder_weights(value: Any) -> Fields | Dropped:
    if value is None:
        return {}
    if str(value).startswith("/"):
        return {"spec.training.model.encoderWeights": value}
    return Dropped(
        f"{value!r} would be downloaded, and the trainer downloads nothing: put a state dict into a volume "
        "and name it in training.model.encoderWeights"
    )


def _side(value: Any) -> Any:
    """512 of [512, 512]; other shapes are passed on, for validation to refuse them."""
    square = isinstance(value, list | tuple) and len(set(value)) == 1
    return value[0] if square else value


def _train_augmentation(value: Any) -> Fields | Dropped:
    if not isinstance(value, Mapping):
        return Dropped("it is no object of probabilities and ranges: write training.augmentation")
    return {f"spec.training.augmentation.{_camel(str(name))}": amount for name, amount in value.items()}


def _camel(name: str) -> str:
    first, *rest = re.split(r"[_.]", name)
    return first + "".join(part.capitalize() for part in rest)


OPTIMIZERS = {"adamw": "adamw", "adam": "adam", "sgd": "sgd"}
SCHEDULERS = {
    "reducelronplateau": "plateau", "plateau": "plateau", "reduce_on_plateau": "plateau",
    "steplr": "step", "step": "step",
    "cosineannealinglr": "cosine", "cosine": "cosine", "cosineannealing": "cosine",
    "none": "none",
}  # fmt: skip
PRECISIONS = {
    "32": "32-true", "32-true": "32-true",
    "16": "16-mixed", "16-mixed": "16-mixed",
    "bf16": "bf16-mixed", "bf16-mixed": "bf16-mixed",
}  # fmt: skip
ARCHITECTURES = {"u-net": "unet", "deeplabv3+": "deeplabv3plus", "deeplabv3_plus": "deeplabv3plus"}
LOSSES = {"bce": "bce-with-logits", "crossentropy": "cross-entropy", "cross_entropy": "cross-entropy"}
TASKS = {
    "segmentation": "semantic-segmentation", "semantic_segmentation": "semantic-segmentation",
    "detection": "object-detection", "object_detection": "object-detection",
    "instance_segmentation": "instance-segmentation",
}  # fmt: skip
OWN_DIRECTORY = "checkpoints, logs and results of a run have their places in its run directory"
CLASSES = "the classes are those of the data"

XRAY = Form(
    "X-ray classification (experiment, system, output)",
    frozenset({"experiment", "system", "output", "dataset_path", "run_name"}),
    {
        "experiment.learning_rate": to("spec.training.optimizer.learningRate"),
        "experiment.weight_decay": to("spec.training.optimizer.weightDecay"),
        "experiment.dropout_rate": to("spec.training.model.dropout"),
        "experiment.epochs": to("spec.training.maxEpochs"),
        "experiment.batch_size": to("spec.training.data.batchSize"),
        "experiment.fine_tune_layers_count": to("spec.training.model.fineTuneLayersCount"),
        "experiment.early_stopping_patience": to("spec.training.earlyStopping.patience"),
        "experiment.reduce_lr_patience": to("spec.training.scheduler.patience"),
        "experiment.monitor_metric": to("spec.training.monitor"),
        "system.batch_size": to("spec.training.data.batchSize"),
        "system.num_workers": to("spec.training.data.numWorkers"),
        "system.pin_memory": to("spec.training.data.pinMemory"),
        "system.persistent_workers": to("spec.training.data.persistentWorkers"),
        "system.prefetch_factor": to("spec.training.data.prefetchFactor"),
        "system.validation_split": to("spec.training.data.validationSplit"),
        "system.seed": to("spec.training.seed"),
        "output.checkpoint_dir": drop(OWN_DIRECTORY),
        "output.log_dir": drop(OWN_DIRECTORY),
        "output.results_dir": drop(OWN_DIRECTORY),
        "output.save_top_k": to("spec.training.artifacts.saveTopK"),
        "run_name": to(NAME),
        "dataset_path": _archive_or_directory,
    },
    {
        "spec.training.task": "classification",
        "spec.training.data.format": "zip",
        "spec.training.data.path": f"{DATA}/dataset.zip",
    },
)

VOLUMES = Form(
    "segmentation of volumes (ModelTrainingConfig)",
    frozenset(
        {"model_name", "data_dir", "train_batch_size", "val_batch_size", "model_params", "input_channels"}
    ),
    {
        "model_name": to("spec.training.model.architecture"),
        "model_params": to("spec.training.model.parameters"),
        "data_dir": to("spec.training.data.path", below_data),
        "max_epochs": to("spec.training.maxEpochs"),
        "learning_rate": to("spec.training.optimizer.learningRate"),
        "weight_decay": to("spec.training.optimizer.weightDecay"),
        "momentum": to("spec.training.optimizer.momentum"),
        "optimizer": one_of("spec.training.optimizer.name", OPTIMIZERS),
        "scheduler": one_of("spec.training.scheduler.name", SCHEDULERS),
        "early_stopping_patience": to("spec.training.earlyStopping.patience"),
        "monitor": to("spec.training.monitor"),
        "gpus": to("spec.resources.gpus"),
        "train_batch_size": to("spec.training.data.batchSize"),
        "val_batch_size": drop("volumes are validated one by one: their shapes differ"),
        "num_workers": to("spec.training.data.numWorkers"),
        "num_classes": drop(CLASSES),
        "input_channels": drop("volumes have one channel"),
        "target_label": to("spec.training.data.targetLabel"),
        "precision": one_of("spec.training.precision", PRECISIONS),
        "debug": drop("the log and the metrics say what it showed"),
    },
    {
        "spec.training.task": "semantic-segmentation",
        "spec.training.data.dimensions": 3,
        "spec.training.data.format": "directory",
        "spec.training.data.path": f"{DATA}/data_preprocessed",
    },
)

DEFECTS = Form(
    "segmentation of defects (architecture, encoder, split files)",
    frozenset({"architecture", "encoder", "encoder_weights", "split_dir", "images_dir", "masks_dir"}),
    {
        "architecture": one_of("spec.training.model.architecture", ARCHITECTURES),
        "encoder": to("spec.training.model.encoder"),
        "encoder_weights": _encoder_weights,
        "in_channels": to("spec.training.data.channels"),
        "classes": drop(CLASSES),
        "num_epochs": to("spec.training.maxEpochs"),
        "batch_size": to("spec.training.data.batchSize"),
        "learning_rate": to("spec.training.optimizer.learningRate"),
        "weight_decay": to("spec.training.optimizer.weightDecay"),
        "momentum": to("spec.training.optimizer.momentum"),
        "optimizer": one_of("spec.training.optimizer.name", OPTIMIZERS),
        "scheduler": one_of("spec.training.scheduler.name", SCHEDULERS),
        "early_stopping_patience": to("spec.training.earlyStopping.patience"),
        "loss": one_of("spec.training.loss.name", LOSSES),
        "dice_weight": to("spec.training.loss.diceWeight"),
        "bce_weight": to("spec.training.loss.bceWeight"),
        "focal_weight": to("spec.training.loss.focalWeight"),
        "image_size": to("spec.training.data.imageSize", _side),
        "num_workers": to("spec.training.data.numWorkers"),
        "augmentation_prob": to("spec.training.augmentation.probability"),
        "split_dir": to(SPLITS, below_data),
        "images_dir": to(IMAGES, below_data),
        "masks_dir": to(MASKS, below_data),
        "checkpoint_dir": drop(OWN_DIRECTORY),
        "device": lambda value: _devices(str(value)),
    },
    {"spec.training.task": "semantic-segmentation", "spec.training.data.format": "split-files"},
)

STUDIO = Form(
    "experiment.json of the studio (hardware, hyperparameters)",
    frozenset({"hardware", "hyperparameters", "split_index", "augmentation_config", "project_path"}),
    {
        "name": to(NAME),
        "task": one_of("spec.training.task", TASKS),
        "architecture": to("spec.training.model.architecture"),
        "project_path": to("spec.training.data.path", below_data),
        "split_index": to("spec.training.data.splitIndex"),
        "batch_size": to("spec.training.data.batchSize"),
        "num_workers": to("spec.training.data.numWorkers"),
        "hardware.selected_devices": _devices,
        "hardware.precision": one_of("spec.training.precision", PRECISIONS),
        "hyperparameters.max_epochs": to("spec.training.maxEpochs"),
        "hyperparameters.early_stopping_patience": to("spec.training.earlyStopping.patience"),
        "hyperparameters.batch_size": to("spec.training.data.batchSize"),
        "hyperparameters.learning_rate": to("spec.training.optimizer.learningRate"),
        "hyperparameters.weight_decay": to("spec.training.optimizer.weightDecay"),
        "hyperparameters.momentum": to("spec.training.optimizer.momentum"),
        "hyperparameters.optimizer": one_of("spec.training.optimizer.name", OPTIMIZERS),
        "hyperparameters.scheduler": one_of("spec.training.scheduler.name", SCHEDULERS),
        "augmentation_config.train": _train_augmentation,
        "augmentation_config.val": drop("validation images are resized and normalised, and that is all"),
    },
    {"spec.training.data.format": "dataset-json", "spec.training.data.path": f"{DATA}/project"},
)

FORMS = (XRAY, VOLUMES, DEFECTS, STUDIO)
