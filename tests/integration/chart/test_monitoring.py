"""Who scrapes what, as the chart says it: in the words of the code, once each, and by nobody else."""

import re

import pytest
import yaml

from tests.helpers.helm import CHART, Object, objects, one
from trainingrun_api import names

SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": "8000", "prometheus.io/path": "/metrics"}
MONITORED = "serviceMonitor.enabled=true"


def meta_label(key: str, kind: str = "label") -> str:
    """A pod's label or annotation as Prometheus' service discovery names it."""
    return f"__meta_kubernetes_pod_{kind}_{re.sub('[^A-Za-z0-9]', '_', key)}"


@pytest.mark.parametrize(
    ("settings", "annotations"),
    [
        ([], SCRAPED),
        (["podAnnotations.note=x"], {**SCRAPED, "note": "x"}),
        (["podAnnotations.prometheus\\.io/path=/other"], {**SCRAPED, "prometheus.io/path": "/other"}),
        (["scrapeAnnotations=false"], None),
        ([MONITORED], None),
    ],
)
def test_the_operator_asks_to_be_scraped_where_no_monitor_does(
    settings: list[str], annotations: dict[str, str] | None
) -> None:
    assert one("Deployment", *settings)["spec"]["template"]["metadata"].get("annotations") == annotations


def test_nothing_that_needs_other_kinds_is_installed_unasked() -> None:
    assert not [document for document in objects() if "monitoring.coreos.com" in document["apiVersion"]]


def test_the_service_monitor_selects_the_service_and_its_port() -> None:
    monitor, service = one("ServiceMonitor", MONITORED)["spec"], one("Service")
    [endpoint] = monitor["endpoints"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["honorLabels"] is True


def endpoint(port: str) -> Object:
    """The PodMonitor's endpoint of a port."""
    endpoints: list[Object] = one("PodMonitor", "podMonitor.enabled=true")["spec"]["podMetricsEndpoints"]
    [found] = [found for found in endpoints if found["port"] == port]
    return found


@pytest.mark.parametrize("port", [names.METRICS_PORT_NAME, names.HEARTBEATS_PORT_NAME])
def test_targets_say_whose_they_are(port: str) -> None:
    copied = {
        relabeling["targetLabel"]: relabeling["sourceLabels"]
        for relabeling in endpoint(port)["relabelings"]
        if "targetLabel" in relabeling
    }
    assert copied == {
        "trainingrun": [meta_label(names.RUN_LABEL)],
        "attempt": [meta_label(names.ATTEMPT_LABEL)],
        "index": [meta_label(names.COMPLETION_INDEX_LABEL)],
        "node": ["__meta_kubernetes_pod_node_name"],
    }


@pytest.mark.parametrize(
    ("port", "index", "config", "asked", "scraped"),
    [
        (names.METRICS_PORT_NAME, "0", "true", "", True),
        (names.METRICS_PORT_NAME, "0", "", "true", True),
        (names.METRICS_PORT_NAME, "0", "", "", False),
        (names.METRICS_PORT_NAME, "0", "", "false", False),
        (names.METRICS_PORT_NAME, "1", "true", "", False),
        (names.METRICS_PORT_NAME, "10", "true", "", False),
        (names.HEARTBEATS_PORT_NAME, "1", "true", "", True),
        (names.HEARTBEATS_PORT_NAME, "1", "", "", False),
    ],
)
def test_only_pods_that_serve_metrics_are_targets(
    port: str, index: str, config: str, asked: str, scraped: bool
) -> None:
    """`config`: whether the built-in trainer's config is there; `asked`: what prometheus.io/scrape says."""
    meta = {
        meta_label(names.COMPLETION_INDEX_LABEL): index,
        meta_label(names.CONFIG_ANNOTATION, "annotationpresent"): config,
        meta_label("prometheus.io/scrape", "annotation"): asked,
    }
    kept = [
        re.fullmatch(relabeling["regex"], ";".join(meta[label] for label in relabeling["sourceLabels"]))
        for relabeling in endpoint(port)["relabelings"]
        if relabeling.get("action") == "keep"
    ]
    assert kept
    assert all(kept) is scraped


@pytest.mark.parametrize(
    ("settings", "where"),
    [([], {"any": True}), (["watchNamespaces={a,b}"], {"matchNames": ["a", "b"]})],
)
def test_training_pods_are_looked_for_where_runs_are_carried_out(
    settings: list[str], where: dict[str, object]
) -> None:
    spec = one("PodMonitor", "podMonitor.enabled=true", *settings)["spec"]
    assert spec["namespaceSelector"] == where
    assert spec["selector"] == {"matchExpressions": [{"key": names.RUN_LABEL, "operator": "Exists"}]}


@pytest.mark.parametrize(
    ("settings", "peers"),
    [
        ([], []),
        (["networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.a=b"],
         [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]),
    ],
)  # fmt: skip
def test_who_is_not_named_does_not_reach_the_metrics(settings: list[str], peers: list[Object]) -> None:
    """A rule without `from` would let everybody in."""
    tests = {"podSelector": {"matchLabels": one("Pod")["metadata"]["labels"]}}
    spec = one("NetworkPolicy", "networkPolicy.enabled=true", *settings)["spec"]
    sources = {rule["ports"][0]["port"]: rule.get("from") for rule in spec["ingress"]}
    assert sources == {"health": None, "metrics": [tests, *peers]}
    labels = one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert spec["podSelector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        ([], "docs/runbooks"),
        (["prometheusRules.runbookBaseUrl=https://example.com/r"], "https://example.com/r"),
    ],
)
def test_the_rules_are_the_generated_ones_with_links_that_work(settings: list[str], base: str) -> None:
    rules = (CHART / "rules" / "trainingrun.yaml").read_text(encoding="utf-8")
    spec = one("PrometheusRule", "prometheusRules.enabled=true", *settings)["spec"]
    assert spec == yaml.safe_load(rules.replace("docs/runbooks/", f"{base}/"))
