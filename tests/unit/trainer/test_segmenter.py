"""Any network of segmentation-models-pytorch takes any images, and what does not fit is refused by name."""

import copy
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

from trainingrun_api.training import ModelConfig
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.models import segmenter, trial

SIZE = 64
SMALL = {"encoder_depth": 3, "decoder_channels": [32, 16, 8]}


class Mark(nn.Module):
    """A network without an encoder, for factories."""

    def __init__(self, in_channels: int, classes: int, kernel: int = 1) -> None:
        super().__init__()
        self.layer = nn.Conv2d(in_channels, classes, kernel)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layer(images)
        return logits


def no_network(**_: object) -> str:
    return "nothing"


OWN = f"{__name__}:Mark"


def built(
    architecture: str = "unet",
    encoder: str = "resnet18",
    *,
    outputs: int = 3,
    channels: int = 3,
    size: int = SIZE,
    batch: int = 2,
    **config: Any,
) -> nn.Module:
    model = ModelConfig.model_validate({"architecture": architecture, "encoder": encoder, **config})
    return segmenter.build(model, outputs=outputs, channels=channels, image_size=size, batch_size=batch)


@pytest.mark.parametrize(
    ("architecture", "encoder", "channels", "outputs"),
    [
        ("unet", "resnet18", 1, 1),
        ("UnetPlusPlus", "mobilenet_v2", 3, 1),
        ("fpn", "efficientnet-b0", 1, 4),
        ("deeplabv3plus", "resnet18", 3, 2),
        ("segformer", "mit_b0", 3, 3),
        ("unet", "tu-test_resnet", 1, 2),
        (OWN, "unused", 1, 2),
    ],
)
def test_networks_give_one_logit_for_each_output_and_pixel(
    architecture: str, encoder: str, channels: int, outputs: int
) -> None:
    network = built(architecture, encoder, channels=channels, outputs=outputs)
    assert network.training
    assert network(torch.rand(2, channels, SIZE, SIZE)).shape == (2, outputs, SIZE, SIZE)


def test_parameters_go_to_the_architecture() -> None:
    network = built(parameters=SMALL)
    assert network.get_parameter("segmentation_head.0.weight").shape == (3, 8, 3, 3)
    assert built(OWN, parameters={"kernel": 1}).get_parameter("layer.weight").shape == (3, 3, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"architecture": "vnet"}, "model.architecture 'vnet' is no network of segmentation-models-pytorch"),
        ({"encoder": "resnet19"}, "model.encoder 'resnet19' is no encoder"),
        ({"encoder": "tu-nothing"}, "model.encoder 'tu-nothing'.*cannot be built"),
        ({"parameters": {"depth_of_encoder": 3}}, "model.parameters depth_of_encoder: 'unet' has none"),
        ({"parameters": {"encoder_depth": 7}}, "cannot be built"),
        ({"parameters": {"encoder_weights": "imagenet"}}, "model.parameters .* cannot be built"),
        ({"parameters": {"aux_params": {"classes": 2}}}, "gives tuple instead of logits"),
        ({"architecture": "linknet", "size": 72}, "does not take data.imageSize 72"),
        ({"architecture": "deeplabv3plus", "batch": 1}, "cannot train with data.batchSize 1"),
        ({"architecture": f"{__name__}:Nothing"}, "cannot be imported"),
        ({"architecture": "no.such_module:build"}, "cannot be imported: No module named"),
        (
            {"architecture": OWN, "parameters": {"size": 1}},
            "failed when called with classes, in_channels, size",
        ),
        ({"architecture": OWN, "parameters": {"kernel": 3}}, r"gives \(2, 3, 62, 62\) instead of logits"),
        ({"architecture": f"{__name__}:no_network"}, "gives a str"),
        ({"architecture": OWN, "encoderWeights": "/weights.pt"}, "has no part named encoder"),
        ({"architecture": OWN, "gradientCheckpointing": True}, "model.gradientCheckpointing"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConfig, match=said) as refused:
        built(**arguments)
    assert refused.value.advice


def test_a_batch_of_one_is_tried_without_a_trace() -> None:
    network = built(batch=1)
    assert not network.get_buffer("encoder.bn1.num_batches_tracked").any()


@pytest.mark.parametrize("size", [trial.SMALL, 2 * trial.SMALL])
def test_every_weight_that_trains_gets_a_gradient(size: int) -> None:
    """Whether it was tried with arithmetic or without."""
    network = built("pspnet", "efficientnet-b0", size=size)
    network(torch.rand(2, 3, size, size)).sum().backward()
    trained = {name for name, value in network.named_parameters() if value.requires_grad}
    assert trained == {name for name, value in network.named_parameters() if value.grad is not None}
    assert "encoder._conv_head.weight" not in trained
    assert "encoder._conv_stem.weight" in trained


