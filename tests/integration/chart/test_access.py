"""Who may do what with TrainingRuns: real users of a real API server, with the chart's roles and policy.

Users are impersonated by the admin, so the API server authorizes and admits as it would for them.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.cluster import ClusterError
from tests.cluster.api import Cluster
from tests.cluster.shell import wait_until
from tests.helpers.helm import objects
from trainingrun_api import names

pytestmark = pytest.mark.cluster

CHART_KINDS = frozenset({"ClusterRole", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"})
RUN = {"image": "example/x:1", "command": ["true"], "resources": {"gpus": 0}, "suspend": True}


@dataclass(frozen=True)
class Users:
    """A namespace with users of some rights in it, and an operator that never comes."""

    cluster: Cluster
    namespace: str

    def kubectl(self, user: str, *arguments: str, input: str | None = None) -> str:
        """As a user, who has the namespace's name in his own: other tests' users are others."""
        identity = f"--as={self.namespace}:{user}"
        return self.cluster.kubectl("-n", self.namespace, identity, *arguments, input=input)

    def apply(self, user: str, name: str, spec: dict[str, Any], **metadata: Any) -> str:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
        return self.kubectl(user, "create", "-f", "-", input=yaml.safe_dump(body))

    def bind(self, user: str, role: str, kind: str = "clusterrole") -> None:
        self.cluster.kubectl(
            "-n", self.namespace, "create", "rolebinding", f"{user}-{uuid.uuid4().hex[:4]}",
            f"--{kind}={role}", f"--user={self.namespace}:{user}",
        )  # fmt: skip


@pytest.fixture(scope="module")
def users(definition: Cluster) -> Iterator[Users]:
    """With the roles and the policy of a release of its own; users: viewer, editor, runs-only."""
    name = f"access-{uuid.uuid4().hex[:6]}"
    settings = ("admissionPolicy.requireJobCreation=true", "crds.create=false", "dashboards.enabled=false")
    rendered = [one for one in objects(*settings, release=name) if one["kind"] in CHART_KINDS]
    for one in rendered:
        if one["kind"] == "ValidatingAdmissionPolicyBinding":  # other tests' namespaces are not its concern
            selector = {"matchLabels": {"kubernetes.io/metadata.name": name}}
            one["spec"]["matchResources"] = {"namespaceSelector": selector}
    text = yaml.safe_dump_all(rendered)
    definition.kubectl("create", "namespace", name)
    definition.kubectl("apply", "-f", "-", input=text)
    found = Users(definition, name)
    found.bind("viewer", "view")
    found.bind("editor", "edit")
    verbs = "--verb=get,list,create,update,patch,delete"
    definition.kubectl(
        "-n", name, "create", "role", "runs-only", verbs, f"--resource={names.PLURAL}.{names.GROUP}"
    )
    found.bind("runs-only", "runs-only", "role")
    try:
        wait_until("the policy to be in force", lambda: not creates(found, "runs-only"), seconds=60)
        wait_until("the roles to be aggregated", lambda: creates(found, "editor"), seconds=60)
        yield found
    finally:
        definition.kubectl("delete", "-f", "-", "--wait=false", input=text)
        definition.kubectl("delete", "namespace", name, "--wait=false")


def creates(users: Users, user: str) -> bool:
    """Whether a user's run would be taken, by a dry run on the server."""
    body = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": "dry"}, "spec": RUN}
    try:
        users.kubectl(user, "create", "--dry-run=server", "-f", "-", input=yaml.safe_dump(body))
    except ClusterError:
        return False
    return True


@pytest.mark.parametrize(
    ("user", "verb", "allowed"),
    [
        ("viewer", "get", True),
        ("viewer", "watch", True),
        ("viewer", "create", False),
        ("viewer", "delete", False),
        ("editor", "create", True),
        ("editor", "patch", True),
        ("editor", "delete", True),
        ("editor", "deletecollection", True),
        ("nobody", "get", False),
    ],
)
def test_the_cluster_s_own_roles_know_trainingruns(users: Users, user: str, verb: str, allowed: bool) -> None:
    try:
        answer = users.kubectl(user, "auth", "can-i", verb, f"{names.PLURAL}.{names.GROUP}").strip()
    except ClusterError as error:  # "no" is an exit code
        answer = str(error)
    assert (answer == "yes") is allowed, answer


