"""The helper pod: what it may do, where it goes, and what is told of it where it does not start."""

from typing import Any

import pytest

from trainingrun_client.files.claims import mounting
from trainingrun_client.files.helper_pod import Mount, manifest, standing
from trainingrun_client.files.placing import Placement

Object = dict[str, Any]


@pytest.mark.parametrize("writable", [True, False])
def test_the_pod_may_do_nothing_but_its_work(writable: bool) -> None:
    pod = manifest("p", Mount("n", "c", writable), Placement("image"))
    spec, (container,) = pod["spec"], pod["spec"]["containers"]
    assert container["volumeMounts"][0]["readOnly"] is not writable
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["automountServiceAccountToken"] is False
    assert spec["restartPolicy"] == "Never"
    assert {"affinity", "nodeSelector", "tolerations", "imagePullSecrets"}.isdisjoint(spec)
    assert all(container["resources"][kind] for kind in ("requests", "limits"))
    assert not any(label.startswith("trainingrun.dev/") for label in pod["metadata"]["labels"]), (
        "the operator would take it for its own"
    )


def test_the_pod_goes_where_the_others_are() -> None:
    toleration = {"key": "gpu", "operator": "Exists"}
    placement = Placement("image", ({"name": "s"},), {"zone": "a"}, (toleration,), "node-1")
    spec = manifest("p", Mount("n", "c", False), placement)["spec"]
    assert spec["nodeSelector"] == {"zone": "a"}
    assert spec["tolerations"] == [toleration]
    assert spec["imagePullSecrets"] == [{"name": "s"}]
    assert "nodeName" not in spec
    (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({}, ""),
        ({"conditions": [{"type": "PodScheduled", "status": "True", "message": "fine"}]}, ""),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2"}
                ]
            },
            "Unschedulable: 0/2",
        ),
        (
            {
                "containerStatuses": [
                    {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
                ]
            },
            "ImagePullBackOff: no such image",
        ),
        (
            {"reason": "Evicted", "message": "disk", "containerStatuses": [{"state": {"running": {}}}]},
            "Evicted: disk",
        ),
    ],
)
def test_why_it_does_not_run_is_told(status: Object, words: str) -> None:
    assert standing({"status": status}) == words


def pod(name: str, claim: str, node: str | None = "n1", phase: str = "Running") -> Object:
    spec: Object = {"volumes": [{"emptyDir": {}}, {"persistentVolumeClaim": {"claimName": claim}}]}
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("pods", "found"),
    [
        ([], None),
        ([pod("a", "other")], None),
        ([pod("a", "c", node=None, phase="Pending")], None),
        ([pod("a", "c", phase="Succeeded"), pod("b", "c")], "b"),
        ([pod("a", "c", phase="Pending")], "a"),
    ],
)
def test_a_claim_of_one_node_is_where_a_pod_holds_it(pods: list[Object], found: str | None) -> None:
    user = mounting(pods, "c")
    assert (user and user["metadata"]["name"]) == found