def test_an_unknown_encoder_is_told_all_that_there_are() -> None:
    with pytest.raises(BadConfig) as refused:
        built(encoder="resnet")
    assert all(name in refused.value.advice for name in ("resnet34", "efficientnet-b7", "densenet201", "tu-"))
    assert len(refused.value.advice) < 1500


def saved(path: Path, state: object) -> str:
    torch.save(state, path / "weights.pt")
    return str(path / "weights.pt")


def test_encoder_weights_of_torchvision_and_timm_fit_without_their_heads(tmp_path: Path) -> None:
    classifier = torchvision.models.resnet18(weights=None)
    network = built(encoderWeights=saved(tmp_path, classifier.state_dict()))
    assert torch.equal(network.get_parameter("encoder.conv1.weight"), classifier.conv1.weight)

    convnext = timm.create_model("test_convnext", pretrained=False)
    network = built(encoder="tu-test_convnext", encoderWeights=saved(tmp_path, convnext.state_dict()))
    name = "stages.0.blocks.0.conv_dw.weight"
    found = network.get_parameter(f"encoder.model.{name.replace('stages.0', 'stages_0')}")
    assert torch.equal(found, convnext.get_parameter(name))


def test_encoder_weights_may_come_from_another_run(tmp_path: Path) -> None:
    first = built(outputs=2, parameters=SMALL)
    state = {f"network.{name}": value for name, value in first.state_dict().items()}
    second = built(
        "linknet", outputs=3, parameters={"encoder_depth": 3}, encoderWeights=saved(tmp_path, state)
    )
    for name, value in first.get_submodule("encoder").state_dict().items():
        assert torch.equal(second.get_submodule("encoder").state_dict()[name], value), name


def test_weights_for_colours_answer_a_grey_image_as_they_answer_rgb(tmp_path: Path) -> None:
    colour = built()
    grey = built(channels=1, weights=saved(tmp_path, colour.state_dict()))
    image = torch.rand(2, 1, SIZE, SIZE)
    torch.testing.assert_close(
        grey.eval()(image), colour.eval()(image.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("prefix", ["", "network."])
def test_a_run_goes_on_from_the_best_model_of_another(tmp_path: Path, prefix: str) -> None:
    first = built(OWN)
    state = {f"{prefix}{name}": value for name, value in first.state_dict().items()}
    second = built(OWN, weights=saved(tmp_path, state))
    assert torch.equal(first.get_parameter("layer.weight"), second.get_parameter("layer.weight"))


@pytest.mark.parametrize("field", ["encoderWeights", "weights"])
@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"other": torch.zeros(1)}, "tensors are missing"),
        ([torch.zeros(1)], "hold a list"),
        (None, "cannot be loaded"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, field: str, state: object, said: str) -> None:
    path = saved(tmp_path, state)
    if state is None:
        Path(path).write_text("no weights")
    with pytest.raises(BadConfig, match=f"model.{field} .*{said}"):
        built(**dict[str, Any]({field: path}))


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, built(OWN, outputs=2).state_dict())
    with pytest.raises(BadConfig, match="0 tensors are missing and 2 have other shapes"):
        built(OWN, weights=path)


@pytest.mark.parametrize("encoder", ["resnet18", "densenet121", "efficientnet-b0", "tu-test_resnet"])
def test_gradient_checkpointing_changes_no_bit_of_a_step(encoder: str) -> None:
    def step(checkpointed: bool) -> tuple[nn.Module, torch.Tensor]:
        torch.manual_seed(0)
        network = built(encoder=encoder, gradientCheckpointing=checkpointed, parameters=SMALL)
        torch.manual_seed(0)
        loss = network(torch.rand(2, 3, SIZE, SIZE)).square().mean()
        loss.backward()
        return network, loss

    (plain, loss), (checkpointed, same_loss) = step(False), step(True)
    assert torch.equal(loss, same_loss)
    for one, other in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.equal(one.grad, other.grad)  # type: ignore[arg-type]
    if not encoder.startswith("tu-"):  # timm counts a batch twice
        for name, value in plain.named_buffers():
            assert torch.equal(value, checkpointed.get_buffer(name)), name


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch._dynamo looks at it
def test_gradient_checkpointing_goes_with_compilation() -> None:
    network = built(size=32, gradientCheckpointing=True, parameters=SMALL)
    compiled = copy.deepcopy(network)
    compiled.compile(backend="aot_eager")
    images = torch.rand(2, 3, 32, 32)
    for each in (network, compiled):
        each(images).square().mean().backward()
    for one, other in zip(network.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    for name, value in network.named_buffers():
        torch.testing.assert_close(value, compiled.get_buffer(name))


def test_gradient_checkpointing_keeps_fewer_activations() -> None:
    def kept(checkpointed: bool) -> int:
        network = built(gradientCheckpointing=checkpointed)
        sizes: list[int] = []

        def pack(value: torch.Tensor) -> torch.Tensor:
            sizes.append(value.numel())
            return value

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            network(torch.rand(2, 3, SIZE, SIZE))
        return sum(sizes)

    assert kept(True) < kept(False) / 2
