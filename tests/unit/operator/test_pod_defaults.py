"""What runs leave open is an administrator's to say; what they say counts."""

from typing import Any

import pytest

from trainingrun_api import TrainingRunSpec
from trainingrun_operator.pod_defaults import PodDefaults

GPU_TAINT = {"key": "nvidia.com/gpu", "operator": "Exists"}
TEAM_TAINT = {"key": "team", "value": "vision"}
GIVEN: dict[str, Any] = {
    "nodeSelector": {"pool": "gpu", "zone": "a"},
    "tolerations": [GPU_TAINT],
    "priorityClassName": "batch",
    "imagePullSecrets": ["registry"],
    "labels": {"cost": "ml"},
    "annotations": {"sidecar.istio.io/inject": "false"},
    "env": [{"name": "NCCL_SOCKET_IFNAME", "value": "eth0"}],
}


def spec(pod: dict[str, Any] | None = None, env: list[dict[str, str]] | None = None) -> TrainingRunSpec:
    found = {"command": ["true"], "image": "example/x:1", "pod": pod or {}, "env": env}
    return TrainingRunSpec.model_validate(found)


@pytest.mark.parametrize(
    ("pod", "field", "expected"),
    [
        ({}, "nodeSelector", {"pool": "gpu", "zone": "a"}),
        ({"nodeSelector": {"zone": "b", "a": "c"}}, "nodeSelector", {"pool": "gpu", "zone": "b", "a": "c"}),
        ({}, "tolerations", [GPU_TAINT]),
        ({"tolerations": [TEAM_TAINT]}, "tolerations", [GPU_TAINT, {**TEAM_TAINT, "operator": "Equal"}]),
        ({"tolerations": [GPU_TAINT]}, "tolerations", [GPU_TAINT]),
        ({}, "priorityClassName", "batch"),
        ({"priorityClassName": "urgent"}, "priorityClassName", "urgent"),
        ({"imagePullSecrets": ["mine"]}, "imagePullSecrets", ["registry", "mine"]),
        ({"labels": {"cost": "own", "a": "b"}}, "labels", {"cost": "own", "a": "b"}),
        ({}, "annotations", {"sidecar.istio.io/inject": "false"}),
        ({"terminationGracePeriodSeconds": 7}, "terminationGracePeriodSeconds", 7),
    ],
)  # fmt: skip
def test_the_run_s_word_counts(pod: dict[str, Any], field: str, expected: object) -> None:
    completed = PodDefaults.model_validate(GIVEN).applied(spec(pod))
    assert completed.to_wire()["pod"][field] == expected


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (None, {"NCCL_SOCKET_IFNAME": "eth0"}),
        ([{"name": "A", "value": "b"}], {"NCCL_SOCKET_IFNAME": "eth0", "A": "b"}),
        ([{"name": "NCCL_SOCKET_IFNAME", "value": "ib0"}], {"NCCL_SOCKET_IFNAME": "ib0"}),
    ],
)
def test_a_variable_is_given_once(env: list[dict[str, str]] | None, expected: dict[str, str]) -> None:
    completed = PodDefaults.model_validate(GIVEN).applied(spec(env=env))
    assert [(one.name, one.value) for one in completed.env or ()] == list(expected.items())


def test_without_defaults_nothing_changes() -> None:
    given = spec({"labels": {"a": "b"}}, [{"name": "A", "value": "b"}])
    assert PodDefaults().applied(given) == given
