"""ServiceMonitors and PodMonitors as scrape configurations, as prometheus-operator would write them.

So what tests scrape with is what the chart ships. The fields that it uses are carried out as
https://github.com/prometheus-operator/prometheus-operator/blob/main/pkg/prometheus/promcfg.go does; one that
is not known here is an error, for a test that left it out would prove nothing. The test's Prometheus is a
process outside of the cluster, and reaches the pods through the API server, on every provider alike.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

Object = dict[str, Any]

LIMITS = {"sampleLimit": "sample_limit", "bodySizeLimit": "body_size_limit"}
KNOWN = {
    kind: {"jobLabel", "namespaceSelector", "podTargetLabels", "selector", *LIMITS, *own}
    for kind, own in (
        ("ServiceMonitor", ["endpoints", "targetLabels"]),
        ("PodMonitor", ["podMetricsEndpoints"]),
    )
}
"""Fields of `spec` by kind."""
KNOWN_ENDPOINT = {
    "filterRunning", "honorLabels", "honorTimestamps", "interval", "metricRelabelings", "path", "port",
    "portNumber", "relabelings", "scheme", "scrapeTimeout",
}  # fmt: skip
RELABELING = {
    "sourceLabels": "source_labels", "targetLabel": "target_label", "action": "action", "regex": "regex",
    "replacement": "replacement", "separator": "separator", "modulus": "modulus",
}  # fmt: skip
"""Each field of a relabeling, and its name in Prometheus' own configuration."""
DISCOVERY_SECONDS = 2
ENDED = "(Failed|Succeeded)"


@dataclass(frozen=True)
class Access:
    """How a process outside of the cluster reaches it."""

    discovery: str
    """URL of a server that tells targets by their role, see discovery.py."""
    server: str
    """URL of the API server."""
    tls: Mapping[str, str]
    """Prometheus' `tls_config`."""


