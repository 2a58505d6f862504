"""How well boundaries are found: on the device, for images and volumes.

Source: Csurka, Larlus and Perronnin, What is a good evaluation measure for semantic segmentation?, BMVC 2013,
section 3.2, which measures each image by itself, as here.
"""

import torch
from torch.nn import functional

FAR = float("inf")


def boundary_f1(found: torch.Tensor, true: torch.Tensor, tolerance: float) -> torch.Tensor:
    """F1 of boundaries in each sample; NaN where neither has a boundary.

    Precision is the share of the found boundary that has true boundary at most `tolerance` away, recall the
    share of the true boundary that has found boundary so near. Distances are Euclidean, from pixel to pixel.

    Args:
        found: which pixels are found to be of a class, bool, (batch, height, width) or
            (batch, depth, height, width).
        true: which are, alike.
        tolerance: distance in pixels or voxels.

    Returns:
        float64, (batch,).
    """
    found, true = edges(found), edges(true)
    hits = _counted(found & near(true, tolerance)), _counted(true & near(found, tolerance))
    wholes = _counted(found), _counted(true)
    precision, recall = (part / whole.clamp(min=1) for part, whole in zip(hits, wholes, strict=True))
    f1 = 2 * precision * recall / (precision + recall).clamp(min=torch.finfo(torch.float64).tiny)
    return f1.where(wholes[0] + wholes[1] > 0, torch.nan)


def edges(regions: torch.Tensor) -> torch.Tensor:
    """Pixels of each region, (batch, ...), with a direct neighbour that is not of it. Beyond the image there
    is nothing: a region that is cut off by the image's border has its boundary there."""
    inside = regions
    for axis in range(1, regions.ndim):
        padded = _padded(regions, axis, 1, 0.0)
        size = regions.shape[axis]
        inside = inside & (padded.narrow(axis, 0, size) > 0) & (padded.narrow(axis, 2, size) > 0)
    return regions & ~inside


def near(points: torch.Tensor, tolerance: float) -> torch.Tensor:
    """What lies at most a Euclidean distance from some point of its sample, (batch, ...).

    A squared distance is a sum over the axes, so its least value is found one axis after the other: each time
    the least of what stands some steps aside plus the square of the steps. No more steps than the tolerance
    are looked at. Source: Felzenszwalb and Huttenlocher, Distance Transforms of Sampled Functions, Theory of
    Computing 8 (2012).
    """
    steps = int(tolerance)
    distance = torch.zeros(points.shape, device=points.device).masked_fill(~points, FAR)
    for axis in range(1, points.ndim):
        padded = _padded(distance, axis, steps, FAR)
        size = points.shape[axis]
        for step in range(-steps, steps + 1):
            torch.minimum(distance, padded.narrow(axis, steps + step, size) + step**2, out=distance)
    return distance <= tolerance**2


def _padded(values: torch.Tensor, axis: int, width: int, value: float) -> torch.Tensor:
    sides = [0, 0] * (values.ndim - 1 - axis) + [width, width]
    return functional.pad(values.float(), sides, value=value)


def _counted(points: torch.Tensor) -> torch.Tensor:
    return points.flatten(1).sum(dim=1).double()
