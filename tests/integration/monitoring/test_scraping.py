"""What Prometheus makes of pods by the chart's own monitors: whom it asks, and what it calls the answers.

The pods are made up; the relabelings are carried out by Prometheus itself.
"""

from pathlib import Path

import pytest

from tests.cluster.api import UnsupportedMachineError
from tests.cluster.shell import wait_until
from tests.helpers.helm import NAMESPACE, objects
from tests.helpers.monitors import Access, Object, scrape_configs
from tests.helpers.prometheus import Prometheus, serving
from trainingrun_api import names

THROUGH = Access(Path("/kubeconfig"), "http://127.0.0.1:9", {})
PODS = f"{THROUGH.server}/api/v1/namespaces"
META = "__meta_kubernetes_"
IP = "10.1.2.3"


def told(what: str, found: dict[str, str]) -> dict[str, str]:
    """Labels or annotations of an object as discovery tells them; `what` is such as pod_label."""
    meta: dict[str, str] = {}
    for name, value in found.items():
        clean = "".join(letter if letter.isalnum() else "_" for letter in name)
        meta |= {f"{META}{what}_{clean}": value, f"{META}{what}present_{clean}": "true"}
    return meta


TRAINER = {names.CONFIG_ANNOTATION: "{}"}
"""Of a pod with the built-in trainer."""
SCRAPED = {"prometheus.io/scrape": "true"}
"""Of another program that serves the same."""


def pod(
    name: str, index: int = 0, phase: str = "Running", run: str = "digits", annotations: Object = TRAINER
) -> dict[str, str]:
    """A pod of a run in its second attempt."""
    of_run = {names.RUN_LABEL: run, names.UID_LABEL: "u", names.ATTEMPT_LABEL: "2"} if run else {}
    return {
        f"{META}namespace": "ml",
        f"{META}pod_name": name,
        f"{META}pod_node_name": f"node-{index}",
        f"{META}pod_ip": IP,
        f"{META}pod_phase": phase,
        f"{META}pod_container_name": names.CONTAINER_NAME,
        **told("pod_label", {**of_run, names.COMPLETION_INDEX_LABEL: str(index)}),
        **told("pod_annotation", annotations),
    }


def port(of: dict[str, str], name: str, number: int) -> Object:
    """One port of a pod, which discovery tells apart."""
    told = {f"{META}pod_container_port_name": name, f"{META}pod_container_port_number": str(number)}
    return {"targets": [f"{IP}:{number}"], "labels": {**of, **told}}


def ports(of: dict[str, str]) -> list[Object]:
    """Both of a training pod."""
    return [
        port(of, names.METRICS_PORT_NAME, names.METRICS_PORT),
        port(of, names.HEARTBEATS_PORT_NAME, names.HEARTBEATS_PORT),
    ]


TRAINERS = [
    *ports(pod("digits-2-0-x", 0)),
    *ports(pod("digits-2-1-y", 1)),
    *ports(pod("digits-1-0-z", 0, phase="Succeeded")),
    *ports(pod("own-program-2-1-x", 1, run="own-program", annotations=SCRAPED)),
    *ports(pod("untold-2-0-x", 0, run="untold", annotations={})),
    *ports(pod("web-0", run="")),
]
OPERATOR = {
    f"{META}namespace": NAMESPACE,
    f"{META}service_name": "trainingrun-operator",
    f"{META}endpoint_port_name": "metrics",
    f"{META}pod_name": "trainingrun-operator-x",
    f"{META}pod_container_name": "operator",
    f"{META}pod_phase": "Running",
    **told(
        "service_label",
        {
            "app.kubernetes.io/name": "trainingrun-operator",
            "app.kubernetes.io/instance": "trainingrun-operator",
        },
    ),
}
SERVICES = [
    {"targets": [f"{IP}:8000"], "labels": OPERATOR},
    {"targets": [f"{IP}:8080"], "labels": {**OPERATOR, f"{META}endpoint_port_name": "health"}},
    {
        "targets": [f"{IP}:8000"],
        "labels": {**OPERATOR, **told("service_label", {"app.kubernetes.io/name": "other"})},
    },
]


def monitors(*settings: str) -> list[Object]:
    """The rendered ones."""
    found = objects("serviceMonitor.enabled=true", "podMonitor.enabled=true", *settings)
    return [document for document in found if document["kind"].endswith("Monitor")]


def targets(folder: Path, kind: str, discovered: list[Object]) -> dict[str, dict[str, str]]:
    """Labels by address, of the targets that the chart's monitor of a kind makes of what is discovered."""
    configs = scrape_configs([found for found in monitors() if found["kind"] == kind], THROUGH)
    for config in configs:
        del config["kubernetes_sd_configs"]
        config["static_configs"] = discovered

    def found(prometheus: Prometheus) -> dict[str, dict[str, str]]:
        return {target["scrapeUrl"]: target["labels"] for target in prometheus.targets()}

    try:
        with serving(folder, configs) as prometheus:
            wait_until("targets", lambda: bool(found(prometheus)), seconds=30)
            return found(prometheus)
    except UnsupportedMachineError as error:
        pytest.skip(str(error))


def test_rank_0_tells_of_the_run_and_every_living_pod_of_its_ranks(tmp_path: Path) -> None:
    def labels(name: str, run: str, index: int, number: int, endpoint: str) -> dict[str, str]:
        return {
            "namespace": "ml",
            "trainingrun": run,
            "attempt": "2",
            "index": str(index),
            "pod": name,
            "node": f"node-{index}",
            "container": names.CONTAINER_NAME,
            "endpoint": endpoint,
            "instance": f"{IP}:{number}",
            "job": f"{NAMESPACE}/trainingrun-operator",
        }

    metrics = names.METRICS_PORT, names.METRICS_PORT_NAME
    heartbeats = names.HEARTBEATS_PORT, names.HEARTBEATS_PORT_NAME
    assert targets(tmp_path, "PodMonitor", TRAINERS) == {
        f"{PODS}/ml/pods/{name}:{number}/proxy/metrics": labels(name, run, index, number, endpoint)
        for name, run, index, (number, endpoint) in (
            ("digits-2-0-x", "digits", 0, metrics),
            ("digits-2-0-x", "digits", 0, heartbeats),
            ("digits-2-1-y", "digits", 1, heartbeats),
            ("own-program-2-1-x", "own-program", 1, heartbeats),
        )
    }


def test_the_operator_is_asked_at_its_metrics_port_alone(tmp_path: Path) -> None:
    assert targets(tmp_path, "ServiceMonitor", SERVICES) == {
        f"{PODS}/{NAMESPACE}/pods/trainingrun-operator-x:8000/proxy/metrics": {
            "namespace": NAMESPACE,
            "service": "trainingrun-operator",
            "pod": "trainingrun-operator-x",
            "container": "operator",
            "endpoint": "metrics",
            "instance": f"{IP}:8000",
            "job": "trainingrun-operator",
        }
    }
