"""Which claims a pod names as volumes, and where each is mounted."""

from typing import Any

import pytest

from tests.unit.operator.builders import COMMAND, NAME, run
from trainingrun_api import TrainingRunSpec, names
from trainingrun_operator.desired.volumes import volumes

DATA = {"claim": "team", "mountPath": "/data", "subPath": "xray", "readOnly": True}


@pytest.mark.parametrize(
    ("more", "mounted"),
    [
        ({}, []),
        ({"volumes": [DATA]}, [("team", "/data")]),
        ({"checkpoints": {"claim": "team"}}, [("team", names.CHECKPOINTS_DIR)]),
        (
            {"checkpoints": {"claim": "team"}, "volumes": [DATA]},
            [("team", names.CHECKPOINTS_DIR), ("team", "/data")],
        ),
        (
            {"checkpoints": {"size": "1Gi"}, "volumes": [{**DATA, "claim": f"{NAME}-checkpoints"}]},
            [(f"{NAME}-checkpoints", names.CHECKPOINTS_DIR), (f"{NAME}-checkpoints", "/data")],
        ),
        (
            {
                "checkpoints": {"claim": "results"},
                "volumes": [DATA, {**DATA, "mountPath": "/labels"}, {"claim": "other", "mountPath": "/w"}],
            },
            [("results", names.CHECKPOINTS_DIR), ("team", "/data"), ("team", "/labels"), ("other", "/w")],
        ),
    ],
)
def test_each_claim_is_one_volume_however_often_it_is_mounted(
    more: dict[str, Any], mounted: list[tuple[str, str]]
) -> None:
    spec = {**COMMAND, **more}
    found, mounts = volumes(run(spec), TrainingRunSpec.model_validate(spec))
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in found
        if "persistentVolumeClaim" in volume
    }
    assert sorted(claims.values()) == sorted({claim for claim, _ in mounted})
    places = [(claims[mount["name"]], mount["mountPath"]) for mount in mounts if mount["name"] in claims]
    assert places == mounted
