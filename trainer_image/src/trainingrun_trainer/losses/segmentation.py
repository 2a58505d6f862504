"""The losses of segmentation, of images and volumes alike.

Written by hand where segmentation-models-pytorch has them too: its Dice and IoU add up over a batch, so that
the loss of an image would depend on those beside it, and its Focal waits for the GPU in every step.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from trainingrun_api.training import LossConfig
from trainingrun_trainer.data.labels import IGNORED
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.losses import choose, outputs

LEAST = 1e-7
"""Least denominator of dice and iou, for smooth = 0, and least 1 - p of focal, whose power has no slope at 0
where gamma is below 1."""


class SegmentationLoss(nn.Module):
    """Loss of each sample, and what the logits say.

    Two classes have one logit, that of the second class (the foreground), unless the loss is cross-entropy;
    more have one logit each.
    """

    weights: torch.Tensor

    def __init__(self, config: LossConfig, weights: Sequence[float]) -> None:
        """The loss of a config with the weight of each class.

        Raises:
            BadConfig: the loss does not go with so many classes, or has no use for weights.
        """
        super().__init__()
        self.name = choose(config, len(weights))
        self.outputs = outputs(self.name, len(weights))
        if self.outputs == 1 and self.name in ("dice", "iou") and len(set(weights)) > 1:
            raise BadConfig(
                f"loss.name {self.name} measures the foreground alone where there are two classes: class "
                "weights would change nothing",
                "Remove loss.classWeights and loss.classWeightValues, or set loss.name to combined.",
            )
        self._config = config
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32), persistent=False)

    def forward(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Losses, (batch,), in single precision.

        Args:
            logits: (batch, outputs, height, width) or (batch, outputs, depth, height, width).
            masks: class of each pixel or voxel, (batch, height, width) or (batch, depth, height, width).
        """
        return self._loss(self.name)(logits.flatten(2).float(), masks.flatten(1))

    def _loss(self, name: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        losses = {
            "bce-with-logits": self._cross_entropy,
            "cross-entropy": self._cross_entropy,
            "dice": self._dice,
            "focal": self._focal,
            "iou": self._iou,
            "combined": self._combined,
        }
        return losses[name]

    def _cross_entropy(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Mean over the pixels that count of the cross-entropy times the weight of the pixel's class."""
        return self._mean(self._entropies(logits, masks), masks)

    def _focal(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Mean over the pixels that count of -a (1 - p)^gamma log p, p being the probability of the right
        class and a the weight of the class, times alpha or 1 - alpha where there is one logit.

        Source: Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002, equation 5.
        """
        entropies = self._entropies(logits, masks, weighted=False)
        losses = entropies * (1 - (-entropies).exp()).clamp(min=LEAST) ** self._config.focal_gamma
        if self.outputs == 1:
            alpha = self._config.focal_alpha
            losses = losses * torch.where(masks == 1, alpha, 1 - alpha)
        return self._mean(losses * self._weights_of(masks), masks)

    def _dice(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """1 - (2 |A B| + s) / (|A| + |B| + s), sizes being sums of probabilities, as weighted mean over the
        classes; of the foreground alone where there is one logit.

        Source: Milletari et al., V-Net, arXiv:1606.04797, without its squares.
        """
        both, predicted, true = self._overlaps(logits, masks)
        return self._mean_over_classes(self._distance(2 * both, predicted + true))

    def _iou(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """1 - (|A B| + s) / (|A or B| + s), else as dice.

        Source: Rahman and Wang, Optimizing Intersection-Over-Union in Deep Neural Networks for Image
        Segmentation, ISVC 2016.
        """
        both, predicted, true = self._overlaps(logits, masks)
        return self._mean_over_classes(self._distance(both, predicted + true - both))

    def _combined(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Weighted sum of dice, cross-entropy and focal."""
        parts: Mapping[str, float] = {
            "dice": self._config.dice_weight,
            "cross-entropy": self._config.bce_weight,
            "focal": self._config.focal_weight,
        }
        losses = [weight * self._loss(name)(logits, masks) for name, weight in parts.items() if weight]
        return torch.stack(losses).sum(dim=0)

    def _entropies(self, logits: torch.Tensor, masks: torch.Tensor, *, weighted: bool = True) -> torch.Tensor:
        """Cross-entropy of each pixel, (batch, pixels); what it says of ignored pixels means nothing."""
        if self.outputs == 1:
            losses = functional.binary_cross_entropy_with_logits(
                logits.squeeze(1), (masks == 1).to(logits.dtype), reduction="none"
            )
        else:
            losses = functional.cross_entropy(logits, masks, ignore_index=IGNORED, reduction="none")
        return losses * self._weights_of(masks) if weighted else losses

    def _weights_of(self, masks: torch.Tensor) -> torch.Tensor:
        return self.weights[masks.where(masks != IGNORED, 0)]

    def _mean(self, losses: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Mean over the pixels of each sample that count; 0 where none does."""
        counts = masks != IGNORED
        return losses.where(counts, 0.0).sum(dim=1) / counts.sum(dim=1).clamp(min=1)

    def _overlaps(
        self, logits: torch.Tensor, masks: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Sizes of what is found and right, found, and right of each class, (batch, classes or 1)."""
        counts = (masks != IGNORED).unsqueeze(1)
        if self.outputs == 1:
            found = logits.sigmoid()
            right = (masks == 1).unsqueeze(1)
        else:
            found = logits.softmax(dim=1)
            # of a byte each: one_hot would take 8, which for whole volumes are gigabytes
            right = masks.unsqueeze(1) == torch.arange(self.outputs, device=masks.device).view(1, -1, 1)
        found = found * counts
        return (found * right).sum(dim=2), found.sum(dim=2), right.sum(dim=2)

    def _distance(self, part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        smooth = self._config.smooth
        return 1 - (part + smooth) / (whole + smooth).clamp(min=LEAST)

    def _mean_over_classes(self, losses: torch.Tensor) -> torch.Tensor:
        if self.outputs == 1:
            return losses.squeeze(1)
        return (losses * self.weights).sum(dim=1) / self.weights.sum()

    def classes(self, logits: torch.Tensor) -> torch.Tensor:
        """The most probable class of each pixel or voxel, as int64 of the masks' shape."""
        return (logits.squeeze(1) > 0).long() if self.outputs == 1 else logits.argmax(dim=1)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Probability of each class, (batch, classes, ...), in single precision."""
        if self.outputs == 1:
            foreground = logits.float().sigmoid()
            return torch.cat([1 - foreground, foreground], dim=1)
        return logits.float().softmax(dim=1)
