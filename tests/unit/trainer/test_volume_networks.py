"""Networks for volumes: each takes patches, is refused by name where it does not, and answers for volumes."""

from typing import Any

import pytest
import torch
from torch import nn

from trainingrun_api.training import ModelConfig
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.models import volumes

SMALL: dict[str, dict[str, Any]] = {
    "dformer3d": {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 4], "patch_size": [2, 2, 2]},
    "unetr": {"hidden_size": 24, "mlp_dim": 48, "num_heads": 2, "feature_size": 4},
    "dynunet": {"filters": [4, 8, 16], "strides": [1, 2, 2]},
    "segresnet": {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]},
    "unet": {"channels": [4, 8, 16]},
}
SIDE = 16


def built(architecture: str, side: int | None = None, **config: Any) -> nn.Module:
    sides = (side or SIDE,) * 3
    model = ModelConfig.model_validate({"architecture": architecture, **config})
    return volumes.build(model, in_channels=1, outputs=3, patch_size=sides)


@pytest.mark.parametrize("architecture", SMALL)
def test_gradient_checkpointing_changes_nothing_but_memory(architecture: str) -> None:
    torch.manual_seed(0)
    patch = torch.rand(1, 1, SIDE, SIDE, SIDE)
    plain = built(architecture, parameters=SMALL[architecture])
    saving = built(architecture, parameters=SMALL[architecture], gradientCheckpointing=True)
    saving.load_state_dict(plain.state_dict())
    for network in (plain, saving):
        logits = network(patch)
        assert logits.shape == (1, 3, *patch.shape[2:])
        logits.square().mean().backward()
    for mine, its in zip(plain.parameters(), saving.parameters(), strict=True):
        # data parallel training waits for the gradient of every weight that is to be trained
        assert (mine.grad is not None) == mine.requires_grad
        assert (its.grad is not None) == its.requires_grad
        if mine.grad is not None and its.grad is not None:
            assert torch.equal(mine.grad, its.grad)


def test_swinunetr_has_a_switch_of_its_own() -> None:
    switches = [
        getattr(module, "use_checkpoint", False)
        for module in built("swinunetr", 64, gradientCheckpointing=True).modules()
    ]
    assert sum(switches) > 4


@pytest.mark.parametrize("architecture", volumes.ARCHITECTURES)
def test_the_default_network_takes_the_default_patch(architecture: str) -> None:
    assert sum(parameter.numel() for parameter in built(architecture, 96).parameters()) > 1e6


@pytest.mark.parametrize(
    ("architecture", "side", "config", "said"),
    [
        ("resnet50", 64, {}, "is no network for volumes"),
        ("dformer3d", 40, {}, "does not take data.patchSize .* must be multiples of"),
        ("dynunet", 16, {}, "does not take data.patchSize .*16, 16, 16"),
        ("unet", 50, {}, "does not take data.patchSize .*50, 50, 50"),
        ("swinunetr", 50, {}, "does not take data.patchSize .*50, 50, 50"),
        ("unetr", 50, {}, "does not take data.patchSize .*50, 50, 50"),
        ("unet", 32, {"parameters": {"layers": 3}}, r"model.parameters \['layers'\] .* cannot be built"),
        ("segresnet", 32, {"parameters": {"out_channels": 3}}, "model.parameters.out_channels follows from"),
        ("dynunet", 64, {"parameters": {"deep_supervision": True}}, "instead of logits"),
        ("unet", 64, {"encoderWeights": "/w.pt"}, "model.encoderWeights is for networks of images"),
        ("unet", 64, {"weights": "/nowhere/w.pt"}, "model.weights /nowhere/w.pt cannot be loaded"),
        ("torch.nn:Identity", 16, {}, "instead of logits"),
        ("torch.nn:Nothing", 16, {}, "cannot be imported"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    architecture: str, side: int, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadConfig, match=said) as refused:
        built(architecture, side, **config)
    assert refused.value.advice


class Thresholds(nn.Module):
    """A network of one's own, which answers for each voxel by itself."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.layer = nn.Conv3d(in_channels, classes, kernel_size=1)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layer(volumes)
        return logits


def test_a_factory_of_the_image_makes_the_network() -> None:
    network = built(f"{__name__}:Thresholds", 8)
    assert isinstance(network, Thresholds)
    with pytest.raises(BadConfig, match="not made of blocks"):
        built(f"{__name__}:Thresholds", 8, gradientCheckpointing=True)


def test_weights_of_a_file_are_taken(tmp_path: Any) -> None:
    torch.manual_seed(0)
    network = built("unet", parameters=SMALL["unet"])
    path = tmp_path / "w.pt"
    torch.save({f"network.{name}": value for name, value in network.state_dict().items()}, path)
    torch.manual_seed(1)
    loaded = built("unet", parameters=SMALL["unet"], weights=str(path))
    patch = torch.rand(1, 1, SIDE, SIDE, SIDE)
    assert torch.equal(loaded(patch), network(patch))


@pytest.mark.parametrize("shape", [(16, 16, 16), (20, 33, 16), (10, 40, 7)])
def test_windows_answer_for_a_volume_as_the_network_would_for_all_of_it(shape: tuple[int, ...]) -> None:
    """A network that sees one voxel at a time gives each voxel the same answer in every window."""
    torch.manual_seed(0)
    network, whole = Thresholds(1, 3), torch.rand(1, 1, *shape)
    with torch.no_grad():
        torch.testing.assert_close(volumes.infer(network, whole, (16, 16, 16)), network(whole))


def test_windows_see_beyond_a_small_volume_what_patches_show_there() -> None:
    seen = []

    def network(windows: torch.Tensor) -> torch.Tensor:
        seen.append(windows)
        return windows.clone()

    volumes.infer(network, torch.ones(1, 1, 8, 3, 8), (8, 8, 8))
    (window,) = seen
    assert window.shape == (1, 1, 8, 8, 8)
    assert window[0, 0, 0, :, 0].tolist() == [0, 0, 1, 1, 1, 0, 0, 0]
