"""Any classifier takes any images, ends in the project's head, and trains no more layers than asked."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainingrun_api.training import ModelConfig
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.models import classifier
from trainingrun_trainer.optimization.freezing import encoder_of


def built(
    architecture: str = "resnet18",
    outputs: int = 3,
    channels: int = 3,
    size: int = 64,
    batch: int = 8,
    **config: object,
) -> nn.Module:
    model = ModelConfig.model_validate({"architecture": architecture, **config})
    return classifier.build(model, outputs=outputs, channels=channels, image_size=size, batch_size=batch)


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


@pytest.mark.parametrize("architecture", ["resnet18", "timm/test_resnet"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_run_on_grey_images_begins_with_the_weights_of_one_on_grey_or_coloured_ones(
    tmp_path: Path, architecture: str, channels: int
) -> None:
    earlier = built(architecture, channels=channels)
    weights = {f"network.{name}": value for name, value in earlier.state_dict().items()}
    torch.save(weights, tmp_path / "best_model.pt")
    later = built(architecture, outputs=4, channels=1, weights=str(tmp_path / "best_model.pt"))
    encoders = [[layer.state_dict() for layer in encoder_of(model)] for model in (earlier, later)]
    encoders[0][0]["weight"] = encoders[0][0]["weight"].sum(dim=1, keepdim=True)
    torch.testing.assert_close(encoders[1], encoders[0])


def test_weights_for_grey_images_are_refused_for_coloured_ones(tmp_path: Path) -> None:
    torch.save(
        {f"network.{name}": value for name, value in built(channels=1).state_dict().items()},
        tmp_path / "grey.pt",
    )
    with pytest.raises(BadConfig, match="do not fit"):
        built(weights=str(tmp_path / "grey.pt"))


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
        ("no_such_module:net", "cannot be imported"),
        ("timm/nothing_like_this", "cannot be built"),
        ("vit_b_32", "does not take data.imageSize 64"),
        ("fcn_resnet50", "is no classifier of torchvision"),
    ],
)
def test_what_cannot_be_built_is_refused(architecture: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said) as refused:
        built(architecture)
    assert refused.value.advice


class Factory(nn.Module):
    def __init__(self, in_channels: int, classes: int, width: int = 4, frozen: bool = False) -> None:
        super().__init__()
        self.aside = nn.Linear(2, 2)
        self.body = nn.Conv2d(in_channels, width, 3)
        self.head = nn.Linear(width, classes)
        self.requires_grad_(not frozen)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.body(images).mean(dim=(2, 3)))
        return logits


class Flat(Factory):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images).flatten()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"architecture": "inception_v3", "size": 299, "parameters": {"aux_logits": True}},
            "InceptionOutputs",
        ),
        ({"size": 32, "batch": 1}, "cannot train with data.batchSize 1"),
        ({"parameters": {"weights": "DEFAULT"}}, "model.parameters has 'weights'"),
        ({"architecture": f"{__name__}:Factory", "parameters": {"frozen": True}}, "no weights that train"),
        ({"architecture": f"{__name__}:Flat"}, r"gives \(6,\) instead of logits \(2, 3\)"),
    ],
)
def test_what_would_fail_in_training_is_refused_before(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], said: str
) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Factory.__module__])
    with pytest.raises(BadConfig, match=said):
        built(**change)


def test_weights_that_take_no_part_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data parallel training would wait for their gradients."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Factory.__module__])
    model = built(f"{__name__}:Factory")
    trained = {name.split(".")[1] for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained == {"body", "head"}


@pytest.mark.parametrize(
    ("architecture", "parameters", "layer", "width"),
    [
        (f"{__name__}:Factory", {"width": 6}, "network.body", 6),
        ("timm/test_resnet", {"stem_width": 24}, "network.conv1.0", 24),
        ("googlenet", {"transform_input": True}, "network.conv1.conv", 64),
    ],
)
def test_parameters_and_factories_reach_the_network(
    monkeypatch: pytest.MonkeyPatch, architecture: str, parameters: dict[str, object], layer: str, width: int
) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Factory.__module__])
    model = built(architecture, parameters=parameters)
    assert model.get_parameter(f"{layer}.weight").shape[0] == width


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [("resnet18", {}), ("timm/test_resnet", {}), ("vit_b_32", {"image_size": 64})],
)
def test_gradients_are_those_without_checkpointing(architecture: str, parameters: dict[str, Any]) -> None:
    plain, sparing = (
        built(architecture, batch=2, parameters=parameters, dropout=0, gradient_checkpointing=sparing)
        for sparing in (False, True)
    )
    sparing.load_state_dict(plain.state_dict())
    images = torch.rand(2, 3, 64, 64)
    for model in (plain, sparing):
        model(images).square().sum().backward()
    for (name, one), (_, other) in zip(plain.named_parameters(), sparing.named_parameters(), strict=True):
        assert one.grad is not None, name
        torch.testing.assert_close(other.grad, one.grad)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(sparing.get_buffer(name), buffer)


def test_a_network_without_blocks_cannot_be_computed_again() -> None:
    with pytest.raises(BadConfig, match=r"gradientCheckpointing: 'alexnet' has no blocks"):
        built("alexnet", gradient_checkpointing=True)


def test_all_layers_but_the_head_are_the_encoder() -> None:
    model = built()
    (head,) = (layer for layer in model.modules() if isinstance(layer, nn.Linear))
    layers = [module for module in model.modules() if any(True for _ in module.parameters(recurse=False))]
    assert encoder_of(model) == [layer for layer in layers if layer is not head]


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
