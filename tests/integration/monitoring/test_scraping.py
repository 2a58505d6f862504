"""What Prometheus makes of pods by the chart's own monitors: whom it asks, and what it calls the answers.

The pods are made up; the relabelings are carried out by Prometheus itself.
"""

from pathlib import Path

import pytest

from tests.cluster.api import UnsupportedMachineError
from tests.cluster.shell import wait_until
from tests.helpers.discovery import pod_targets, service_targets
from tests.helpers.helm import NAMESPACE, objects
from tests.helpers.monitors import Access, Object, scrape_configs
from tests.helpers.prometheus import Prometheus, serving
from trainingrun_api import names

THROUGH = Access("http://127.0.0.1:9", "http://127.0.0.1:9", {})
PODS = f"{THROUGH.server}/api/v1/namespaces"
IP = "10.1.2.3"
TRAINER = {names.CONFIG_ANNOTATION: "{}"}
"""Of a pod with the built-in trainer."""
SCRAPED = {"prometheus.io/scrape": "true"}
"""Of another program that serves the same."""


def pod(
    name: str, index: int = 0, phase: str = "Running", run: str = "digits", annotations: Object = TRAINER
) -> Object:
    """A pod of a run in its second attempt."""
    of_run = {names.RUN_LABEL: run, names.UID_LABEL: "u", names.ATTEMPT_LABEL: "2"} if run else {}
    ports = {names.METRICS_PORT_NAME: names.METRICS_PORT, names.HEARTBEATS_PORT_NAME: names.HEARTBEATS_PORT}
    return {
        "metadata": {
            "namespace": "ml",
            "name": name,
            "labels": {**of_run, names.COMPLETION_INDEX_LABEL: str(index)},
            "annotations": annotations,
        },
        "spec": {
            "nodeName": f"node-{index}",
            "containers": [
                {
                    "name": names.CONTAINER_NAME,
                    "ports": [{"name": port, "containerPort": number} for port, number in ports.items()],
                }
            ],
        },
        "status": {"phase": phase, "podIP": IP},
    }


TRAINERS = pod_targets(
    [
        pod("digits-2-0-x", 0),
        pod("digits-2-1-y", 1),
        pod("digits-1-0-z", 0, phase="Succeeded"),
        pod("own-program-2-1-x", 1, run="own-program", annotations=SCRAPED),
        pod("untold-2-0-x", 0, run="untold", annotations={}),
        pod("web-0", run=""),
    ]
)


def service(name: str, app: str, namespace: str = NAMESPACE) -> Object:
    """A service of an app."""
    labels = {"app.kubernetes.io/name": app, "app.kubernetes.io/instance": "trainingrun-operator"}
    return {"metadata": {"namespace": namespace, "name": name, "labels": labels}}


def endpoints(of: Object, pod: str) -> Object:
    """The one pod behind a service, with a port for metrics and one for health."""
    ports = [{"name": "metrics", "port": 8000}, {"name": "health", "port": 8080}]
    address = {"ip": IP, "targetRef": {"kind": "Pod", "name": pod}}
    meta = {name: of["metadata"][name] for name in ("namespace", "name")}
    return {"metadata": meta, "subsets": [{"addresses": [address], "ports": ports}]}


OPERATOR = service("trainingrun-operator", "trainingrun-operator")
OTHERS = (service("other", "other"), service("trainingrun-operator", "trainingrun-operator", "elsewhere"))
OPERATOR_POD: Object = {
    "metadata": {"namespace": NAMESPACE, "name": "trainingrun-operator-x"},
    "spec": {"containers": [{"name": "operator"}]},
    "status": {"phase": "Running"},
}
SERVICES = service_targets(
    [OPERATOR, *OTHERS],
    [endpoints(found, "trainingrun-operator-x") for found in (OPERATOR, *OTHERS)],
    [OPERATOR_POD],
)


def monitors(*settings: str) -> list[Object]:
    """The rendered ones."""
    found = objects("serviceMonitor.enabled=true", "podMonitor.enabled=true", *settings)
    return [document for document in found if document["kind"].endswith("Monitor")]


def targets(folder: Path, kind: str, discovered: list[Object]) -> dict[str, dict[str, str]]:
    """Labels by address, of the targets that the chart's monitor of a kind makes of what is discovered."""
    configs = scrape_configs([found for found in monitors() if found["kind"] == kind], THROUGH)
    for config in configs:
        del config["http_sd_configs"]
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
