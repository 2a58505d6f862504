"""The console in the chart: what it may do, how it is reached, where its history lies, what is refused."""

import json
import re
from argparse import Namespace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import ClusterError
from tests.cluster.shell import run
from tests.helpers.helm import CHART, NAMESPACE, Object, helm, objects, render
from trainingrun_api import names
from trainingrun_client.installation import SELECTOR
from trainingrun_console import options
from trainingrun_console.settings import Settings

CONSOLE = "trainingrun-console"
ON = "console.enabled=true"
INGRESS = (ON, "console.ingress.enabled=true", "console.ingress.host=runs.example.com")
POSTGRESQL = (ON, "console.database.secretName=console-database")
READING = {
    ("trainingruns", "list"), ("trainingruns", "watch"), ("pods", "list"), ("pods/log", "get"),
    ("events", "list"), ("events", "watch"),
}  # fmt: skip
REVIEWS = {("tokenreviews", "create"), ("subjectaccessreviews", "create")}


def of_console(*settings: str) -> list[Object]:
    """What is rendered for it."""
    return [
        each
        for each in objects("crds.create=false", "dashboards.enabled=false", *settings)
        if each["metadata"]["labels"].get("app.kubernetes.io/name") == CONSOLE
    ]


def the(kind: str, *settings: str) -> Object:
    """Its only object of a kind."""
    [found] = [each for each in of_console(*settings) if each["kind"] == kind]
    return found


def pod(*settings: str) -> Object:
    found: Object = the("Deployment", *settings)["spec"]["template"]["spec"]
    return found


