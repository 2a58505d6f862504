"""What plots show, by the data that they draw, and that each is a picture."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn import metrics as reference

from trainingrun_trainer.artifacts import Record
from trainingrun_trainer.metrics.classification import ClassificationMetrics
from trainingrun_trainer.report import curves, plots
from trainingrun_trainer.report.palette import INK

CLASSES = ("a", "b$", "a name that is too long for an axis")
EPOCHS: list[Record] = [
    {"epoch": 1, "train_loss": 2.0, "val_loss": 3.0, "val_recall": 0.25, "learning_rate": 0.1, "time": "x"},
    {"epoch": 2, "train_loss": 1.0, "val_loss": 2.0, "val_recall": 0.5, "learning_rate": 0.1, "time": "y"},
]


def counted(classes: int, samples: int = 200) -> dict[str, torch.Tensor]:
    """Evidence of a classifier that is right more often than not."""
    random = torch.Generator().manual_seed(classes)
    labels = torch.randint(0, classes, (samples,), generator=random)
    logits = torch.randn(samples, classes, generator=random) + torch.eye(classes)[labels]
    metrics = ClassificationMetrics([str(index) for index in range(classes)])
    for part in torch.split(torch.arange(samples), 64):
        metrics.add(torch.zeros(len(part)), logits[part].softmax(dim=1), labels[part])
    return metrics.evidence()


@pytest.mark.parametrize("classes", [2, 3])
def test_the_confusion_matrix_holds_every_sample_by_truth_and_prediction(classes: int) -> None:
    evidence = counted(classes)
    truth, guesses = evidence["labels"].numpy(), evidence["probabilities"].argmax(dim=1).numpy()
    assert evidence["probabilities"].shape == (200, classes)
    assert evidence["confusion"].tolist() == reference.confusion_matrix(truth, guesses).tolist()


@pytest.mark.parametrize("classes", [2, 3])
def test_areas_of_curves_are_those_of_an_independent_count(classes: int) -> None:
    evidence = counted(classes)
    probabilities, labels = evidence["probabilities"], evidence["labels"]
    names = [str(index) for index in range(classes)]
    drawn = [1] if classes == 2 else list(range(classes))
    for line, ranked, index in zip(
        curves.roc(probabilities, labels, names),
        curves.precision_recall(probabilities, labels, names),
        drawn,
        strict=True,
    ):
        truth, scores = (labels == index).numpy(), probabilities[:, index].double().numpy()
        assert line.label == ranked.label == names[index]
        assert line.area == pytest.approx(reference.roc_auc_score(truth, scores), abs=1e-6)
        assert np.trapezoid(line.y, line.x) == pytest.approx(line.area, abs=1e-6)
        assert ranked.area == pytest.approx(reference.average_precision_score(truth, scores), abs=1e-6)


def test_a_class_without_samples_has_no_curve_and_long_curves_are_thinned() -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 2, (5000,), generator=random)
    probabilities = torch.rand(5000, 3, generator=random).softmax(dim=1)
    lines = curves.roc(probabilities, labels, CLASSES)
    assert [line.label for line in lines] == ["a", "b$"]
    assert all(len(line.x) == curves.MOST_POINTS for line in lines)
    assert (lines[0].x[0], lines[0].x[-1]) == (0, 1)


def test_only_what_was_measured_is_drawn_over_epochs() -> None:
    names = ("train_loss", "val_loss", "val_map")
    without: Any = {"epoch": 3, "train_loss": None}
    assert plots.series([*EPOCHS, without], names) == {
        "train_loss": [(1, 2.0), (2, 1.0)],
        "val_loss": [(1, 3.0), (2, 2.0)],
    }
    assert set(plots.of_training(EPOCHS, "val_recall", 2)) == {"loss", "learning_rate", "monitor", "metrics"}
    # detectors have no loss on the validation split
    detector: list[Record] = [{"epoch": 1, "train_loss": 1.0, "val_map": 0.5, "learning_rate": 0.1}]
    assert set(plots.of_training(detector, "val_map", 1)) >= {"loss", "monitor"}


def test_every_plot_is_a_picture_on_light_and_on_dark_paper() -> None:
    evidence = counted(3)
    drawn = plots.of_training(EPOCHS, "val_recall", 2) | plots.of_evidence(evidence, CLASSES)
    assert set(drawn) == {
        "loss",
        "learning_rate",
        "monitor",
        "metrics",
        "confusion_matrix",
        "roc",
        "precision_recall",
    }
    for plot in drawn.values():
        for theme, (paper, _) in INK.items():
            with Image.open(io.BytesIO(plots.png(plot, theme))) as image:
                assert image.format == "PNG"
                color = image.convert("RGB").getpixel((1, 1))
            assert color == tuple(bytes.fromhex(paper[1:]))


@pytest.mark.parametrize(("count", "text"), [(0, "0"), (9999, "9999"), (12_345, "12k"), (3_400_000, "3.4M")])
def test_counts_fit_their_cells(count: int, text: str) -> None:
    assert plots.compact(count) == text
