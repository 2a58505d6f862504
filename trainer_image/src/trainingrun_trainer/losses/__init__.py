"""What is minimised, as one loss for each sample: means over any partition of a data set then agree.

One file a task, and here what both have in common: which loss, and how much each class weighs. Detectors
bring losses of their own.
"""

from collections.abc import Callable, Sequence

from trainingrun_api.training import LossConfig
from trainingrun_trainer.errors import BadConfig


def choose(config: LossConfig, classes: int) -> str:
    """The loss for a number of classes.

    Raises:
        BadConfig: bce-with-logits for more than two classes.
    """
    if config.name == "bce-with-logits" and classes > 2:
        raise BadConfig(
            f"loss.name is bce-with-logits, but the data have {classes} classes",
            "Set loss.name to cross-entropy.",
        )
    if config.name == "auto":
        return "bce-with-logits" if classes == 2 else "cross-entropy"
    return config.name


def outputs(name: str, classes: int) -> int:
    """Outputs of a network that is trained with this loss: one logit of the second of two classes, or one of
    each class."""
    return 1 if classes == 2 and name != "cross-entropy" else classes


def class_weights(config: LossConfig, classes: int, counts: Callable[[], Sequence[int]]) -> list[float]:
    """How much each class weighs.

    Args:
        config: says whether by hand, by frequency or all alike.
        classes: how many there are.
        counts: gives how often each class occurs in the training split; asked only where it matters.

    Raises:
        BadConfig: loss.classWeightValues are not as many as the classes, or all 0.
    """
    values = config.class_weight_values
    if values is not None:
        if len(values) != classes:
            raise BadConfig(
                f"loss.classWeightValues has {len(values)} values, but the data have {classes} classes",
                "Give one weight for each class, in the order of the classes.",
            )
        if not any(values):
            raise BadConfig("loss.classWeightValues are all 0: nothing would be learned", "Raise one.")
        return values
    return balanced_weights(counts()) if config.class_weights == "balanced" else [1.0] * classes


def balanced_weights(counts: Sequence[int]) -> list[float]:
    """Weights inverse to the frequency of each class, 1 on average over what is counted.

    A class that does not occur weighs nothing, and the others as if it did not exist. Source: scikit-learn's
    class_weight="balanced": all / (classes * those of the class).
    """
    occurring = sum(count > 0 for count in counts)
    return [sum(counts) / (occurring * count) if count else 0.0 for count in counts]
