"""Whether two runs left the same: weights, optimizer, learning rates and metrics, times apart."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

CHECKPOINTS = ("checkpoints/best_model.pt", "checkpoints/best.ckpt", "checkpoints/last.ckpt")
RECORDS = ("metrics.json", "results.json")
FILES = (*CHECKPOINTS, *RECORDS)
TIMES = {"time", "seconds", "samples_per_second", "training_time", "run_id"}
"""What two equal runs may differ in."""
PARTS = ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step")
"""What must be equal in a checkpoint; the rest holds paths and times."""


def differences(reference: Path, directory: Path) -> list[str]:
    """What a run's directory has otherwise than the reference's; each a short sentence."""
    if missing := [name for name in FILES if not (directory / name).exists()]:
        return [f"{name} is missing" for name in missing]
    return [*_in_checkpoints(reference, directory), *_in_records(reference, directory)]


def _in_checkpoints(reference: Path, directory: Path) -> Iterator[str]:
    for name in CHECKPOINTS:
        one, other = (_load(folder / name) for folder in (reference, directory))
        if name.endswith(".ckpt"):
            one, other = ({part: found.get(part) for part in PARTS} for found in (one, other))
        unequal = list(_unequal(one, other, ""))
        if unequal:
            yield f"{name}: {len(unequal)} values differ, the first is {unequal[0]}"


def _load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found


def _unequal(one: Any, other: Any, place: str) -> Iterator[str]:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if not torch.equal(one, other):
            yield place
    elif isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from _unequal(one[key], other[key], f"{place}/{key}")
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _unequal(*pair, f"{place}/{number}")
    elif one != other:
        yield f"{place} ({one!r} became {other!r})"


def _in_records(reference: Path, directory: Path) -> Iterator[str]:
    for name in RECORDS:
        one, other = (
            _without_times(json.loads((folder / name).read_text())) for folder in (reference, directory)
        )
        unequal = list(_unequal(one, other, ""))
        if unequal:
            yield f"{name}: {len(unequal)} values differ, the first is {unequal[0]}"


def _without_times(content: Any) -> Any:
    match content:
        case dict():
            return {key: _without_times(value) for key, value in content.items() if key not in TIMES}
        case list():
            return [_without_times(value) for value in content]
        case _:
            return content
