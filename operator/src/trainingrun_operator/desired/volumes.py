"""Volumes of a training pod and where they are mounted."""

from typing import Any

from trainingrun_api import TrainingRunSpec, names
from trainingrun_operator.desired.pvc import claim_name
from trainingrun_operator.observed import Run

CONFIG_VOLUME, CHECKPOINTS_VOLUME, SCRATCH_VOLUME, MEMORY_VOLUME = (
    "config",
    "checkpoints",
    "scratch",
    "shared-memory",
)

Volumes = tuple[list[dict[str, Any]], list[dict[str, Any]]]
"""Volumes and volumeMounts."""


def volumes(run: Run, spec: TrainingRunSpec) -> Volumes:
    """Scratch space, shared memory, the config, the checkpoints and the user's claims."""
    found: list[dict[str, Any]] = [
        {"name": SCRATCH_VOLUME, "emptyDir": {}},
        {
            "name": MEMORY_VOLUME,
            "emptyDir": {"medium": "Memory", "sizeLimit": spec.resources.shared_memory},
        },
    ]
    mounts: list[dict[str, Any]] = [
        {"name": SCRATCH_VOLUME, "mountPath": names.SCRATCH_DIR},
        {"name": MEMORY_VOLUME, "mountPath": names.SHARED_MEMORY_DIR},
    ]
    if spec.training is not None:
        found.append({"name": CONFIG_VOLUME, "downwardAPI": {"items": [_config_file()]}})
        mounts.append({"name": CONFIG_VOLUME, "mountPath": names.CONFIG_DIR, "readOnly": True})
    # A claim is one volume however often it is mounted, for data and for checkpoints too: with a volume for
    # each mount, the kubelet waits for ever.
    claims: dict[str, str] = {}
    if claim := claim_name(run, spec):
        claims[claim] = CHECKPOINTS_VOLUME
        mounts.append({"name": CHECKPOINTS_VOLUME, "mountPath": names.CHECKPOINTS_DIR})
    others = dict.fromkeys(volume.claim for volume in spec.volumes or () if volume.claim not in claims)
    claims |= {claim: f"claim-{number}" for number, claim in enumerate(others)}
    found.extend(_claim(name, claim) for claim, name in claims.items())
    for volume in spec.volumes or ():
        mount: dict[str, Any] = {"name": claims[volume.claim], "mountPath": volume.mount_path}
        if volume.sub_path:
            mount["subPath"] = volume.sub_path
        if volume.read_only:
            mount["readOnly"] = True
        mounts.append(mount)
    return found, mounts


def _claim(name: str, claim: str) -> dict[str, Any]:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim}}


def _config_file() -> dict[str, Any]:
    return {
        "path": names.CONFIG_FILE.removeprefix(f"{names.CONFIG_DIR}/"),
        "fieldRef": {"fieldPath": f"metadata.annotations['{names.CONFIG_ANNOTATION}']"},
    }