def test_nobody_but_the_operator_writes_a_status(users: Users) -> None:
    users.apply("editor", "honest", RUN)
    patch = ("patch", names.PLURAL, "honest", "--subresource=status", "--type=merge", "-p")
    with pytest.raises(ClusterError, match="trainingruns/status"):
        users.kubectl("editor", *patch, '{"status":{"phase":"Completed"}}')


def test_who_may_not_create_jobs_gets_none_by_way_of_a_run(users: Users) -> None:
    with pytest.raises(ClusterError, match="may not create Jobs in namespace") as refused:
        users.apply("runs-only", "mine", RUN)
    assert "ask for the verb create on jobs.batch there" in str(refused.value)


@pytest.mark.parametrize(
    ("what", "arguments", "refused"),
    [
        ("labelled", ("label", "team=a"), False),
        ("annotated", ("annotate", "note=a"), False),
        ("resumed", ("patch", "--type=merge", "-p", '{"spec":{"suspend":false}}'), True),
        ("retried", ("annotate", f"{names.RETRY_ANNOTATION}=again"), True),
        ("deleted", ("delete", "--wait=false"), False),
    ],
)
def test_nor_does_he_start_those_of_others(
    users: Users, what: str, arguments: tuple[str, ...], refused: bool
) -> None:
    users.apply("editor", what, RUN)
    verb, *rest = arguments
    command = ("runs-only", verb, names.PLURAL, what, *rest)
    if refused:
        with pytest.raises(ClusterError, match="may not create Jobs"):
            users.kubectl(*command)
    else:
        users.kubectl(*command)


CLAIM = {"claim": "data", "mountPath": "/data"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"pod": {"serviceAccountName": "admin"}}, "serviceAccountName"),
        ({"pod": {"hostNetwork": True}}, "hostNetwork"),
        ({"pod": {"hostPID": True}}, "hostPID"),
        ({"pod": {"hostIPC": True}}, "hostIPC"),
        ({"pod": {"automountServiceAccountToken": True}}, "automountServiceAccountToken"),
        ({"pod": {"securityContext": {"runAsUser": 0}}}, "securityContext"),
        ({"pod": {"containers": [{"name": "x", "image": "y"}]}}, "containers"),
        ({"pod": {"initContainers": [{"name": "x", "image": "y"}]}}, "initContainers"),
        ({"pod": {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}}, "volumes"),
        ({"pod": {"nodeName": "n1"}}, "nodeName"),
        ({"securityContext": {"privileged": True}}, "securityContext"),
        ({"volumes": [{**CLAIM, "hostPath": {"path": "/"}}]}, "hostPath"),
        ({"volumes": [{**CLAIM, "secret": {"secretName": "x"}}]}, "secret"),
        ({"volumes": [{**CLAIM, "namespace": "kube-system"}]}, "namespace"),
        ({"volumes": [{**CLAIM, "claim": "kube-system/data"}]}, "claim"),
        ({"volumes": [{**CLAIM, "mountPath": "/checkpoints/x"}]}, "mountPath"),
        ({"volumes": [{**CLAIM, "mountPath": "/data/../etc"}]}, "mountPath"),
        ({"volumes": [{**CLAIM, "subPath": "../x"}]}, "subPath"),
        ({"checkpoints": {"claim": "../x"}}, "claim"),
        ({"env": [{"name": "PET_MASTER_ADDR", "value": "evil"}]}, "environment variable"),
        ({"env": [{"name": "TRAININGRUN_UID", "value": "x"}]}, "environment variable"),
        ({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}]}, "valueFrom"),
        ({"envFrom": [{"secretRef": {"name": "x"}}]}, "envFrom"),
        ({"pod": {"labels": {"trainingrun.dev/run": "another"}}}, "labels"),
        ({"pod": {"labels": {"job-name": "another"}}}, "labels"),
        ({"pod": {"annotations": {"trainingrun.dev/config": "{}"}}}, "annotations"),
        ({"pod": {"labels": {"kueue.x-k8s.io/queue-name": "vip"}}}, "labels"),
        ({"resources": {"gpus": 0, "gpuResource": "cpu"}}, "gpuResource"),
    ],
)
def test_no_way_leads_from_a_run_to_more_than_a_restricted_pod(
    users: Users, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(ClusterError, match=named):
        users.apply("editor", "escalation", {**RUN, **change})
