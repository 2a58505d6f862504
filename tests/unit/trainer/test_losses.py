"""Losses equal torch's own, image by image, and the choice of loss follows the classes."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from trainingrun_api.training import LossConfig
from trainingrun_trainer import losses
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.losses.classification import ClassificationLoss


@pytest.mark.parametrize(
    ("wanted", "classes", "chosen", "outputs"),
    [
        ("auto", 2, "bce-with-logits", 1),
        ("auto", 3, "cross-entropy", 3),
        ("bce-with-logits", 2, "bce-with-logits", 1),
        ("cross-entropy", 2, "cross-entropy", 2),
        ("dice", 2, "dice", 1),
        ("combined", 3, "combined", 3),
    ],
)
def test_the_loss_fits_the_classes(wanted: str, classes: int, chosen: str, outputs: int) -> None:
    config = LossConfig.model_validate({"name": wanted})
    assert losses.choose(config, classes) == chosen
    assert losses.outputs(chosen, classes) == outputs


def test_a_binary_loss_for_more_classes_is_refused() -> None:
    with pytest.raises(BadConfig, match="bce-with-logits, but the data have 3 classes"):
        losses.choose(LossConfig(name="bce-with-logits"), 3)


def test_balanced_weights_equal_those_of_scikit_learn() -> None:
    labels = [0] * 50 + [1] * 30 + [2] * 20
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert losses.balanced_weights([50, 30, 20]) == pytest.approx(list(expected))


def test_a_class_that_does_not_occur_weighs_nothing() -> None:
    assert losses.balanced_weights([60, 0, 20]) == pytest.approx([80 / 120, 0.0, 2.0])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, [1.0, 1.0]),
        ({"classWeights": "balanced"}, [2.0, 2 / 3]),
        ({"classWeightValues": [1.0, 5.0]}, [1.0, 5.0]),
    ],
)
def test_classes_weigh_what_the_config_says(config: dict[str, object], expected: list[float]) -> None:
    weights = losses.class_weights(LossConfig.model_validate(config), 2, lambda: [10, 30])
    assert weights == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "said"), [([1.0, 2.0, 3.0], "has 3 values, but the data have 2"), ([0.0, 0.0], "all 0")]
)
def test_weights_that_do_not_fit_the_classes_are_refused(values: list[float], said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        losses.class_weights(LossConfig(class_weight_values=values), 2, lambda: [1, 1])


def test_both_losses_are_those_of_torch_times_the_weight_of_the_class() -> None:
    labels = torch.tensor([0, 1, 1, 0])
    logits = torch.tensor([[0.3], [-1.2], [2.0], [0.0]])
    weights = torch.tensor([0.5, 2.0])
    binary = ClassificationLoss("bce-with-logits", weights.tolist())
    expected = nn.BCEWithLogitsLoss(reduction="none")(logits[:, 0], labels.float()) * weights[labels]
    assert binary(logits, labels).tolist() == pytest.approx(expected.tolist())

    # two outputs of which the first is 0 say the same as one
    pair = torch.cat([torch.zeros_like(logits), logits], dim=1)
    multi = ClassificationLoss("cross-entropy", weights.tolist())
    assert multi(pair, labels).tolist() == pytest.approx(expected.tolist())
    torch.testing.assert_close(multi.probabilities(pair), binary.probabilities(logits))
