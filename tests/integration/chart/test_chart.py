"""The chart by itself: what it refuses, what holds for every rendering, and that its words are the code's."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.cluster import ClusterError
from tests.cluster.shell import run
from tests.helpers.helm import CHART, NAMESPACE, Object, helm, objects, one, render
from trainingrun_api import names
from trainingrun_operator.settings import PREFIX, Settings

CONTAINER = "container"
POD = "pod"


def test_lint_finds_nothing() -> None:
    assert "0 chart(s) failed" in run([helm(), "lint", "--strict", CHART])


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("replicas=0", "/replicas"),
        ("replicas=10", "/replicas"),
        ("replicas=two", "/replicas"),
        ("replicaCount=2", "replicaCount"),
        ("trainingPods.hostNetwork=true", "hostNetwork"),
        ("trainingPods.tolerations[0].effect=Never", "/trainingPods/tolerations/0/effect"),
        ("trainingPods.env[0].name=A", "value"),
        ("image.name=x", "name"),
        ("image.digest=sha256:12", "/image/digest"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("trainerImage.repository=", "/trainerImage/repository"),
        ("watchNamespaces=team-a", "/watchNamespaces"),
        ("watchNamespaces={Team_A}", "/watchNamespaces/0"),
        ("operator.workers=0", "/operator/workers"),
        ("operator.progressSeconds=soon", "/operator/progressSeconds"),
        ("logs.level=TRACE", "/logs/level"),
        ("crds.keep=true", "keep"),
        ("resources.limit.cpu=1", "limit"),
        ("podMonitor.interval=often", "/podMonitor/interval"),
        ("serviceMonitor.path=/x", "path"),
        ("prometheusRules.runbookBaseUrl=https://example.com/", "/prometheusRules/runbookBaseUrl"),
        ("networkPolicy.metricsFrom[0].namespace=x", "namespace"),
        ("networkPolicy.apiServerPorts={}", "/networkPolicy/apiServerPorts/0"),
        ("networkPolicy.trainingNamespaces={A}", "/networkPolicy/trainingNamespaces/0"),
        ("image.tag=a b", "/image/tag"),
        ("image.pullSecrets={Not_A_Name}", "/image/pullSecrets/0"),
        ("watchNamespaces={a,a}", "/watchNamespaces"),
        ("operator.resyncSeconds=0", "/operator/resyncSeconds"),
        ("operator.progressSeconds=7200", "/operator/progressSeconds"),
        ("logs.format=xml", "/logs/format"),
        ("rbac.create=false", "create"),
        ("rbac.aggregate=maybe", "/rbac/aggregate"),
        ("admissionPolicy.requireJobCreation=yes", "/admissionPolicy/requireJobCreation"),
        ("podDisruptionBudget.minAvailable=1", "minAvailable"),
        ("serviceAccount.name=-x", "/serviceAccount/name"),
        ("serviceAccount.annotations.a=1", "/serviceAccount/annotations/a"),
        ("dashboards.labels.a=true", "/dashboards/labels/a"),
        ("podLabels.a=1", "/podLabels/a"),
        ("tolerations=x", "/tolerations"),
        ("nodeSelector.a=true", "/nodeSelector/a"),
        ("extraManifests[0].kind=ConfigMap", "apiVersion"),
        ("scrapeAnnotations=1", "/scrapeAnnotations"),
    ],
)
def test_a_wrong_value_is_refused_by_name(setting: str, named: str) -> None:
    with pytest.raises(ClusterError, match=f"'{named}'"):
        render(setting)


def test_values_of_a_parent_chart_are_let_through() -> None:
    assert render("global.imageRegistry=registry.example.com")


def test_every_value_has_a_comment() -> None:
    """Its own or, below a key whose children are free, that key's."""
    previous, commented, bare = "", False, []
    for line in (CHART / "values.yaml").read_text().splitlines():
        if re.match(r"[A-Za-z]+:", line):
            commented = previous.startswith("# --")
        is_value = re.match(r"(  )?[A-Za-z]+: \S", line)
        if is_value and not commented and not previous.startswith("  # --"):
            bare.append(line)
        previous = line
    assert bare == []


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema["properties"]) - {"global"} == set(values)
    for key, section in schema["properties"].items():
        section = schema["definitions"][Path(section["$ref"]).name] if "$ref" in section else section
        if section.get("additionalProperties") is False:
            assert set(section["properties"]) == set(values[key]), key


@pytest.mark.parametrize(
    ("where", "field", "value"),
    [
        (POD, "runAsNonRoot", True),
        (POD, "runAsUser", 1000),
        (POD, "seccompProfile", {"type": "RuntimeDefault"}),
        (CONTAINER, "allowPrivilegeEscalation", False),
        (CONTAINER, "capabilities", {"drop": ["ALL"]}),
        (CONTAINER, "readOnlyRootFilesystem", True),
    ],
)
def test_the_operator_passes_pod_security_restricted(where: str, field: str, value: object) -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    context = {POD: pod, CONTAINER: container}[where]["securityContext"]
    assert context[field] == value


def operator_environ(container: Object) -> dict[str, str]:
    """The variables that are the operator's own settings."""
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    return {name: value for name, value in variables.items() if name.startswith(PREFIX)}


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["watchNamespaces={a,b}", "logs.format=text", "logs.level=DEBUG", "trainerImage.pullPolicy=Always"],
        [
            "trainingPods.nodeSelector.pool=gpu",
            "trainingPods.tolerations[0].key=nvidia.com/gpu",
            "trainingPods.tolerations[0].operator=Exists",
            "trainingPods.priorityClassName=batch",
            "trainingPods.env[0].name=NCCL_DEBUG,trainingPods.env[0].value=INFO",
        ],
        ["operator.workers=256", "operator.resyncSeconds=86400", "operator.progressSeconds=3600"],
    ],
)
def test_the_operator_understands_each_setting_and_misses_none(settings: list[str]) -> None:
    [container] = one("Deployment", *settings)["spec"]["template"]["spec"]["containers"]
    environ = operator_environ(container)
    assert set(environ) == {PREFIX + name.upper() for name in Settings.model_fields}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    understood = Settings.from_environ(environ)
    assert (understood.metrics_port, understood.health_port) == (ports["metrics"], ports["health"])
    assert understood.namespaces == (("a", "b") if "watchNamespaces={a,b}" in settings else ())


