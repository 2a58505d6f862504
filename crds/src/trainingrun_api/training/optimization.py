"""`training.loss`, `.optimizer`, `.scheduler`, `.earlyStopping`: what is minimised, how, and for how long."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainingrun_api.model import ApiModel, Rule

ClassWeight = Annotated[float, Field(ge=0, le=1e6)]
LEARNING_RATE = 0.001


class LossConfig(ApiModel):
    """What is minimised. Detectors compute losses of their own."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.classWeights) || self.classWeights != 'balanced' || !has(self.classWeightValues)",
            "loss.classWeights balanced and loss.classWeightValues exclude each other: remove one",
            ".classWeightValues",
            lambda loss: loss.class_weights != "balanced" or loss.class_weight_values is None,
        ),
        Rule(
            "!has(self.name) || self.name != 'combined' || "
            "self.diceWeight + self.bceWeight + self.focalWeight > 0.0",
            "loss.diceWeight, loss.bceWeight and loss.focalWeight are all 0: raise one",
            ".diceWeight",
            lambda loss: (
                loss.name != "combined" or loss.dice_weight + loss.bce_weight + loss.focal_weight > 0
            ),
        ),
    )

    name: Literal["auto", "bce-with-logits", "cross-entropy", "dice", "focal", "iou", "combined"] = Field(
        "auto",
        description="auto: bce-with-logits for two classes, cross-entropy for more. dice, focal, iou and "
        "combined (diceWeight of dice, bceWeight of cross-entropy, focalWeight of focal) are for "
        "segmentation.",
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: classes weigh inversely to their frequency in the training split."
    )
    class_weight_values: list[ClassWeight] | None = Field(
        None, min_length=2, max_length=1000, description="Weight of each class, in the order of the classes."
    )
    dice_weight: float = Field(0.5, ge=0, le=1000, description="Weight of dice in combined.")
    bce_weight: float = Field(0.3, ge=0, le=1000, description="Weight of cross-entropy in combined.")
    focal_weight: float = Field(0.2, ge=0, le=1000, description="Weight of focal in combined.")
    focal_gamma: float = Field(2.0, ge=0, le=10, description="How little easy pixels count in focal.")
    focal_alpha: float = Field(
        0.25, gt=0, lt=1, description="Weight of the foreground against the background in a binary focal."
    )
    smooth: float = Field(1.0, ge=0, le=1000, description="Added to both sides of the ratio in dice and iou.")


class OptimizerConfig(ApiModel):
    """How weights move."""

    name: Literal["adamw", "adam", "sgd"] = Field("adamw", description="One of torch's optimizers.")
    learning_rate: float = Field(
        default_factory=lambda: LEARNING_RATE,
        gt=0,
        le=10,
        description="Initial learning rate. Default: 0.001 for classification, else 0.0001.",
    )
    weight_decay: float = Field(0.0001, ge=0, le=10, description="Decay of weights; decoupled in adamw.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of sgd.")


class SchedulerConfig(ApiModel):
    """How the learning rate falls."""

    name: Literal["plateau", "step", "cosine", "none"] = Field(
        "plateau",
        description="plateau: torch's ReduceLROnPlateau on `monitor`. step: every stepSize epochs. cosine: "
        "to minLearningRate in the last of maxEpochs.",
    )
    patience: int = Field(
        3, ge=0, le=10000, description="Epochs without improvement before plateau lowers the rate."
    )
    factor: float = Field(0.1, gt=0, lt=1, description="What the rate is multiplied by, in plateau and step.")
    step_size: int = Field(10, ge=1, le=100000, description="Epochs between two falls of step.")
    min_learning_rate: float = Field(0.0, ge=0, le=10, description="Where plateau and cosine end.")
    warmup_epochs: int = Field(
        0,
        ge=0,
        le=100000,
        description="Epochs in which the rate rises evenly to learningRate, before all else.",
    )


class EarlyStoppingConfig(ApiModel):
    """When training ends before maxEpochs."""

    patience: int = Field(
        7, ge=0, le=10000, description="Epochs without improvement before the end; 0 never stops."
    )
    min_delta: float = Field(
        0.0, ge=0, description="Smallest change of `monitor` that counts as improvement."
    )
