"""The real API server as the judge: ServiceAccounts with different rights, and the routes that they call."""

import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
import uvicorn
import yaml
from starlette.testclient import TestClient

from tests.cluster import Cluster
from tests.cluster.images import build
from tests.helpers.console_scene import StillHub, training
from tests.helpers.definition import install_definition
from trainingrun_api import names
from trainingrun_client.connection import Connection, connect
from trainingrun_client.pod_logs import PODS, RUNS
from trainingrun_client.run import TrainingRun
from trainingrun_console.access.cluster_gate import ClusterGate, with_token
from trainingrun_console.access.limits import SERVER
from trainingrun_console.api.app import create_app
from trainingrun_console.collecting.observed import run_of
from trainingrun_console.console import Console
from trainingrun_console.history.store import History
from trainingrun_console.settings import Settings

pytestmark = pytest.mark.cluster
RULES = "rbac.authorization.k8s.io/v1"
READ, CHANGE = ["get", "list", "watch"], ["get", "list", "create", "patch", "delete"]
KEPT_SECONDS = 0.5


@dataclass
class Place:
    """Two namespaces, their users' tokens, and the service."""

    admin: Connection
    own: Connection
    """The service's, by its own account."""
    mine: str
    """A namespace that the viewer may read."""
    theirs: str
    """A namespace that the editor may change."""
    tokens: Mapping[str, str]
    history: History
    app: Any

    def client(self, user: str) -> TestClient:
        """Somebody's requests."""
        headers = {"Authorization": f"Bearer {self.tokens[user]}"}
        return TestClient(self.app, "http://console.test", headers=headers)

    def made(self, namespace: str, name: str) -> str:
        """A suspended run, which the history knows; its run_id."""
        spec = training(suspend=True, volumes=[{"claim": "data", "mountPath": "/data"}])
        raw = self.admin.create(RUNS.path(namespace), manifest(name, namespace, spec))
        run = run_of(raw)
        self.history.save(run)
        return run.run_id


def manifest(name: str, namespace: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "trainingrun.dev/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {"name": name, "namespace": namespace},
        "spec": dict(spec),
    }


def rights(namespace: str, user: str, verbs: list[str], *, logs: bool = False) -> list[dict[str, Any]]:
    """A Role and its binding for an account of the same namespace."""
    rules = [{"apiGroups": ["trainingrun.dev"], "resources": ["trainingruns"], "verbs": verbs}]
    if logs:
        rules.append(
            {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list", "watch"]}
        )
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user}
    subject = {"kind": "ServiceAccount", "name": user, "namespace": namespace}
    meta = {"name": user, "namespace": namespace}
    return [
        {"apiVersion": RULES, "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": RULES,
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": reference,
            "subjects": [subject],
        },
    ]


def reviewing(name: str, namespace: str) -> list[dict[str, Any]]:
    """What the service may: ask who calls and what they may, and nothing else."""
    reference = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "system:auth-delegator",
    }
    subject = {"kind": "ServiceAccount", "name": "console", "namespace": namespace}
    return [
        {
            "apiVersion": RULES,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": reference,
            "subjects": [subject],
        }
    ]


