"""Scores equal scikit-learn's, and what leaves the pod is bounded."""

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from trainingrun_trainer.metrics import MOST_NAMES, is_better, mode, most_telling
from trainingrun_trainer.metrics.classification import ClassificationMetrics, scores, words

IMAGES = 300


def drawn(classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (IMAGES,), generator=random)
    logits = torch.randn(IMAGES, classes, generator=random) + 1.5 * torch.nn.functional.one_hot(
        labels, classes
    )
    return torch.rand(IMAGES, generator=random), logits.softmax(dim=1), labels


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_scores_equal_those_of_scikit_learn(classes: int, seed: int) -> None:
    losses, probabilities, labels = drawn(classes, seed)
    counted = ClassificationMetrics([f"c{number}" for number in range(classes)])
    for start in range(0, IMAGES, 70):
        counted.add(*(values[start : start + 70] for values in (losses, probabilities, labels)))
    scores = counted.scores()

    truth, guesses = labels.numpy(), probabilities.argmax(dim=1).numpy()
    ranked = (probabilities[:, 1] if classes == 2 else probabilities.double()).numpy()
    average = "binary" if classes == 2 else "macro"
    expected = {
        "loss": float(losses.mean()),
        "accuracy": reference.accuracy_score(truth, guesses),
        "precision": reference.precision_score(truth, guesses, average=average),
        "recall": reference.recall_score(truth, guesses, average=average),
        "f1": reference.f1_score(truth, guesses, average=average),
        "auroc": reference.roc_auc_score(truth, ranked, multi_class="ovr"),
    }
    for name, score in (
        ("precision", reference.precision_score),
        ("recall", reference.recall_score),
        ("f1", reference.f1_score),
    ):
        for number, value in enumerate(score(truth, guesses, average=None)):
            expected[f"{name}_class_c{number}"] = value
    assert scores.keys() == expected.keys()
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value, abs=1e-6), name


def test_a_class_that_never_occurs_is_left_out_of_the_mean() -> None:
    counted = ClassificationMetrics(["a", "b", "c"])
    probabilities = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.4, 0.0]])
    labels = torch.tensor([0, 1, 1])
    counted.add(torch.zeros(3), probabilities, labels)
    scores = counted.scores()
    truth, guesses = labels.numpy(), probabilities.argmax(dim=1).numpy()
    assert scores["recall"] == pytest.approx(reference.recall_score(truth, guesses, average="macro"))
    assert scores["recall_class_c"] == 0
    assert np.isfinite(scores["auroc"])


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("cat", "wild cat"), ["cat", "wild_cat"]),
        (("a b", "a-b"), ["a_b_0", "a_b_1"]),
        (("a b", "a-b", "a_b_0"), ["a_b_0", "a_b_1", "a_b_0_2"]),
        (("x" * 64 + "a", "x" * 64 + "b"), ["x" * 64 + "_0", "x" * 64 + "_1"]),
    ],
)
def test_every_class_has_a_word_and_so_scores_of_its_own(
    classes: tuple[str, ...], expected: list[str]
) -> None:
    assert words(classes) == expected
    names = scores(torch.ones(3, len(classes)), classes)
    assert {name for name in names if "_class_" in name} == {
        f"{name}_class_{word}" for name in ("precision", "recall", "f1") for word in expected
    }


def test_the_names_that_leave_are_bounded_and_start_with_the_monitored_one() -> None:
    names = [
        f"{split}_{name}"
        for split in ("train", "val", "test")
        for name in ("loss", "accuracy", *(f"recall_class_{number}" for number in range(100)))
    ]
    shown = list(most_telling(dict.fromkeys(names, 0.5), "val_accuracy"))
    assert shown[:4] == ["val_accuracy", "test_loss", "test_accuracy", "val_loss"]
    assert len(shown) == MOST_NAMES


@pytest.mark.parametrize(
    ("value", "best", "monitor", "better"),
    [
        (0.5, None, "val_loss", True),
        (0.4, 0.5, "val_loss", True),
        (0.5, 0.5, "val_loss", False),
        (0.6, 0.5, "val_recall", True),
        (0.5, 0.5, "val_recall", False),
        (0.1, float("nan"), "val_recall", True),
        (0.9, float("nan"), "val_loss", True),
        (float("nan"), 0.1, "val_recall", False),
        (float("nan"), float("nan"), "val_recall", False),
    ],
)
def test_better_is_strict_and_depends_on_the_metric(
    value: float, best: float | None, monitor: str, better: bool
) -> None:
    assert is_better(value, best, monitor) == better
    assert mode(monitor) == ("min" if monitor == "val_loss" else "max")


def test_counting_goes_on_and_the_counts_of_ranks_add_up() -> None:
    classes = ["a", "b", "c"]
    losses, probabilities, labels = drawn(3, seed=5)
    whole, first, second = (ClassificationMetrics(classes, auroc=False) for _ in range(3))
    whole.add(losses, probabilities, labels)
    first.add(losses[:100], probabilities[:100], labels[:100])
    second.add(losses[100:], probabilities[100:], labels[100:])

    going_on = ClassificationMetrics(classes, auroc=False)
    going_on.count_from(first.counted())
    going_on.add(losses[100:], probabilities[100:], labels[100:])
    assert going_on.scores() == pytest.approx(whole.scores())

    added = ClassificationMetrics(classes, auroc=False)
    added.count_from({name: first.counted()[name] + second.counted()[name] for name in first.counted()})
    assert added.scores() == pytest.approx(whole.scores())
    added.reset()
    added.add(losses, probabilities, labels)
    assert added.scores() == whole.scores()
