"""Discovery of pods and services for a Prometheus that brings none of its own, which Debian's does not.

Prometheus asks for it over HTTP. It tells what `kubernetes_sd_configs` would, as far as monitors ask for it:
https://prometheus.io/docs/prometheus/latest/configuration/configuration/#kubernetes_sd_config.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from kubernetes import client, config

Object = dict[str, Any]
META = "__meta_kubernetes_"


def pod_targets(pods: list[Object]) -> list[Object]:
    """A target for each port of each pod that has an address."""
    return [
        target(pod["status"]["podIP"], port["containerPort"], {**of_pod(pod), **of_port(container, port)})
        for pod in pods
        if pod["status"].get("podIP")
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
    ]


def service_targets(services: list[Object], endpoints: list[Object], pods: list[Object]) -> list[Object]:
    """A target for each ready address and port of each service."""
    by_name = {_key(pod): pod for pod in pods}
    labels = {_key(service): of_service(service) for service in services}
    return [
        target(
            address["ip"],
            port["port"],
            {
                **labels[_key(found)],
                **_behind(
                    by_name.get((found["metadata"]["namespace"], address.get("targetRef", {}).get("name")))
                ),
                f"{META}endpoint_port_name": port.get("name", ""),
            },
        )
        for found in endpoints
        if _key(found) in labels
        for subset in found.get("subsets") or []
        for address in subset.get("addresses", [])
        for port in subset.get("ports", [])
    ]


def target(address: str, port: int, labels: Mapping[str, str]) -> Object:
    """A target group of one."""
    return {"targets": [f"{address}:{port}"], "labels": dict(labels)}


def of_pod(pod: Object) -> dict[str, str]:
    """What is told of a pod."""
    meta = pod["metadata"]
    return {
        f"{META}namespace": meta["namespace"],
        f"{META}pod_name": meta["name"],
        f"{META}pod_node_name": pod["spec"].get("nodeName", ""),
        f"{META}pod_phase": pod["status"].get("phase", ""),
        **named("pod_label", meta.get("labels", {})),
        **named("pod_annotation", meta.get("annotations", {})),
    }


def of_port(container: Object, port: Object) -> dict[str, str]:
    """What is told of a container's port."""
    return {
        f"{META}pod_container_name": container["name"],
        f"{META}pod_container_port_name": port.get("name", ""),
        f"{META}pod_container_port_number": str(port["containerPort"]),
    }


def of_service(service: Object) -> dict[str, str]:
    """What is told of a service."""
    meta = service["metadata"]
    return {
        f"{META}namespace": meta["namespace"],
        f"{META}service_name": meta["name"],
        **named("service_label", meta.get("labels", {})),
    }


def named(what: str, found: Mapping[str, str]) -> dict[str, str]:
    """Labels or annotations of an object; `what` is such as pod_label."""
    meta: dict[str, str] = {}
    for name, value in found.items():
        clean = re.sub(r"[^a-zA-Z0-9_]", "_", name)
        meta |= {f"{META}{what}_{clean}": value, f"{META}{what}present_{clean}": "true"}
    return meta


def _behind(pod: Object | None) -> dict[str, str]:
    """What is told of the pod that stands behind an address, if one does."""
    if pod is None:
        return {}
    return {**of_pod(pod), f"{META}pod_container_name": pod["spec"]["containers"][0]["name"]}


def _key(found: Object) -> tuple[str, str]:
    return found["metadata"]["namespace"], found["metadata"]["name"]


@dataclass(frozen=True)
class Lister:
    """Reads the objects of a cluster as they are now."""

    api: client.CoreV1Api

    def read(self, kind: str) -> list[Object]:
        """All objects of a kind such as pod."""
        listed = getattr(self.api, f"list_{kind}_for_all_namespaces")(_preload_content=False)
        items: list[Object] = json.loads(listed.data)["items"]
        return items

    def targets(self, role: str) -> list[Object]:
        """By the roles of `kubernetes_sd_configs`: pod, or endpoints."""
        if role == "pod":
            return pod_targets(self.read("pod"))
        return service_targets(self.read("service"), self.read("endpoints"), self.read("pod"))


@contextmanager
def discovering(kubeconfig: Path) -> Iterator[str]:
    """The URL of a server that tells the targets of a role at the path of its name."""
    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]
    lister = Lister(client.CoreV1Api(client.ApiClient(settings)))

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(lister.targets(self.path.removeprefix("/"))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing: one line every few seconds would bury the test's own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
