"""What a test's Prometheus is told of pods and services."""

from typing import Any

import pytest

from tests.helpers.discovery import META, named, pod_targets, service_targets

Object = dict[str, Any]


def pod(name: str = "p", ip: str = "10.0.0.1", ports: tuple[Object, ...] = ()) -> Object:
    return {
        "metadata": {"namespace": "ns", "name": name, "labels": {"a.b/c": "d"}, "annotations": {"e": "f"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "ports": [*ports]}]},
        "status": {"phase": "Running", "podIP": ip},
    }


def test_a_pod_is_a_target_for_each_of_its_ports() -> None:
    found = pod_targets([pod(ports=({"name": "m", "containerPort": 1}, {"containerPort": 2}))])
    assert [target["targets"] for target in found] == [["10.0.0.1:1"], ["10.0.0.1:2"]]
    assert found[0]["labels"] == {
        f"{META}namespace": "ns",
        f"{META}pod_name": "p",
        f"{META}pod_node_name": "n1",
        f"{META}pod_phase": "Running",
        f"{META}pod_container_name": "c",
        f"{META}pod_container_port_name": "m",
        f"{META}pod_container_port_number": "1",
        **named("pod_label", {"a.b/c": "d"}),
        **named("pod_annotation", {"e": "f"}),
    }


@pytest.mark.parametrize("without", [pod(ip="", ports=({"containerPort": 1},)), pod()])
def test_a_pod_without_an_address_or_a_port_is_none(without: Object) -> None:
    assert pod_targets([without]) == []


def test_labels_are_told_with_their_value_and_that_they_are_there() -> None:
    assert named("pod_label", {"a.b/c-d": ""}) == {
        f"{META}pod_label_a_b_c_d": "",
        f"{META}pod_labelpresent_a_b_c_d": "true",
    }


def test_a_service_is_a_target_for_each_ready_address_and_told_with_its_pod() -> None:
    meta = {"namespace": "ns", "name": "s"}
    addresses = [{"ip": "10.0.0.1", "targetRef": {"name": "p"}}, {"ip": "10.0.0.2"}]
    endpoints = {
        "metadata": meta,
        "subsets": [
            {
                "addresses": addresses,
                "notReadyAddresses": [{"ip": "10.0.0.3"}],
                "ports": [{"name": "m", "port": 1}],
            }
        ],
    }
    orphan = {**endpoints, "metadata": {"namespace": "ns", "name": "without a service"}}
    found = service_targets([{"metadata": {**meta, "labels": {"app": "x"}}}], [endpoints, orphan], [pod()])
    assert [target["targets"] for target in found] == [["10.0.0.1:1"], ["10.0.0.2:1"]]
    for target, pod_name in zip(found, ("p", None), strict=True):
        labels = target["labels"]
        assert labels[f"{META}service_name"] == "s"
        assert labels[f"{META}service_label_app"] == "x"
        assert labels[f"{META}endpoint_port_name"] == "m"
        assert labels.get(f"{META}pod_name") == pod_name