def environ(*settings: str) -> dict[str, str]:
    """Of its container, without what comes from a Secret."""
    [container] = pod(*settings)["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def understood(*settings: str) -> Settings:
    """What the program makes of its container."""
    [container] = pod(*settings)["containers"]
    program, *arguments = container["command"]
    assert program == "trainingrun-console"
    given: Namespace = options.parse(arguments, {f"{options.PREFIX}DATABASE": "x", **environ(*settings)})
    return options.settings(given, "unused")


def granted(role: Object) -> set[tuple[str, str]]:
    return {pair for rule in role["rules"] for pair in product(rule["resources"], rule["verbs"])}


def bound(binding: Object) -> str:
    """The account, which must be that of the pod."""
    [subject] = binding["subjects"]
    assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", NAMESPACE)
    return str(subject["name"])


def test_it_is_installed_only_where_it_is_wanted() -> None:
    assert not of_console()
    kinds = sorted(each["kind"] for each in of_console(ON))
    assert kinds == [
        "ClusterRole", "ClusterRole", "ClusterRoleBinding", "ClusterRoleBinding", "Deployment",
        "PersistentVolumeClaim", "Service", "ServiceAccount",
    ]  # fmt: skip


def test_it_reads_and_asks_and_changes_nothing() -> None:
    roles = [each for each in of_console(ON) if each["kind"] == "ClusterRole"]
    assert set().union(*map(granted, roles)) == READING | REVIEWS
    assert not any("*" in str(rule) for role in roles for rule in role["rules"])


def test_with_watched_namespaces_it_reads_in_these_alone() -> None:
    found = of_console(ON, "watchNamespaces={a,b}")
    roles = {each["metadata"]["namespace"]: granted(each) for each in found if each["kind"] == "Role"}
    assert roles == {"a": READING, "b": READING}
    [reviews] = [each for each in found if each["kind"] == "ClusterRole"]
    assert granted(reviews) == REVIEWS
    assert understood(ON, "watchNamespaces={a,b}").namespaces == ("a", "b")
    assert understood(ON).namespaces is None


@pytest.mark.parametrize("settings", [(ON,), (ON, "watchNamespaces={a,b}")])
def test_each_role_is_bound_to_the_account_that_the_pod_runs_as(settings: tuple[str, ...]) -> None:
    found = of_console(*settings)
    bindings = [each for each in found if each["kind"].endswith("Binding")]
    roles = [each for each in found if each["kind"] in ("Role", "ClusterRole")]

    def named(kind: str, object_: Object, name: str) -> tuple[Any, ...]:
        return kind, object_["metadata"].get("namespace"), name

    assert {named(each["roleRef"]["kind"], each, each["roleRef"]["name"]) for each in bindings} == {
        named(each["kind"], each, each["metadata"]["name"]) for each in roles
    }
    assert set(map(bound, bindings)) == {pod(*settings)["serviceAccountName"]}
    account = the("ServiceAccount", *settings)
    assert account["metadata"]["name"] == pod(*settings)["serviceAccountName"]
    assert account["automountServiceAccountToken"] is False
    assert pod(*settings)["automountServiceAccountToken"] is True


def test_its_pod_passes_pod_security_restricted_and_writes_nowhere_but_its_volumes() -> None:
    spec = pod(ON)
    [container] = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp", "/data"]


def test_who_looks_for_operators_does_not_find_it() -> None:
    """The client takes every Deployment with this label for an operator."""
    label, _, value = SELECTOR.partition("=")
    deployment = the("Deployment", ON)
    assert deployment["metadata"]["labels"][label] != value
    assert deployment["spec"]["template"]["metadata"]["labels"][label] != value


def test_its_service_ingress_and_policy_lead_to_its_pod() -> None:
    settings = (*INGRESS, "console.networkPolicy.enabled=true", "console.podLabels.team=ml")
    deployment, service = the("Deployment", *settings), the("Service", *settings)
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= labels
    assert the("NetworkPolicy", *settings)["spec"]["podSelector"]["matchLabels"].items() <= labels
    [port] = service["spec"]["ports"]
    [container] = pod(*settings)["containers"]
    assert port["port"] == names.CONSOLE_PORT == container["ports"][0]["containerPort"]
    [rule] = the("Ingress", *settings)["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": service["metadata"]["name"], "port": {"name": port["name"]}}


def test_probes_call_it_by_a_name_that_it_answers_to() -> None:
    [container] = pod(ON)["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        [header] = container[probe]["httpGet"]["httpHeaders"]
        assert header["name"] == "Host"
        assert header["value"] in understood(ON).allowed_hosts
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_it_may_wait_for_its_database_for_an_hour() -> None:
    [container] = pod(ON)["containers"]
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] >= 3600


def test_an_ingress_brings_its_name_tls_and_cookies_that_go_over_nothing_else() -> None:
    assert understood(*INGRESS).secure_cookies is True
    assert understood(ON).secure_cookies is False
    assert "runs.example.com" in understood(*INGRESS).allowed_hosts
    assert the("Ingress", *INGRESS)["spec"]["tls"] == [{"hosts": ["runs.example.com"]}]
    named = the("Ingress", *INGRESS, "console.ingress.tlsSecretName=runs-tls")
    assert named["spec"]["tls"] == [{"hosts": ["runs.example.com"], "secretName": "runs-tls"}]


def test_it_answers_to_the_names_of_its_service_and_to_those_that_are_given() -> None:
    service = the("Service", ON)["metadata"]["name"]
    known = understood(ON, "console.allowedHosts={lab.example.com}").allowed_hosts
    assert {f"{service}.{NAMESPACE}.svc", f"{service}.{NAMESPACE}.svc.cluster.local"} <= set(known)
    assert {"localhost", "lab.example.com"} <= set(known)
    assert "*" not in known


def test_sqlite_lies_on_a_claim_that_outlives_the_release_and_one_process_writes_it() -> None:
    deployment, claim = the("Deployment", ON), the("PersistentVolumeClaim", ON)
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    [volume] = [each for each in pod(ON)["volumes"] if each["name"] == "history"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    [container] = pod(ON)["containers"]
    [mount] = [each for each in container["volumeMounts"] if each["name"] == "history"]
    file = environ(ON)["TRAININGRUN_CONSOLE_DATABASE"].removeprefix("sqlite:///")
    assert Path(file).parent == Path(mount["mountPath"])


def test_a_claim_that_is_there_is_taken() -> None:
    settings = (ON, "console.persistence.existingClaim=mine")
    assert not [each for each in of_console(*settings) if each["kind"] == "PersistentVolumeClaim"]
    assert {"persistentVolumeClaim": {"claimName": "mine"}, "name": "history"} in pod(*settings)["volumes"]


def test_postgresql_s_password_comes_from_a_secret_alone() -> None:
    [container] = pod(*POSTGRESQL)["containers"]
    [database] = [each for each in container["env"] if each["name"] == "TRAININGRUN_CONSOLE_DATABASE"]
    assert database["valueFrom"] == {"secretKeyRef": {"name": "console-database", "key": "url"}}
    assert [each["name"] for each in pod(*POSTGRESQL)["volumes"]] == ["tmp"]
    assert "strategy" not in the("Deployment", *POSTGRESQL)["spec"]
    assert not [each for each in of_console(*POSTGRESQL) if each["kind"] == "PersistentVolumeClaim"]


def test_every_setting_reaches_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda path: True)  # the claim is mounted in the pod
    found = understood(
        ON, "console.retention.days=30", "console.retention.runs=100", "console.requestsPerSecond=7",
        "console.runDirectories[0].namespace=team-a", "console.runDirectories[0].claim=results",
        "console.runDirectories[0].mounted=team-a-results",
    )  # fmt: skip
    assert (found.keep_days, found.keep_runs, found.requests_per_second) == (30, 100, 7.0)
    assert found.run_directories == {"team-a/results": Path("/runs/0")}
    assert not found.loopback
    plain = understood(ON)
    assert (plain.keep_days, plain.keep_runs) == (None, None)
    assert plain.requests_per_second == Settings().requests_per_second


def test_claims_with_results_are_mounted_for_reading_where_the_program_looks_for_them() -> None:
    settings = (
        ON, "console.runDirectories[0].namespace=team-a", "console.runDirectories[0].claim=results",
        "console.runDirectories[0].mounted=team-a-results",
    )  # fmt: skip
    [container] = pod(*settings)["containers"]
    [mount] = [each for each in container["volumeMounts"] if each["name"] == "runs-0"]
    [volume] = [each for each in pod(*settings)["volumes"] if each["name"] == "runs-0"]
    assert (mount["readOnly"], volume["persistentVolumeClaim"]["readOnly"]) == (True, True)
    assert volume["persistentVolumeClaim"]["claimName"] == "team-a-results"
    told = environ(*settings)["TRAININGRUN_CONSOLE_RUN_DIRECTORY"]
    assert told == f"team-a/results={mount['mountPath']}"


@pytest.mark.parametrize(
    ("settings", "ingress"),
    [
        ([], None),
        (["console.networkPolicy.from[0].namespaceSelector.matchLabels.a=b"],
         [{"ports": [{"port": "http"}], "from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}]),
    ],
)  # fmt: skip
def test_who_is_not_named_does_not_reach_it(settings: list[str], ingress: list[Object] | None) -> None:
    """A rule without `from` would let everybody in; a policy without rules lets nobody."""
    spec = the("NetworkPolicy", ON, "console.networkPolicy.enabled=true", *settings)["spec"]
    assert spec["policyTypes"] == ["Ingress"]
    assert spec.get("ingress") == ingress


def test_training_pods_that_are_confined_let_it_ask_for_their_metrics() -> None:
    settings = (ON, "networkPolicy.trainingNamespaces={team-a}")
    [policy] = [each for each in objects(*settings) if each["kind"] == "NetworkPolicy"]
    [_, metrics] = policy["spec"]["ingress"]
    selectors = [peer["podSelector"]["matchLabels"] for peer in metrics["from"]]
    labels = the("Deployment", *settings)["spec"]["template"]["metadata"]["labels"].items()
    assert [selector for selector in selectors if selector.items() <= labels]


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("console.enabled=maybe", "/console/enabled"),
        ("console.replicas=2", "replicas"),
        ("console.image.name=x", "name"),
        ("console.image.pullPolicy=Sometimes", "/console/image/pullPolicy"),
        ("console.database.url=postgresql://a:b@c/d", "url"),
        ("console.database.secretName=Not_A_Name", "/console/database/secretName"),
        ("console.persistence.size=big", "/console/persistence/size"),
        ("console.persistence.claim=x", "claim"),
        ("console.retention.days=-1", "/console/retention/days"),
        ("console.retention.epochs=1", "epochs"),
        ("console.runDirectories[0].namespace=team-a", "claim"),
        ("console.requestsPerSecond=0", "/console/requestsPerSecond"),
        ("console.allowedHosts={https://x.example.com}", "/console/allowedHosts/0"),
        ("console.ingress.enabled=true", "/console/ingress/host"),
        ("console.ingress.hosts={a}", "hosts"),
        ("console.ingress.tls=false", "tls"),
        ("console.networkPolicy.from[0].namespace=x", "namespace"),
        ("console.resources.limit.cpu=1", "limit"),
        ("console.podLabels.a=1", "/console/podLabels/a"),
    ],
)
def test_a_wrong_value_is_refused_by_name(setting: str, named: str) -> None:
    with pytest.raises(ClusterError, match=f"'{named}'"):
        render(setting)


def test_the_schema_knows_every_value_below_console_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())["console"]
    for key, section in schema["properties"]["console"]["properties"].items():
        if section.get("additionalProperties") is False:
            assert set(section["properties"]) == set(values[key]), key
    assert set(schema["properties"]["console"]["properties"]) == set(values)


def test_every_value_below_console_has_a_comment() -> None:
    """Its own or that of the key above it, whose children are free."""
    text = (CHART / "values.yaml").read_text()
    [section] = re.findall(r"^console:\n((?:  .*\n|\n)+)", text, re.M)
    lines = section.splitlines()
    bare, commented = [], False
    for before, line in zip(["", *lines], lines, strict=False):
        if re.match(r"  [A-Za-z]+:", line):
            commented = before.startswith("  # --")
        own = before.strip().startswith("# --")
        if re.match(r"  (  )?[A-Za-z]+: \S", line) and not own and not commented:
            bare.append(line)
    assert bare == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ((ON,), f"kubectl -n {NAMESPACE} port-forward service/trainingrun-console 8765"),
        (INGRESS, "https://runs.example.com"),
        ((ON,), "create token"),
    ],
)
def test_the_notes_say_how_to_reach_it(settings: tuple[str, ...], told: str) -> None:
    values = [f"--set={setting}" for setting in (*settings, "crds.create=false")]
    install = ["install", "trainingrun-operator", str(CHART), "--namespace", NAMESPACE, "--dry-run=client"]
    assert told in run([helm(), *install, *values]).partition("NOTES:")[2]


@pytest.mark.parametrize("release", ["x", "a-release-with-a-name-of-fifty-characters-and-more"])
def test_names_fit_whatever_the_release_is_called(release: str) -> None:
    of_namespaces = [each for each in objects(ON, release=release) if "namespace" in each["metadata"]]
    found = [name for each in of_namespaces if (name := each["metadata"]["name"]).endswith("-console")]
    assert len(found) == 4
    assert all(len(name) <= 63 for name in found)
