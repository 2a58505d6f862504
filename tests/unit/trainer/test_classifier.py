"""Any classifier takes any images, ends in the project's head, and trains no more layers than asked."""

from pathlib import Path

import pytest
import torch
from torch import nn

from trainingrun_api.training import ModelConfig
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.models import classifier


def built(architecture: str = "resnet18", outputs: int = 3, channels: int = 3, **config: object) -> nn.Module:
    model = ModelConfig.model_validate({"architecture": architecture, **config})
    return classifier.build(model, outputs=outputs, channels=channels, image_size=64)


@pytest.mark.parametrize(
    "architecture",
    [
        "resnet18",
        "mobilenet_v3_small",
        "squeezenet1_1",
        "densenet121",
        "googlenet",
        "timm/mobilenetv3_small_050",
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_head_is_dropout_and_one_layer(architecture: str, channels: int) -> None:
    model = built(architecture, channels=channels, dropout=0.25).eval()
    assert model(torch.rand(2, channels, 64, 64)).shape == (2, 3)
    heads = [module for module in model.modules() if isinstance(module, nn.Sequential) and len(module) == 2]
    dropout, layer = heads[-1]
    assert isinstance(dropout, nn.Dropout)
    assert dropout.p == 0.25
    assert isinstance(layer, nn.Linear | nn.Conv2d)


def test_grey_images_are_answered_as_the_same_images_in_colour(tmp_path: Path) -> None:
    colour = built()
    weights = {
        name.replace("fc.1.", "fc."): value
        for name, value in colour.get_submodule("network").state_dict().items()
    }
    torch.save(weights, tmp_path / "weights.pt")
    grey = built(channels=1, weights=str(tmp_path / "weights.pt"))
    grey.get_submodule("network.fc").load_state_dict(colour.get_submodule("network.fc").state_dict())
    image = torch.rand(2, 1, 64, 64)
    torch.testing.assert_close(
        grey.eval()(image), colour.eval()(image.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_only_the_last_layers_train(count: int) -> None:
    model = built(fine_tune_layers_count=count)
    layers = [module for module in model.modules() if any(True for _ in module.parameters(recurse=False))]
    backbone = layers[:-1]
    trained = [layer for layer in backbone if next(layer.parameters(recurse=False)).requires_grad]
    assert trained == backbone[len(backbone) - min(count, len(backbone)) :]
    assert all(parameter.requires_grad for parameter in layers[-1].parameters())


def test_frozen_layers_keep_their_statistics() -> None:
    model = built(fine_tune_layers_count=0).train()
    before = model.get_buffer("network.bn1.running_mean").clone()
    model(torch.rand(4, 3, 64, 64))
    torch.testing.assert_close(model.get_buffer("network.bn1.running_mean"), before)
    assert model.get_submodule("network.fc.0").training


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        ("resnet19", "is no classifier of torchvision"),
        ("timm/nothing_like_this", "cannot be built"),
        ("vit_b_32", "does not take data.imageSize 64"),
        ("fcn_resnet50", "is no classifier of torchvision"),
    ],
)
def test_what_cannot_be_built_is_refused(architecture: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said) as refused:
        built(architecture)
    assert refused.value.advice


def foreign(path: Path) -> None:
    torch.save({"other": torch.zeros(1)}, path)


def text(path: Path) -> None:
    path.write_text("no weights")


def listed(path: Path) -> None:
    torch.save([torch.zeros(1)], path)


def misshapen(path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, path)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (foreign, "tensors missing, 1 unknown"),
        (text, "cannot be loaded"),
        (listed, "hold a list"),
        (misshapen, "do not fit"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, write: object, said: str) -> None:
    assert callable(write)
    write(tmp_path / "weights.pt")
    with pytest.raises(BadConfig, match=said):
        built(weights=str(tmp_path / "weights.pt"))
