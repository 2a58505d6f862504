"""The built-in trainer's config: `spec.training` and the file of `trainingrun-train --config`.

One model for both, so that the API server refuses at apply time what the trainer would refuse at start.
Defaults are those of the systems that the trainer succeeds; those that differ between tasks stand in
`defaults`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from trainingrun_api.model import ApiModel, Rule
from trainingrun_api.training.augmentation import AugmentationConfig
from trainingrun_api.training.data import ArchiveLimits, DataConfig, Format
from trainingrun_api.training.defaults import with_defaults
from trainingrun_api.training.network import ModelConfig
from trainingrun_api.training.optimization import (
    EarlyStoppingConfig,
    LossConfig,
    OptimizerConfig,
    SchedulerConfig,
)
from trainingrun_api.training.outcome import ArtifactsConfig, DatabaseConfig, ExportConfig, MetricsConfig

__all__ = [
    "ArchiveLimits",
    "ArtifactsConfig",
    "AugmentationConfig",
    "DataConfig",
    "DatabaseConfig",
    "EarlyStoppingConfig",
    "ExportConfig",
    "LossConfig",
    "MetricsConfig",
    "ModelConfig",
    "OptimizerConfig",
    "SchedulerConfig",
    "TaskName",
    "TrainingConfig",
]

TaskName = Literal["classification", "semantic-segmentation", "object-detection", "instance-segmentation"]
DETECTION: tuple[TaskName, ...] = ("object-detection", "instance-segmentation")

FORMATS: Mapping[TaskName, tuple[Format, ...]] = {
    "classification": ("zip", "directory", "dataset-json"),
    "semantic-segmentation": ("zip", "directory", "split-files", "dataset-json", "coco"),
    "object-detection": ("coco", "yolo", "dataset-json"),
    "instance-segmentation": ("coco", "yolo", "dataset-json"),
}
"""Forms of data that a task can learn from."""
LOSSES: Mapping[TaskName, tuple[str, ...]] = {
    "classification": ("auto", "bce-with-logits", "cross-entropy"),
    "object-detection": ("auto",),
    "instance-segmentation": ("auto",),
}
"""Losses that a task can minimise, where not all; detectors bring their own."""
MONITORS: Mapping[TaskName, tuple[str, ...]] = {
    "classification": ("val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1", "val_auroc"),
    "semantic-segmentation": (
        "val_loss", "val_iou", "val_dice", "val_accuracy", "val_precision", "val_recall", "val_f1",
        "val_boundary_f1",
    ),
    "object-detection": ("val_map", "val_map_50", "val_map_75", "val_mar_100"),
    "instance-segmentation": ("val_map", "val_map_50", "val_map_75", "val_mar_100", "val_map_box"),
}  # fmt: skip
"""Metrics that a task's best checkpoint may be picked by, the custom ones apart."""

Monitor = Annotated[str, Field(min_length=5, max_length=128)]


def _fits(path: str, allowed: Mapping[TaskName, tuple[str, ...]]) -> tuple[Rule, ...]:
    """For each task the rule that the field at a path has one of the values that go with it."""

    def rule(task: TaskName, values: tuple[str, ...]) -> Rule:
        def holds(config: "TrainingConfig") -> bool:
            value: Any = config
            for name in path.split("."):
                value = getattr(value, name)
            return config.task != task or value in values

        return Rule(
            f"self.task != '{task}' || self.{path} in [{', '.join(map(repr, values))}]",
            f"training.{path} does not fit the task {task}: use {', '.join(values)}",
            f".{path}",
            holds,
        )

    return tuple(rule(task, values) for task, values in allowed.items())


def _can_be_monitored(config: "TrainingConfig") -> bool:
    return bool(config.metrics.custom) or config.monitor in MONITORS[config.task]


def _monitor_rule(task: TaskName, monitors: tuple[str, ...]) -> Rule:
    listed = ", ".join(map(repr, monitors))
    return Rule(
        f"self.task != '{task}' || !has(self.monitor) || size(self.metrics.custom) > 0 || "
        f"self.monitor in [{listed}]",
        f"training.monitor is no metric of the task {task}: use {', '.join(monitors)}, or one of "
        "training.metrics.custom",
        ".monitor",
        lambda config: config.task != task or _can_be_monitored(config),
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
        Rule(
            "self.data.dimensions == 2 || self.task == 'semantic-segmentation'",
            "training.data.dimensions 3 is for semantic-segmentation: use that task, or dimensions 2",
            ".data.dimensions",
            lambda config: config.data.dimensions == 2 or config.task == "semantic-segmentation",
        ),
        Rule(
            "!self.compile || !(self.task in ['object-detection', 'instance-segmentation'])",
            "training.compile is not for detectors, whose shapes change with each image: set it to false",
            ".compile",
            lambda config: not config.compile or config.task not in DETECTION,
        ),
        Rule(
            "!has(self.optimizer.learningRate) || "
            "self.scheduler.minLearningRate <= self.optimizer.learningRate",
            "training.scheduler.minLearningRate is above optimizer.learningRate: lower it",
            ".scheduler.minLearningRate",
            lambda config: config.scheduler.min_learning_rate <= config.optimizer.learning_rate,
        ),
        *_fits("data.format", FORMATS),
        *_fits("loss.name", LOSSES),
        *(_monitor_rule(task, monitors) for task, monitors in MONITORS.items()),
    )

    task: TaskName = Field(description="What is learned.")
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
    metrics: MetricsConfig = Field(MetricsConfig(), description="What is measured.")
    artifacts: ArtifactsConfig = Field(ArtifactsConfig(), description="What is left behind for people.")
    export: ExportConfig = Field(ExportConfig(), description="Forms of the best model beside its weights.")
    database: DatabaseConfig = Field(DatabaseConfig(), description="The tables run and run_metrics.")
    monitor: Monitor = Field(
        default_factory=lambda: "val_loss",
        description="Metric that picks the best checkpoint, lowers the learning rate and stops early. Lower "
        "is better for val_loss, higher for the others. Default: val_recall for classification, val_iou for "
        "segmentation, val_map for detection.",
    )
    max_epochs: int = Field(50, ge=1, le=100000, description="Epochs to train at most.")
    accumulate_batches: int = Field(
        1, ge=1, le=65536, description="Batches whose gradients make one step of the optimizer."
    )
    gradient_clip_norm: float | None = Field(
        None, gt=0, le=1e9, description="Greatest norm of all gradients together. Default: not clipped."
    )
    ema_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Decay of an exponential moving average of the weights, which is then what is validated "
        "and kept. Default: none.",
    )
    find_learning_rate: bool = Field(
        False,
        description="Look for a learning rate by a range test before training, instead of learningRate.",
    )
    compile: bool = Field(False, description="torch.compile the network: slow to start, faster to train.")
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

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, content: Any) -> Any:
        return with_defaults(content)
