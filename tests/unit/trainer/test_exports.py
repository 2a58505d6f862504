"""Exports compute what the model computes, for batches of any size, or are refused."""

from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest
import torch
from torch import nn

from trainingrun_trainer import exports
from trainingrun_trainer.data.normalization import Normalization
from trainingrun_trainer.exports import Exportable, NotEqual
from trainingrun_trainer.models import predictors

BATCH = {0: "batch"}


class Network(nn.Module):
    """Normalization, a convolution with batch statistics, probabilities."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            Normalization("imagenet", 3),
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )
        self.head = nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.layers(images).flatten(1)).softmax(dim=1)
        return result


class Remembering(nn.Module):
    """What a trace cannot know: whether the batch is the one that it was made with."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean(dim=(1, 2, 3)) + (1.0 if len(images) == 2 else 0.0)


def batches(*sizes: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (size, 3, 8, 8), generator=random, dtype=torch.uint8) for size in sizes]


@pytest.fixture(scope="module")
def trained() -> Network:
    network = Network()
    for images in batches(8, 8):
        network(images)
    return network.eval()


def check_names(content: bytes) -> None:
    """Input and output are named as export.json says."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (images,), (output,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape[1:]) == ("images", "tensor(uint8)", [3, 8, 8])
    assert isinstance(images.shape[0], str)
    assert output.name == "probabilities"


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:FutureWarning")
@pytest.mark.parametrize("form", exports.FORMATS)
def test_every_form_takes_pixels_in_batches_of_any_size(form: str, trained: Network) -> None:
    exportable = Exportable(trained, BATCH, {"probabilities": "of each class"})
    inputs = batches(2, 1, 3)
    made = exports.export(form, exportable, inputs)
    assert made.difference <= exports.TOLERANCE
    _, _, read = exports.FORMATS[form]
    (other,) = batches(7)
    with torch.no_grad():
        (probabilities,) = read(made.content)(other)
        torch.testing.assert_close(probabilities, trained(other), atol=1e-5, rtol=0)
    described = exports.describe(exportable, inputs[0], {form: made}, ["a", "b", "c"])
    assert described["input"] == {"name": "images", "shape": ["batch", 3, 8, 8], "dtype": "uint8"}
    if form == "onnx":
        check_names(made.content)
    assert described["files"] == {form: {"file": made.file, "greatest_difference": made.difference}}


def test_what_computes_something_else_is_refused() -> None:
    exportable = Exportable(Remembering(), BATCH, {"mean": ""})
    with pytest.raises(NotEqual, match="differs from the model by 1"):
        exports.export("torchscript", exportable, batches(2, 3))


def test_what_cannot_be_exported_is_an_error_that_says_why() -> None:
    class Unsupported(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if images.float().mean() > 0:  # depends on the data
                return images.float()
            return -images.float()

    with pytest.raises(Exception, match="data-dependent"):
        exports.export("torch-export", Exportable(Unsupported(), BATCH, {"x": ""}), batches(2, 3))


def test_another_number_of_outputs_is_a_difference() -> None:
    one: Any = (torch.zeros(2, 3),)
    with pytest.raises(NotEqual, match=r"\(3, 3\) where the model gives \(2, 3\)"):
        exports._difference(one, (torch.zeros(3, 3),))
    assert exports._difference(one, (torch.full((2, 3), 5e-5),)) == pytest.approx(5e-5)
    # pixels may differ by more than probabilities
    assert exports._difference((torch.tensor([500.0]),), (torch.tensor([500.04]),)) > exports.TOLERANCE


def test_what_torch_compile_left_in_a_network_is_not_exported(trained: Network) -> None:
    trained._compiled_call_impl = pytest.fail
    try:
        exports.export("torchscript", Exportable(trained, BATCH, {"probabilities": ""}), batches(2, 1))
    finally:
        trained._compiled_call_impl = None


class Detector(nn.Module):
    """Finds as many objects as there are bright colours, in the form of torchvision's detectors."""

    def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        scores = images[0].float().mean(dim=(1, 2)) / 255
        kept = (scores > 0.4).nonzero().squeeze(1)
        boxes = torch.stack([kept, kept, kept + 1, kept + 1], dim=1).float()
        masks = images[0].float()[kept][:, None] / 255
        return [{"boxes": boxes, "labels": kept + 1, "scores": scores[kept], "masks": masks}]


@pytest.mark.parametrize("form", ["onnx", "torchscript"])
@pytest.mark.parametrize(
    ("task", "outputs"),
    [
        ("object-detection", ["boxes", "labels", "scores"]),
        ("instance-segmentation", ["boxes", "labels", "scores", "masks"]),
    ],
)
def test_a_detector_is_exported_for_one_image_of_any_size(form: str, task: str, outputs: list[str]) -> None:
    config = SimpleNamespace(task=task)
    exportable = predictors.objects(SimpleNamespace(config=config, network=Detector()))
    assert list(exportable.outputs) == outputs
    dark, bright = (
        torch.full((3, *size), value, dtype=torch.uint8) for size, value in (((8, 6), 9), ((5, 9), 200))
    )
    bright[1] = 9
    found = exportable.network(bright)
    assert [len(part) for part in found] == [2] * len(outputs)
    made = exports.export(form, exportable, [bright, dark, bright[:, :, 1:]])
    assert made.difference <= exports.TOLERANCE
    described = exports.describe(exportable, bright, {form: made}, ["a"])
    assert described["input"]["shape"] == [3, "height", "width"]
