"""The built-in trainer's config: `spec.training` and the file of `trainingrun-train --config`.

One model for both, so that the API server refuses at apply time what the trainer would refuse at start.
Defaults are those of the systems that the trainer succeeds (X-ray classification).
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainingrun_api.fields import AbsolutePath
from trainingrun_api.model import ApiModel, Rule

ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
ClassificationMonitor = Literal[
    "val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1", "val_auroc"
]


class ArchiveLimits(ApiModel):
    """What a ZIP may hold before it is refused as a decompression bomb."""

    max_members: int = Field(1_000_000, ge=1, description="Most files in the archive.")
    max_gibibytes: int = Field(200, ge=1, description="Most GiB of extracted data.")
    max_ratio: int = Field(
        200, ge=1, description="Largest ratio of extracted to compressed size of one file."
    )


class DataConfig(ApiModel):
    """Where the images and labels are, how they are split, and how they are fed."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.validationSplit + self.testSplit < 1.0",
            "data.validationSplit + data.testSplit must stay below 1: lower one of them so that training "
            "images remain",
            ".validationSplit",
            lambda data: data.validation_split + data.test_split < 1,
        ),
        Rule(
            "self.imageColumn != self.labelColumn && self.imageColumn != self.splitColumn && "
            "self.labelColumn != self.splitColumn",
            "data.imageColumn, data.labelColumn and data.splitColumn must be three different columns: "
            "rename one",
            ".labelColumn",
            lambda data: len({data.image_column, data.label_column, data.split_column}) == 3,
        ),
        Rule(
            "!self.persistentWorkers || !has(self.numWorkers) || self.numWorkers > 0",
            "data.persistentWorkers needs loader processes: set data.numWorkers above 0, or "
            "persistentWorkers to false",
            ".persistentWorkers",
            lambda data: not data.persistent_workers or data.num_workers != 0,
        ),
    )

    format: Literal["zip", "directory"] = Field(
        description="Container of metadata.csv and images/: a ZIP file or a directory."
    )
    path: AbsolutePath = Field(description="Absolute path inside the pod, below a mounted volume.")
    image_column: ColumnName = Field(
        "filename", description="Column of metadata.csv that names the file below images/."
    )
    label_column: ColumnName = Field("label", description="Column of metadata.csv that holds the class.")
    split_column: ColumnName = Field(
        "split",
        description="Column that assigns train, val or test. Where metadata.csv has no such column, the "
        "split is stratified by class.",
    )
    validation_split: float = Field(
        0.2, gt=0, lt=1, description="Share of images for validation, where no split is given."
    )
    test_split: float = Field(
        0.0, ge=0, lt=1, description="Share of images for the test set, where no split is given."
    )
    image_size: int = Field(224, ge=8, le=4096, description="Side in pixels to which images are resized.")
    channels: Literal[1, 3] = Field(3, description="Colour channels that images are read as.")
    normalization: Literal["imagenet", "unit"] = Field(
        "imagenet", description="imagenet: ImageNet's mean and standard deviation. unit: values in [0, 1]."
    )
    batch_size: int = Field(32, ge=1, le=65536, description="Images in a batch of one process.")
    num_workers: int | None = Field(
        None,
        ge=0,
        le=256,
        description="Loader processes of each training process. Default: from the CPU limit.",
    )
    pin_memory: bool = Field(True, description="Page-locked host memory for faster copies to a GPU.")
    persistent_workers: bool = Field(False, description="Keep loader processes between epochs.")
    prefetch_factor: int = Field(
        2, ge=1, le=64, description="Batches that each loader process prepares ahead."
    )
    limits: ArchiveLimits = Field(ArchiveLimits(), description="Bounds of a ZIP.")


class AugmentationConfig(ApiModel):
    """Random changes of training images."""

    horizontal_flip: float = Field(0.0, ge=0, le=1, description="Probability of a mirror image.")
    rotate_degrees: float = Field(
        0.0, ge=0, le=180, description="Largest rotation to either side, in degrees."
    )


