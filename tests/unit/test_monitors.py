"""What a test's Prometheus makes of the chart's monitors."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.monitors import Access, Object, access, scrape_configs

THROUGH = Access("http://discovery", "https://10.0.0.1:6443", {"ca_file": "/ca"})


def service_monitor(endpoint: Object, **spec: Any) -> Object:
    selector = {"matchLabels": {"app.kubernetes.io/name": "operator"}}
    return {
        "kind": "ServiceMonitor",
        "metadata": {"namespace": "system", "name": "operator"},
        "spec": {"selector": selector, "endpoints": [endpoint], **spec},
    }


def pod_monitor(*endpoints: Object, **spec: Any) -> Object:
    return {
        "kind": "PodMonitor",
        "metadata": {"namespace": "system", "name": "trainers"},
        "spec": {"selector": {}, "podMetricsEndpoints": [*endpoints], **spec},
    }


def steps(config: Object) -> list[tuple[Any, ...]]:
    """Sources, regex, target or action, replacement."""
    return [
        (
            ",".join(step.get("source_labels", [])),
            step.get("regex", ""),
            step.get("target_label", step.get("action")),
            step.get("replacement", ""),
        )
        for step in config["relabel_configs"]
    ]


def test_each_endpoint_is_a_job_of_its_own_with_its_own_settings() -> None:
    first = {"port": "metrics", "interval": "5s", "scrapeTimeout": "4s", "path": "/m", "honorLabels": True}
    monitor = pod_monitor(first, {"portNumber": 9401}, sampleLimit=3, bodySizeLimit="1MB")
    one, other = scrape_configs([monitor], THROUGH)
    assert (one["sample_limit"], other["body_size_limit"]) == (3, "1MB")
    assert {name: one[name] for name in ("scrape_interval", "scrape_timeout", "metrics_path")} == {
        "scrape_interval": "5s",
        "scrape_timeout": "4s",
        "metrics_path": "/m",
    }
    assert (one["honor_labels"], other["honor_labels"]) == (True, False)
    assert "scrape_interval" not in other
    assert one["job_name"] != other["job_name"]
    assert ("__meta_kubernetes_pod_container_port_name", "metrics", "keep", "") in steps(one)
    assert ("__meta_kubernetes_pod_container_port_number", "9401", "keep", "") in steps(other)


@pytest.mark.parametrize(
    ("selector", "namespaces"),
    [
        ({}, "system"),
        ({"any": True}, None),
        ({"matchNames": ["a", "b"]}, "a|b"),
    ],
)
def test_pods_are_looked_for_in_the_namespaces_that_are_meant(
    selector: Object, namespaces: str | None
) -> None:
    [config] = scrape_configs([pod_monitor({"port": "m"}, namespaceSelector=selector)], THROUGH)
    [discovery] = config["http_sd_configs"]
    assert discovery["url"] == "http://discovery/pod"
    kept = [
        regex
        for sources, regex, action, _ in steps(config)
        if sources == "__meta_kubernetes_namespace" and action == "keep"
    ]
    assert kept == ([namespaces] if namespaces else [])


@pytest.mark.parametrize(
    ("selector", "step"),
    [
        ({"matchLabels": {"a.b/c": "d"}}, ("label_a_b_c,labelpresent_a_b_c", "(d);true", "keep", "")),
        (
            {"matchExpressions": [{"key": "k", "operator": "In", "values": ["x", "y"]}]},
            ("label_k,labelpresent_k", "(x|y);true", "keep", ""),
        ),
        (
            {"matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["x"]}]},
            ("label_k", "(x)", "drop", ""),
        ),
        ({"matchExpressions": [{"key": "k", "operator": "Exists"}]}, ("labelpresent_k", "true", "keep", "")),
        (
            {"matchExpressions": [{"key": "k", "operator": "DoesNotExist"}]},
            ("labelpresent_k", "true", "drop", ""),
        ),
    ],
)
def test_a_selector_keeps_what_it_selects(selector: Object, step: tuple[str, ...]) -> None:
    [config] = scrape_configs([pod_monitor({"port": "m"}, selector=selector)], THROUGH)
    meta = "__meta_kubernetes_pod_"
    assert (",".join(meta + label for label in step[0].split(",")), *step[1:]) in steps(config)


def test_relabelings_of_the_monitor_come_after_the_standard_labels_and_before_the_way_to_the_pod() -> None:
    own = {"sourceLabels": ["__meta_x"], "regex": "(.+)", "targetLabel": "trainingrun", "replacement": "$1"}
    [config] = scrape_configs([pod_monitor({"port": "m", "relabelings": [own]})], THROUGH)
    targets = [target for _, _, target, _ in steps(config)]
    assert targets.index("pod") < targets.index("trainingrun") < targets.index("__metrics_path__")
    assert ("__meta_x", "(.+)", "trainingrun", "$1") in steps(config)
    assert steps(config)[-2:] == [("", "", "__address__", "10.0.0.1:6443"), ("", "", "__scheme__", "https")]
    assert config["tls_config"] == {"ca_file": "/ca"}


@pytest.mark.parametrize(
    ("monitor", "job"),
    [
        (service_monitor({"port": "m"}), [("__meta_kubernetes_service_name", "", "job", "")]),
        (pod_monitor({"port": "m"}), [("", "", "job", "system/trainers")]),
        (
            pod_monitor({"port": "m"}, jobLabel="a/b"),
            [
                ("", "", "job", "system/trainers"),
                ("__meta_kubernetes_pod_label_a_b", "(.+)", "job", ""),
            ],
        ),
    ],
)
def test_the_job_is_named_after_the_service_or_the_monitor(monitor: Object, job: list[Any]) -> None:
    [config] = scrape_configs([monitor], THROUGH)
    assert [step for step in steps(config) if step[2] == "job"] == job


@pytest.mark.parametrize(
    ("monitor", "words"),
    [
        (pod_monitor({"port": "m", "tlsConfig": {}}), "tlsConfig"),
        (pod_monitor({"port": "m"}, labelLimit=3), "labelLimit"),
        (pod_monitor({"port": "m", "relabelings": [{"source_labels": []}]}), "source_labels"),
        (pod_monitor({"port": "m", "scheme": "https"}), "http"),
        (pod_monitor({"path": "/m"}), "port"),
        (service_monitor({"portNumber": 1}), "port"),
    ],
)
def test_what_is_not_carried_out_is_refused(monitor: Object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        scrape_configs([monitor], THROUGH)


def test_the_certificates_of_a_kubeconfig_come_into_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    def secret(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "clusters": [
                    {"cluster": {"server": "https://s:1", "certificate-authority-data": secret("ca")}}
                ],
                "users": [
                    {
                        "user": {
                            "client-certificate-data": secret("crt"),
                            "client-key-data": secret("key"),
                        }
                    }
                ],
            }
        )
    )
    found = access(kubeconfig, tmp_path / "tls", "http://discovery")
    assert found.server == "https://s:1"
    assert {name: Path(file).read_text() for name, file in found.tls.items()} == {
        "ca_file": "ca",
        "cert_file": "crt",
        "key_file": "key",
    }
    assert {Path(file).stat().st_mode & 0o777 for file in found.tls.values()} == {0o600}
