"""torchvision's detectors are exported whole, with all that follows their networks: whatever an image's size,
and whether anything is found in it or not."""

from types import SimpleNamespace

import onnxruntime
import pytest
import torch

from tests.integration.trainer import tiny_detector
from trainingrun_trainer import exports
from trainingrun_trainer.exports import Exportable
from trainingrun_trainer.models import predictors
from trainingrun_trainer.models.detector import Detector

SIZE = 64
CLASSES = 3
OUTPUTS = {
    "object-detection": ["boxes", "labels", "scores"],
    "instance-segmentation": ["boxes", "labels", "scores", "masks"],
}

pytestmark = pytest.mark.parametrize("task", OUTPUTS)


def image(height: int, width: int, brightness: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(height)
    return torch.randint(0, brightness, (3, height, width), generator=random, dtype=torch.uint8)


LIGHT, WIDE, TALL = image(64, 64, 256), image(48, 72, 256), image(90, 50, 256)
DARK = image(64, 72, 2)


def detector(task: str) -> Exportable:
    """An untrained one that finds something in light images, and nothing in dark ones."""
    torch.manual_seed(0)
    make = tiny_detector.masks if task == "instance-segmentation" else tiny_detector.boxes
    network = make(CLASSES, SIZE).eval()
    network.roi_heads.score_thresh = 0.0
    module = SimpleNamespace(config=SimpleNamespace(task=task), network=Detector(network).eval())
    exportable = predictors.objects(module)
    with torch.no_grad():
        light, dark = (max(exportable.network(each)[2]) for each in (LIGHT, DARK))
        assert light > dark
        network.roi_heads.score_thresh = float(light + dark) / 2
        assert len(exportable.network(LIGHT)[0])
        assert not len(exportable.network(DARK)[0])
    return exportable


@pytest.mark.parametrize("first", ["light", "dark"])
@pytest.mark.parametrize("form", ["onnx", "torchscript"])
def test_it_finds_what_the_model_finds(task: str, form: str, first: str) -> None:
    exportable = detector(task)
    inputs = [LIGHT, DARK, WIDE] if first == "light" else [DARK, LIGHT, WIDE]
    made = exports.export(form, exportable, inputs)
    assert made.difference <= exports.TOLERANCE
    if form == "onnx":
        session = onnxruntime.InferenceSession(made.content, providers=["CPUExecutionProvider"])
        assert [output.name for output in session.get_outputs()] == OUTPUTS[task]
        with torch.no_grad():
            expected = exportable.network(TALL)
        found = session.run(None, {exports.INPUT: TALL.numpy()})
        for one, other in zip(expected, found, strict=True):
            torch.testing.assert_close(one, torch.from_numpy(other), atol=1e-4, rtol=1e-4)


def test_torch_export_refuses_what_depends_on_what_is_found(task: str) -> None:
    with pytest.raises(Exception, match="data-dependent"):
        exports.export("torch-export", detector(task), [LIGHT])