class ModelConfig(ApiModel):
    """The classifier: a backbone and the project's head (dropout and one linear layer)."""

    architecture: str = Field(
        "resnet50",
        min_length=1,
        max_length=128,
        description="A classifier of torchvision (resnet50) or, with the prefix timm/, of timm "
        "(timm/convnext_tiny).",
    )
    weights: AbsolutePath | None = Field(
        None,
        description="Path of a state dict for the backbone, inside the pod. Default: random weights; nothing "
        "is downloaded.",
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Dropout before the last layer.")
    fine_tune_layers_count: int | None = Field(
        None,
        ge=0,
        le=10000,
        description="How many of the backbone's last layers train; the others are frozen. 0 trains the head "
        "alone. Default: all train.",
    )


class LossConfig(ApiModel):
    """What is minimised."""

    name: Literal["auto", "bce-with-logits", "cross-entropy"] = Field(
        "auto", description="auto: bce-with-logits for two classes, cross-entropy for more."
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: classes weigh inversely to their frequency in the training split."
    )


class OptimizerConfig(ApiModel):
    """How weights move."""

    name: Literal["adamw"] = Field("adamw", description="adamw: torch's AdamW.")
    learning_rate: float = Field(0.001, gt=0, le=10, description="Initial learning rate.")
    weight_decay: float = Field(0.0001, ge=0, le=10, description="Decoupled L2 regularization.")


class SchedulerConfig(ApiModel):
    """How the learning rate falls."""

    name: Literal["plateau", "none"] = Field(
        "plateau", description="plateau: torch's ReduceLROnPlateau on `monitor`."
    )
    patience: int = Field(3, ge=0, le=10000, description="Epochs without improvement before the rate falls.")
    factor: float = Field(0.1, gt=0, lt=1, description="What the rate is multiplied by.")


class EarlyStoppingConfig(ApiModel):
    """When training ends before maxEpochs."""

    patience: int = Field(
        7, ge=0, le=10000, description="Epochs without improvement before the end; 0 never stops."
    )
    min_delta: float = Field(
        0.0, ge=0, description="Smallest change of `monitor` that counts as improvement."
    )


class TrainingConfig(ApiModel):
    """Config of the built-in trainer."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.accelerator != 'cpu' || self.precision != '16-mixed'",
            "training.precision 16-mixed needs a GPU: set training.precision to auto, 32-true or bf16-mixed",
            ".precision",
            lambda config: config.accelerator != "cpu" or config.precision != "16-mixed",
        ),
    )

    task: Literal["classification"] = Field(description="What is learned.")
    data: DataConfig = Field(description="The images and labels.")
    model: ModelConfig = Field(ModelConfig(), description="The network.")
    loss: LossConfig = Field(LossConfig(), description="What is minimised.")
    optimizer: OptimizerConfig = Field(OptimizerConfig(), description="How weights move.")
    scheduler: SchedulerConfig = Field(SchedulerConfig(), description="How the learning rate falls.")
    augmentation: AugmentationConfig = Field(
        AugmentationConfig(), description="Random changes of training images."
    )
    early_stopping: EarlyStoppingConfig = Field(
        EarlyStoppingConfig(), description="When training ends early."
    )
    monitor: ClassificationMonitor = Field(
        "val_recall",
        description="Metric that picks the best checkpoint, lowers the learning rate and stops early. Lower "
        "is better for val_loss, higher for the others.",
    )
    max_epochs: int = Field(50, ge=1, le=100000, description="Epochs to train at most.")
    seed: int = Field(42, ge=0, le=4294967295, description="Seed of weights, split, order and augmentation.")
    accelerator: Literal["auto", "gpu", "cpu"] = Field(
        "auto",
        description="auto: the GPU where the run requests any (or, without an operator, where CUDA shows "
        "one), else the CPU. A requested GPU that does not show is an error, never a silent run on the CPU; "
        "cpu trains on the CPU in any case.",
    )
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "auto", description="auto: bf16-mixed on GPUs that support it, else 32-true."
    )