@pytest.fixture(scope="module")
def place(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    install_definition(cluster)
    name = f"console-{secrets.token_hex(3)}"
    mine, theirs = f"{name}-mine", f"{name}-theirs"
    users = {"viewer": mine, "editor": theirs, "nobody": mine, "gone": mine, "reader": mine, "console": mine}
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}} for each in (mine, theirs)
    ]
    objects += [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": user, "namespace": namespace}}
        for user, namespace in users.items()
    ]
    objects += [
        *rights(mine, "viewer", READ),
        *rights(theirs, "editor", CHANGE),
        *rights(mine, "reader", READ, logs=True),
        *reviewing(name, mine),
    ]
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))
    tokens = {
        user: cluster.kubectl("create", "token", user, "-n", namespace).strip()
        for user, namespace in users.items()
    }
    cluster.kubectl("delete", "serviceaccount", "gone", "-n", mine)
    admin = connect(kubeconfig=cluster.kubeconfig)
    own = with_token(admin, tokens["console"])
    history = History.open(f"sqlite:///{tmp_path_factory.mktemp('console')}/history.db")
    settings = Settings(loopback=False, namespaces=(mine, theirs), allowed_hosts=("console.test",))
    gate = ClusterGate(own, seconds=KEPT_SECONDS)
    app = create_app(Console(settings, history, cast(Any, StillHub()), gate))
    yield Place(admin, own, mine, theirs, tokens, history, app)
    history.close()
    cluster.kubectl("delete", "clusterrolebinding", name)
    cluster.kubectl("delete", "namespace", mine, theirs, "--wait=false")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        # answers to: viewer of mine, editor of theirs, nobody, an account that is deleted
        ("GET", "/runs/{mine}", (200, 404, 404, 401)),
        ("GET", "/runs/{theirs}", (404, 200, 404, 401)),
        ("GET", "/runs?namespace={theirs_namespace}", (403, 200, 403, 401)),
        ("GET", "/runs/{mine}/pods", (403, 404, 404, 401)),
        ("GET", "/runs/{theirs}/logs", (404, 403, 404, 401)),
        ("POST", "/runs/{mine}/suspend", (403, 404, 404, 401)),
        ("POST", "/runs/{theirs}/suspend", (404, 200, 404, 401)),
        ("POST", "/runs/{theirs}/retry", (404, 409, 404, 401)),
        ("POST", "/api/training/{mine}/run", (403, 404, 404, 401)),
        ("POST", "/api/training/{theirs}/run", (404, 201, 404, 401)),
        ("DELETE", "/runs/{mine}", (403, 404, 404, 401)),
        ("DELETE", "/runs/{theirs}", (404, 204, 404, 401)),
    ],
)
def test_each_account_gets_what_its_roles_allow(
    place: Place, method: str, path: str, expected: tuple[int, ...]
) -> None:
    name = f"run-{secrets.token_hex(3)}"
    runs = {"mine": place.made(place.mine, name), "theirs": place.made(place.theirs, name)}
    target = path.format(**runs, theirs_namespace=place.theirs)
    answers = [place.client(user).request(method, target) for user in ("viewer", "editor", "nobody", "gone")]
    assert tuple(answer.status_code for answer in answers) == expected
    for answer in answers:
        assert not any(token in answer.text for token in place.tokens.values())


def test_a_list_holds_the_runs_of_ones_own_namespace(place: Place) -> None:
    name = f"run-{secrets.token_hex(3)}"
    place.made(place.mine, name)
    place.made(place.theirs, name)
    for user, expected in (("viewer", [place.mine]), ("editor", [place.theirs]), ("nobody", [])):
        found = place.client(user).get(f"/runs?text={name}").json()["runs"]
        assert [each["namespace"] for each in found] == expected


def test_the_services_own_account_changes_nothing_for_anybody(place: Place) -> None:
    answer = place.client("console").post("/runs", json=manifest("x", place.mine, training()))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({**training(), "nodes": 0}, "spec.nodes"),
        ({**training(), "nodez": 1}, "spec.nodez"),
        ({**training(), "command": ["true"]}, "spec"),
        ({**training(0)}, "spec.training.maxEpochs"),
    ],
)
def test_what_the_api_server_refuses_is_told_by_its_fields(
    place: Place, spec: Mapping[str, Any], field: str
) -> None:
    answer = place.client("editor").post("/runs?dry_run=true", json=manifest("wrong", place.theirs, spec))
    assert answer.status_code == 422
    assert field in [each["field"] for each in answer.json()["errors"]]


def test_an_experiment_that_the_api_server_refuses_is_told_by_the_words_of_the_request(place: Place) -> None:
    body = {
        "run_name": "exp_001",
        "claim": "data",
        "namespace": place.theirs,
        "config_overrides": {"experiment.epochs": 0, "system.batch_size": "many", "suspend": True},
    }
    refused = place.client("editor").post("/experiments/centralized", json=body)
    assert refused.status_code == 422
    assert {each["field"] for each in refused.json()["errors"]} == {
        "body.config_overrides.experiment.epochs",
        "body.config_overrides.system.batch_size",
    }
    body["config_overrides"] = {"experiment.epochs": 2, "suspend": True}
    started = place.client("editor").post("/experiments/centralized", json=body)
    assert started.status_code == 201
    assert place.client("editor").get(started.headers["location"]).json()["total_epochs"] == 2
    assert place.client("editor").post("/experiments/centralized", json=body).status_code == 409


