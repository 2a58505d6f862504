"""Where the paths of a run's pods lie on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from trainingrun_api import TrainingConfig, TrainingRunSpec, names
from trainingrun_client.errors import InputError

FIELDS = (("data", "path"), ("model", "weights"), ("model", "encoderWeights"))
"""Of spec.training, those that hold a path inside the pods."""
OPTION = "--data"


@dataclass(frozen=True, slots=True)
class _Mount:
    claim: str
    path: PurePosixPath
    sub_path: str


def on_this_machine(
    spec: TrainingRunSpec, run: str, directories: Mapping[str, Path]
) -> tuple[TrainingConfig, list[str]]:
    """The training config with the paths of this machine, and what somebody should know of it.

    Args:
        spec: of a run.
        run: its name.
        directories: which directory stands for which claim. A path whose claim has none is used as it is,
            where it is here.

    Raises InputError, which names the path, its claim, and the option that is missing or wrong; and for a
    run of another program than the built-in trainer.
    """
    if spec.training is None or spec.image:
        raise InputError(
            "this machine runs the built-in trainer alone: spec.image and spec.command need a cluster"
        )
    mounts = _mounts(spec, run)
    if unknown := directories.keys() - {mount.claim for mount in mounts}:
        known = ", ".join(sorted({mount.claim for mount in mounts})) or "none"
        raise InputError(f"{OPTION} {min(unknown)}=...: the run mounts no such claim; its claims: {known}")
    wire: dict[str, Any] = spec.training.to_wire()
    for part, name in FIELDS:
        if path := wire[part].get(name):
            field = f"training.{part}.{name}"
            wire[part] = {**wire[part], name: str(_place(field, PurePosixPath(path), mounts, directories))}
    said = []
    if wire["database"].pop("secretName", None):
        said.append("training.database.secretName is a Secret of the cluster: the tables go into run.db")
    try:
        return TrainingConfig.model_validate(wire), said
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise InputError(f"{problem['input']}: {problem['msg']}") from error


def _mounts(spec: TrainingRunSpec, run: str) -> list[_Mount]:
    """The longest paths first: a volume may be mounted below another one."""
    found = [
        _Mount(each.claim, PurePosixPath(each.mount_path), each.sub_path or "") for each in spec.volumes or ()
    ]
    if spec.checkpoints is not None:
        claim = spec.checkpoints.claim or names.checkpoint_claim_name(run)
        found.append(_Mount(claim, PurePosixPath(names.CHECKPOINTS_DIR), ""))
    return sorted(found, key=lambda mount: -len(mount.path.parts))


def _place(
    field: str, path: PurePosixPath, mounts: list[_Mount], directories: Mapping[str, Path]
) -> Path | PurePosixPath:
    mount = next((each for each in mounts if path.is_relative_to(each.path)), None)
    if mount is None or mount.claim not in directories:
        if Path(path).exists():
            return path
        where = (
            f"it lies in the claim {mount.claim}: give the directory that stands for it, "
            f"{OPTION} {mount.claim}=DIR"
            if mount
            else "it is in no volume of the run: mount the claim that holds it"
        )
        raise InputError(f"{field} {path} is not on this machine; {where}")
    directory = directories[mount.claim].expanduser().absolute()
    if not directory.is_dir():
        raise InputError(f"{OPTION} {mount.claim}={directories[mount.claim]} is no directory")
    below = PurePosixPath(mount.sub_path) / path.relative_to(mount.path)
    place = directory / below
    if not place.exists():
        raise InputError(
            f"{OPTION} {mount.claim}={directories[mount.claim]} holds no {below}, which {field} {path} names"
        )
    return place
