"""D-Former: a U-shaped transformer for volumes whose attention sees near and far by turns.

Source: Wu et al., "D-Former: A U-shaped Dilated Transformer for 3D Medical Image Segmentation",
arXiv:2201.00462. Tokens are cut into units of the same size, and attention stays within a unit. A unit of the
local scope is a block of neighbours; one of the global scope takes tokens at equal distances all over the
map, so that both cost the same. Position comes from depth-wise convolutions ("dynamic position encoding"),
not from a table, so no weight depends on the size of a volume.

The paper cuts maps into units of one size. Here a unit shrinks along an axis to the largest divisor of the
map's side, so that no token is padding and attention needs no mask.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

Sides = tuple[int, int, int]
"""Along depth, height and width."""


def unit_sides(shape: Sequence[int], largest: Sequence[int]) -> Sides:
    """For each axis the largest divisor of the map's side that is at most the wanted side of a unit."""
    depth, height, width = (
        max(side for side in range(1, most + 1) if length % side == 0)
        for length, most in zip(shape, largest, strict=True)
    )
    return depth, height, width


def cut(tokens: torch.Tensor, sides: Sides, *, dilated: bool) -> torch.Tensor:
    """Units, (batch * units, tokens of a unit, channels), of a map, (batch, depth, height, width, channels),
    whose sides are multiples of a unit's. A dilated unit takes every n-th token of an axis that n units
    share."""
    depth, height, width = tokens.shape[1:4]
    d, h, w = sides
    if dilated:
        split = tokens.reshape(-1, d, depth // d, h, height // h, w, width // w, tokens.shape[-1])
        grouped = split.permute(0, 2, 4, 6, 1, 3, 5, 7)
    else:
        split = tokens.reshape(-1, depth // d, d, height // h, h, width // w, w, tokens.shape[-1])
        grouped = split.permute(0, 1, 3, 5, 2, 4, 6, 7)
    return grouped.reshape(-1, d * h * w, tokens.shape[-1])


def join(units: torch.Tensor, shape: Sequence[int], sides: Sides, *, dilated: bool) -> torch.Tensor:
    """The map, (batch, depth, height, width, channels), that was cut into units; shape is its depth, height
    and width."""
    depth, height, width = shape
    d, h, w = sides
    grouped = units.reshape(-1, depth // d, height // h, width // w, d, h, w, units.shape[-1])
    order = (0, 4, 1, 5, 2, 6, 3, 7) if dilated else (0, 1, 4, 2, 5, 3, 6, 7)
    return grouped.permute(*order).reshape(-1, depth, height, width, units.shape[-1])


class PositionEncoding(nn.Module):
    """Adds what a depth-wise convolution sees around each token."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels, channels, kernel_size=3, padding=1, groups=channels)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, depth, height, width, channels) to the same."""
        seen: torch.Tensor = self.convolution(tokens.movedim(-1, 1))
        return tokens + seen.movedim(1, -1)


class ScopeModule(nn.Module):
    """Self-attention within units, then a perceptron of two layers; both add to what they are given."""

    def __init__(
        self, channels: int, heads: int, unit: Sequence[int], mlp_ratio: float, *, dilated: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        self.unit = tuple(unit)
        self.dilated = dilated
        self.attention_norm = nn.LayerNorm(channels)
        self.queries_keys_values = nn.Linear(channels, 3 * channels)
        self.projection = nn.Linear(channels, channels)
        hidden = int(channels * mlp_ratio)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, depth, height, width, channels) to the same."""
        shape = tokens.shape[1:4]
        sides = unit_sides(shape, self.unit)
        units = cut(self.attention_norm(tokens), sides, dilated=self.dilated)
        tokens = tokens + join(self._attend(units), shape, sides, dilated=self.dilated)
        return tokens + self.perceptron(tokens)  # type: ignore[no-any-return]

    def _attend(self, units: torch.Tensor) -> torch.Tensor:
        split = self.queries_keys_values(units).unflatten(-1, (3, self.heads, -1))
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(queries, keys, values)
        projected: torch.Tensor = self.projection(seen.transpose(1, 2).flatten(2))
        return projected


class Stage(nn.Module):
    """A D-Former block: position, then modules of local and of global scope by turns."""

    def __init__(
        self,
        channels: int,
        depth: int,
        heads: int,
        unit: Sequence[int],
        mlp_ratio: float,
        *,
        use_checkpoint: bool,
    ) -> None:
        super().__init__()
        self.use_checkpoint = use_checkpoint
        self.position = PositionEncoding(channels)
        self.scopes = nn.ModuleList(
            ScopeModule(channels, heads, unit, mlp_ratio, dilated=number % 2 == 1) for number in range(depth)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, depth, height, width, channels) to the same."""
        tokens = self.position(tokens)
        for scope in self.scopes:
            if self.use_checkpoint and torch.is_grad_enabled():
                tokens = checkpoint(scope, tokens, use_reentrant=False)
            else:
                tokens = scope(tokens)
        return tokens


class PatchMerging(nn.Module):
    """Halves each side and doubles the channels: eight neighbours become one token."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8 * channels)
        self.reduction = nn.Linear(8 * channels, 2 * channels, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, depth, height, width, channels) to (batch, depth/2, height/2, width/2, 2 * channels)."""
        _, depth, height, width, channels = tokens.shape
        halves = (depth // 2, height // 2, width // 2)
        neighbours = cut(tokens, (2, 2, 2), dilated=False).reshape(-1, *halves, 8 * channels)
        merged: torch.Tensor = self.reduction(self.norm(neighbours))
        return merged


class PatchExpanding(nn.Module):
    """Makes a block of tokens of each one, with other channels."""

    def __init__(self, channels: int, block: Sides, to_channels: int) -> None:
        super().__init__()
        self.block = block
        self.expansion = nn.Linear(channels, block[0] * block[1] * block[2] * to_channels, bias=False)
        self.norm = nn.LayerNorm(to_channels)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, depth, height, width, channels) to the same with sides as many times longer as the
        block."""
        shape = [side * times for side, times in zip(tokens.shape[1:4], self.block, strict=True)]
        blocks = self.expansion(tokens).unflatten(-1, (-1, self.norm.normalized_shape[0]))
        expanded: torch.Tensor = self.norm(join(blocks, shape, self.block, dilated=False))
        return expanded


class SegNetwork(nn.Module):
    """Encoder and decoder of a stage for each entry of depths; the last stage is the bottleneck.

    A volume's sides must be multiples of `divisor`, by default 16, 32 and 32.
    """

    def __init__(
        self,
        num_classes: int,
        in_chan: int = 1,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        patch_size: Sequence[int] = (2, 4, 4),
        group_size: Sequence[int] = (2, 8, 8),
        mlp_ratio: float = 4.0,
        use_checkpoint: bool = False,
    ) -> None:
        """The network with random weights.

        Args:
            num_classes: channels of the logits.
            in_chan: channels of the volumes.
            embed_dim: channels of the first stage's tokens; they double from stage to stage.
            depths: modules of each stage, local and global by turns.
            num_heads: heads of each stage's attention; each must divide its channels.
            patch_size: voxels of a token along depth, height and width.
            group_size: tokens of a unit along each axis, at most.
            mlp_ratio: hidden channels of the perceptrons, as a multiple of the stage's.
            use_checkpoint: compute activations of the modules again in the backward pass.

        Raises:
            ValueError: depths and num_heads differ in length, or heads do not divide the channels.
        """
        super().__init__()
        channels = [embed_dim * 2**stage for stage in range(len(depths))]
        if len(depths) != len(num_heads):
            raise ValueError("depths and num_heads must be of the same length")
        if any(width % heads for width, heads in zip(channels, num_heads, strict=True)):
            raise ValueError(f"num_heads {list(num_heads)} must divide the channels {channels}")
        if len(patch_size) != 3 or len(group_size) != 3:
            raise ValueError("patch_size and group_size are three numbers each")
        depth, height, width = patch_size
        block = (depth, height, width)
        self.divisor = tuple(side * 2 ** (len(depths) - 1) for side in block)
        self.embedding = nn.Conv3d(in_chan, embed_dim, kernel_size=block, stride=block)
        self.embedding_norm = nn.LayerNorm(embed_dim)

        def stage(number: int) -> Stage:
            return Stage(
                channels[number],
                depths[number],
                num_heads[number],
                group_size,
                mlp_ratio,
                use_checkpoint=use_checkpoint,
            )

        self.encoder = nn.ModuleList(stage(number) for number in range(len(depths)))
        self.merging = nn.ModuleList(PatchMerging(width) for width in channels[:-1])
        # of the decoder from the shallow end to the deep one, as in the encoder
        self.expanding = nn.ModuleList(
            PatchExpanding(deep, (2, 2, 2), shallow) for shallow, deep in pairwise(channels)
        )
        self.fusion = nn.ModuleList(nn.Linear(2 * width, width) for width in channels[:-1])
        self.decoder = nn.ModuleList(stage(number) for number in range(len(depths) - 1))
        self.to_voxels = PatchExpanding(embed_dim, block, embed_dim)
        self.head = nn.Linear(embed_dim, num_classes)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Logits, (batch, num_classes, depth, height, width), of volumes, (batch, in_chan, depth, height,
        width).

        Raises:
            ValueError: a side is no multiple of the divisor.
        """
        shape = tuple(volumes.shape[2:])
        if any(side % divisor for side, divisor in zip(shape, self.divisor, strict=True)):
            raise ValueError(f"sides {shape} must be multiples of {self.divisor}")
        tokens: torch.Tensor = self.embedding_norm(self.embedding(volumes).movedim(1, -1))
        skipped = []
        for stage, merge in zip(self.encoder[:-1], self.merging, strict=True):
            tokens = stage(tokens)
            skipped.append(tokens)
            tokens = merge(tokens)
        tokens = self.encoder[-1](tokens)
        for number in reversed(range(len(skipped))):
            tokens = torch.cat([self.expanding[number](tokens), skipped[number]], dim=-1)
            tokens = self.decoder[number](self.fusion[number](tokens))
        logits: torch.Tensor = self.head(self.to_voxels(tokens))
        return logits.movedim(-1, 1)