def access(kubeconfig: Path, folder: Path, discovery: str) -> Access:
    """Reads a kubeconfig with a client's certificate in it, and leaves its parts in a folder."""
    config = yaml.safe_load(kubeconfig.read_text())
    [cluster], [user] = config["clusters"], config["users"]
    parts = {
        "ca_file": cluster["cluster"]["certificate-authority-data"],
        "cert_file": user["user"]["client-certificate-data"],
        "key_file": user["user"]["client-key-data"],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in parts.items():
        (folder / name).write_bytes(base64.b64decode(data))
        (folder / name).chmod(0o600)
    files = {name: str(folder / name) for name in parts}
    return Access(discovery, cluster["cluster"]["server"], files)


def scrape_configs(monitors: Iterable[Object], through: Access) -> list[Object]:
    """One configuration for each endpoint of each monitor. Raises ValueError for what is not known here."""
    return [
        _scrape_config(monitor, endpoint, number, through)
        for monitor in monitors
        for number, endpoint in enumerate(_endpoints(monitor))
    ]


def _endpoints(monitor: Object) -> list[Object]:
    kind, spec = monitor["kind"], monitor["spec"]
    _check(f"{kind}.spec", spec, KNOWN[kind])
    found: list[Object] = spec["endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"]
    return found


def _scrape_config(monitor: Object, endpoint: Object, number: int, through: Access) -> Object:
    kind, meta, spec = monitor["kind"], monitor["metadata"], monitor["spec"]
    _check(f"an endpoint of {kind}", endpoint, KNOWN_ENDPOINT)
    if endpoint.get("scheme", "http") not in ("http", "HTTP"):
        raise ValueError("the API server's proxy is asked for plain http alone")
    of_service = kind == "ServiceMonitor"
    role = "endpoints" if of_service else "pod"
    discovery = {"url": f"{through.discovery}/{role}", "refresh_interval": f"{DISCOVERY_SECONDS}s"}
    optional = {
        "scrape_interval": endpoint.get("interval"),
        "scrape_timeout": endpoint.get("scrapeTimeout"),
        "metrics_path": endpoint.get("path"),
        "honor_timestamps": endpoint.get("honorTimestamps"),
    }
    return {
        "job_name": f"{kind[0].lower()}{kind[1:]}/{meta['namespace']}/{meta['name']}/{number}",
        "honor_labels": endpoint.get("honorLabels", False),
        **{name: value for name, value in optional.items() if value is not None},
        **{name: spec[field] for field, name in LIMITS.items() if field in spec},
        "http_sd_configs": [discovery],
        "relabel_configs": [
            *_in_namespaces(meta["namespace"], spec.get("namespaceSelector", {})),
            *_selected("service" if of_service else "pod", spec["selector"]),
            *_port(of_service, endpoint),
            *([_drop("__meta_kubernetes_pod_phase", ENDED)] if endpoint.get("filterRunning", True) else []),
            *_standard_labels(monitor, endpoint, of_service),
            *map(_relabeling, endpoint.get("relabelings", [])),
            *_by_proxy(through.server),
        ],
        "metric_relabel_configs": [*map(_relabeling, endpoint.get("metricRelabelings", []))],
        "tls_config": dict(through.tls),
    }


def _in_namespaces(own: str, selector: Object) -> list[Object]:
    _check("namespaceSelector", selector, {"any", "matchNames"})
    if selector.get("any"):
        return []
    return [_keep(["__meta_kubernetes_namespace"], "|".join(selector.get("matchNames", [own])))]


def _selected(what: str, selector: Object) -> list[Object]:
    """What of the discovered is meant."""
    _check("selector", selector, {"matchLabels", "matchExpressions"})
    meta = f"__meta_kubernetes_{what}_label"
    steps = [
        _keep([f"{meta}_{_clean(name)}", f"{meta}present_{_clean(name)}"], f"({value});true")
        for name, value in selector.get("matchLabels", {}).items()
    ]
    for expression in selector.get("matchExpressions", []):
        name, values = _clean(expression["key"]), "|".join(expression.get("values", []))
        match expression["operator"]:
            case "In":
                steps.append(_keep([f"{meta}_{name}", f"{meta}present_{name}"], f"({values});true"))
            case "NotIn":
                steps.append(_drop(f"{meta}_{name}", f"({values})"))
            case "Exists":
                steps.append(_keep([f"{meta}present_{name}"], "true"))
            case "DoesNotExist":
                steps.append(_drop(f"{meta}present_{name}", "true"))
            case operator:
                raise ValueError(f"no operator of a selector: {operator}")
    return steps


def _port(of_service: bool, endpoint: Object) -> list[Object]:
    if "port" in endpoint:
        meta = "endpoint_port_name" if of_service else "pod_container_port_name"
        return [_keep([f"__meta_kubernetes_{meta}"], endpoint["port"])]
    if "portNumber" in endpoint and not of_service:
        return [_keep(["__meta_kubernetes_pod_container_port_number"], str(endpoint["portNumber"]))]
    raise ValueError("an endpoint without `port`, or a PodMonitor's without `portNumber`")


def _standard_labels(monitor: Object, endpoint: Object, of_service: bool) -> list[Object]:
    """The labels that every target gets before the monitor's own relabelings."""
    meta, spec = monitor["metadata"], monitor["spec"]
    steps = [
        _set("namespace", "__meta_kubernetes_namespace"),
        *([_set("service", "__meta_kubernetes_service_name")] if of_service else []),
        _set("container", "__meta_kubernetes_pod_container_name"),
        _set("pod", "__meta_kubernetes_pod_name"),
    ]
    steps += [_copied("service", label) for label in spec.get("targetLabels", [])]
    steps += [_copied("pod", label) for label in spec.get("podTargetLabels", [])]
    if of_service:
        steps.append(_set("job", "__meta_kubernetes_service_name"))
    else:
        steps.append({"target_label": "job", "replacement": f"{meta['namespace']}/{meta['name']}"})
    if label := spec.get("jobLabel"):
        owner = "service" if of_service else "pod"
        steps.append({**_set("job", f"__meta_kubernetes_{owner}_label_{_clean(label)}"), "regex": "(.+)"})
    port = endpoint.get("port", str(endpoint.get("portNumber", "")))
    return [*steps, {"target_label": "endpoint", "replacement": port}]


def _by_proxy(server: str) -> list[Object]:
    """Last of all: the pod's address becomes a path of the API server, and stays to be seen as `instance`."""
    url = urlsplit(server)
    return [
        {"source_labels": ["instance", "__address__"], "regex": ";(.+)", "target_label": "instance"},
        {
            "source_labels": [
                "__meta_kubernetes_namespace",
                "__meta_kubernetes_pod_name",
                "__address__",
                "__metrics_path__",
            ],
            "regex": r"(.+);(.+);.+:(\d+);(.+)",
            "replacement": "/api/v1/namespaces/$1/pods/$2:$3/proxy$4",
            "target_label": "__metrics_path__",
        },
        {"target_label": "__address__", "replacement": url.netloc},
        {"target_label": "__scheme__", "replacement": url.scheme},
    ]


def _relabeling(step: Object) -> Object:
    _check("a relabeling", step, set(RELABELING))
    return {RELABELING[field]: value for field, value in step.items()}


def _keep(sources: list[str], regex: str) -> Object:
    return {"action": "keep", "source_labels": sources, "regex": regex}


def _drop(source: str, regex: str) -> Object:
    return {"action": "drop", "source_labels": [source], "regex": regex}


def _set(label: str, source: str) -> Object:
    return {"source_labels": [source], "target_label": label}


def _copied(owner: str, label: str) -> Object:
    step = _set(_clean(label), f"__meta_kubernetes_{owner}_label_{_clean(label)}")
    return {**step, "regex": "(.+)"}


def _clean(name: str) -> str:
    """A label of Kubernetes as Prometheus can carry it."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _check(what: str, found: Object, known: set[str]) -> None:
    if unknown := found.keys() - known:
        raise ValueError(f"{what} has fields that tests do not carry out: {', '.join(sorted(unknown))}")