def test_default_values_are_the_operator_s_defaults() -> None:
    [container] = one("Deployment")["spec"]["template"]["spec"]["containers"]
    assert Settings.from_environ(operator_environ(container)) == Settings(
        trainer_image="trainingrun-trainer:0.1.0"
    )


def test_operators_of_two_versions_never_run_at_the_same_time() -> None:
    for replicas in (1, 2):
        spec = one("Deployment", f"replicas={replicas}")["spec"]
        assert (spec["replicas"], spec["strategy"]) == (replicas, {"type": "Recreate"})


def test_a_second_operator_comes_with_a_lease_that_it_may_use() -> None:
    [container] = one("Deployment", "replicas=2")["spec"]["template"]["spec"]["containers"]
    namespace, _, name = Settings.from_environ(operator_environ(container)).lease.partition("/")
    role = one("Role", "replicas=2")
    assert (role["metadata"]["namespace"], namespace) == (NAMESPACE, NAMESPACE)
    allowed = {verb: rule.get("resourceNames") for rule in role["rules"] for verb in rule["verbs"]}
    assert allowed == {"get": [name], "update": [name], "create": None}
    assert {rule["resources"][0] for rule in role["rules"]} == {"leases"}
    assert not any(document["kind"] == "Role" for document in objects("crds.create=false"))


def test_a_second_operator_keeps_away_from_the_first_unless_an_affinity_is_given() -> None:
    spread = one("Deployment", "replicas=2")["spec"]["template"]
    [term] = spread["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    selector = term["podAffinityTerm"]["labelSelector"]["matchLabels"]
    assert selector.items() <= spread["metadata"]["labels"].items()
    given = one("Deployment", "replicas=2", "affinity.nodeAffinity.x=y")["spec"]["template"]["spec"]
    assert given["affinity"] == {"nodeAffinity": {"x": "y"}}
    assert "affinity" not in one("Deployment")["spec"]["template"]["spec"]


def test_evictions_take_one_operator_at_a_time() -> None:
    budget = one("PodDisruptionBudget", "replicas=2", "podDisruptionBudget.enabled=true")["spec"]
    labels = one("Deployment", "replicas=2")["spec"]["template"]["metadata"]["labels"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_extra_manifests_are_templates() -> None:
    settings = ("apiVersion=v1", "kind=ConfigMap", r"metadata.name=\{\{ .Release.Name \}\}-x")
    found = one("ConfigMap", "dashboards.enabled=false", *(f"extraManifests[0].{one}" for one in settings))
    assert found["metadata"]["name"] == "trainingrun-operator-x"


def test_it_may_wait_for_the_api_server_for_an_hour_before_its_health_counts() -> None:
    [container] = one("Deployment")["spec"]["template"]["spec"]["containers"]
    patience = container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"]
    assert patience >= 3600
    assert container["startupProbe"]["httpGet"] == container["livenessProbe"]["httpGet"]


def test_the_service_selects_the_operator_pod() -> None:
    labels = one("Deployment", "podLabels.team=ml")["spec"]["template"]["metadata"]["labels"]
    selector = one("Service")["spec"]["selector"]
    assert selector.items() <= labels.items()


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        ([], "trainingrun-operator:0.1.0"),
        (["image.repository=r.example.com:5000/op", "image.tag=v2"], "r.example.com:5000/op:v2"),
        (["image.tag=v2", f"image.digest=sha256:{'0' * 64}"], f"trainingrun-operator@sha256:{'0' * 64}"),
    ],
)
def test_an_image_goes_by_digest_before_tag(settings: list[str], reference: str) -> None:
    [container] = one("Deployment", *settings)["spec"]["template"]["spec"]["containers"]
    assert container["image"] == reference


def test_permissions_are_the_cluster_s_or_those_of_the_watched_namespaces() -> None:
    everywhere = {document["kind"] for document in objects("crds.create=false")}
    assert {"ClusterRole", "ClusterRoleBinding"} <= everywhere
    namespaced = objects("crds.create=false", "watchNamespaces={a,b}")
    assert not any(document["kind"].startswith("Cluster") for document in namespaced)
    roles = [document for document in namespaced if document["kind"] == "Role"]
    assert [role["metadata"]["namespace"] for role in roles] == ["a", "b"]
    assert all(role["rules"] == one("ClusterRole", "rbac.aggregate=false")["rules"] for role in roles)


def test_bindings_name_the_account_that_the_pod_runs_as() -> None:
    for settings in ([], ["serviceAccount.name=mine"], ["serviceAccount.create=false"]):
        account = one("Deployment", *settings)["spec"]["template"]["spec"]["serviceAccountName"]
        [subject] = one("ClusterRoleBinding", *settings)["subjects"]
        assert (subject["name"], subject["namespace"]) == (account, NAMESPACE)


def test_the_definition_is_of_the_api_and_outlives_the_release() -> None:
    definition = one("CustomResourceDefinition")
    assert definition["metadata"]["name"] == names.CRD_NAME
    assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    kinds = {document["kind"] for document in objects("crds.create=false")}
    assert "CustomResourceDefinition" not in kinds