def test_another_run_of_the_same_name_is_left_alone(place: Place) -> None:
    name = f"run-{secrets.token_hex(3)}"
    before = place.made(place.theirs, name)
    place.admin.delete(RUNS.path(place.theirs, name))
    after = place.made(place.theirs, name)
    client = place.client("editor")
    assert client.post(f"/runs/{before}/resume").status_code == 410
    assert client.delete(f"/runs/{before}").status_code == 410
    assert client.delete(f"/runs/{after}").status_code == 204


def logging_pod(run: TrainingRun, image: str) -> dict[str, Any]:
    """Says ten lines of two ranks at once, then one a second."""
    line = """'{"rank": %d, "message": "line %d"}\\n' $((n % 2)) $n"""
    script = f"n=0; while true; do printf {line}; n=$((n + 1)); [ $n -lt 10 ] || sleep 1; done"
    labels = {names.UID_LABEL: run.uid, names.ATTEMPT_LABEL: "1", names.COMPLETION_INDEX_LABEL: "0"}
    container = {"name": names.CONTAINER_NAME, "image": image, "command": ["sh", "-c", script]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{run.name}-1-0", "labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }


def test_logs_are_read_and_followed_until_the_reader_leaves(place: Place, cluster: Cluster) -> None:
    run_id = place.made(place.mine, name := f"run-{secrets.token_hex(3)}")
    run = TrainingRun(place.admin.get(RUNS.path(place.mine, name)))
    place.admin.create(PODS.path(place.mine), logging_pod(run, cluster.load_image(build("base"))))
    cluster.kubectl("wait", "-n", place.mine, "--for=condition=Ready", f"pod/{name}-1-0", "--timeout=60s")
    client, path = place.client("reader"), f"/runs/{run_id}/logs"
    [pod] = client.get(f"/runs/{run_id}/pods").json()["pods"]
    assert (pod["attempt"], pod["phase"], pod["first_rank"], pod["last_rank"]) == (1, "Running", 0, 0)
    assert len(client.get(f"{path}?tail=3").text.splitlines()) == 3
    ranked = [json.loads(line) for line in client.get(f"{path}?rank=1&format=jsonl").text.splitlines()]
    assert [each["message"] for each in ranked[:3]] == ["line 1", "line 3", "line 5"]
    assert {each["rank"] for each in ranked} == {1}
    with serving(place.app) as url, httpx.Client(headers={**client.headers, "Host": "console.test"}) as real:
        with real.stream("GET", f"{url}{path}?follow=true&tail=2&format=jsonl", timeout=30) as answer:
            lines = [
                json.loads(line)["message"] for line, _ in zip(answer.iter_lines(), range(5), strict=False)
            ]
        numbers = [int(line.removeprefix("line ")) for line in lines]
        assert numbers == list(range(numbers[0], numbers[0] + 5))
        deadline = time.monotonic() + 30
        while any(each.name == "followed-log" for each in threading.enumerate()):
            assert time.monotonic() < deadline, "a reader left and its thread stays"
            time.sleep(0.2)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """A real server on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", **SERVER))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def test_a_token_is_in_no_log(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    place.client("viewer").get("/runs")
    place.client("gone").get("/runs")
    assert caplog.text
    assert not any(token in caplog.text for token in place.tokens.values())


def test_an_api_server_that_is_away_is_told_as_such(place: Place) -> None:
    away = with_token(place.own, place.tokens["console"])
    away.client.configuration.host = "https://127.0.0.1:9"
    settings = Settings(loopback=False, allowed_hosts=("*",))
    app = create_app(Console(settings, place.history, cast(Any, StillHub()), ClusterGate(away)))
    answer = TestClient(app).get("/runs", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
