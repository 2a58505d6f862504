"""A console with callers of all kinds and a history of some runs, for tests of what it lets through.

The gate knows its users by a table instead of an API server; the API server behind their connections keeps
objects in memory and refuses what their rights do not allow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from kubernetes.client import ApiClient, Configuration
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from trainingrun_api import names
from trainingrun_api.reasons import Phase
from trainingrun_client.connection import Connection
from trainingrun_client.errors import from_answer
from trainingrun_console.access import csrf, proof
from trainingrun_console.access.caller import Caller
from trainingrun_console.api.app import create_app
from trainingrun_console.console import Console
from trainingrun_console.history.records import Artifact, Attempt, Event, Run
from trainingrun_console.history.store import History
from trainingrun_console.settings import Settings

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
READ = frozenset({"get", "list"})
CHANGE = READ | {"create", "patch", "delete"}
Objects = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class User:
    """Somebody, and what they may do with trainingruns."""

    name: str
    rights: Mapping[str | None, frozenset[str]] = field(default_factory=dict)
    """By namespace; None: in all of them."""

    def may(self, verb: str, namespace: str | None) -> bool:
        return verb in self.rights.get(None, ()) or verb in self.rights.get(namespace, ())


USERS = {
    "admin-token": User("admin", {None: CHANGE}),
    "viewer-token": User("viewer", {"radiology": READ}),
    "editor-token": User("editor", {"cardiology": CHANGE}),
    "nobody-token": User("nobody"),
}


class MemoryServer(Connection):
    """An API server for one user: objects by path, in memory that all users share."""

    def __init__(self, user: User, objects: Objects) -> None:
        super().__init__(ApiClient(Configuration()), "default", "memory")
        self.user, self.objects = user, objects

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        self._allow("get", path)
        return self._found(path)

    def list(self, path: str, query: Mapping[str, str] | None = None) -> tuple[list[dict[str, Any]], str]:
        self._allow("list", path)
        return [each for key, each in self.objects.items() if key.startswith(f"{path}/")], "1"

    def create(
        self, path: str, manifest: Mapping[str, Any], query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        self._allow("create", path)
        key = f"{path}/{manifest['metadata']['name']}"
        if key in self.objects:
            raise from_answer(409, b'{"reason": "AlreadyExists", "message": "exists"}')
        if manifest["spec"].get("nodes", 1) < 1:
            cause = '{"field": "spec.nodes", "message": "should be greater than or equal to 1"}'
            raise from_answer(422, f'{{"message": "is invalid", "details": {{"causes": [{cause}]}}}}')
        uid = f"{len(self.objects):08x}-0000-4000-8000-000000000000"
        meta = {**manifest["metadata"], "uid": uid, "creationTimestamp": "2026-02-01T00:00:00Z"}
        made = {**manifest, "metadata": meta}
        if not (query or {}).get("dryRun"):
            self.objects[key] = made
        return made

    def patch(self, path: str, change: Mapping[str, Any]) -> dict[str, Any]:
        self._allow("patch", path)
        found = self._found(path)
        self.objects[path] = {
            **found,
            "metadata": {**found["metadata"], **change.get("metadata", {})},
            "spec": {**found["spec"], **change.get("spec", {})},
        }
        return self.objects[path]

    def delete(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        self._allow("delete", path)
        self._found(path)
        del self.objects[path]

    def _found(self, path: str) -> dict[str, Any]:
        if path not in self.objects:
            raise from_answer(404, b'{"message": "not found"}')
        return self.objects[path]

    def _allow(self, verb: str, path: str) -> None:
        namespace = path.split("/namespaces/")[1].split("/")[0]
        if not self.user.may(verb, namespace):
            raise from_answer(403, f'{{"message": "{self.user.name} cannot {verb} in {namespace}"}}')


@dataclass(frozen=True)
class TableCaller:
    """One of the users."""

    user: User
    token: str
    objects: Objects

    @property
    def name(self) -> str:
        return self.user.name

    @property
    def csrf(self) -> str:
        return csrf.token(self.token)

    def may(self, verb: str, namespace: str | None) -> bool:
        return self.user.may(verb, namespace)

    def connection(self) -> Connection:
        return MemoryServer(self.user, self.objects)


class TableGate:
    """Knows its users by their tokens."""

    cookie, secure = "trainingrun", False

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def caller(self, request: HTTPConnection) -> Caller:
        given = proof.presented(request, self.cookie)
        user = USERS.get(given.secret)
        if user is None:
            raise proof.unauthorized("the cluster does not know the token, or it has expired: log in again")
        found = TableCaller(user, given.secret, self.objects)
        if given.by_cookie:
            csrf.check(request, found.csrf)
        return found

    def enter(self, secret: str, request: HTTPConnection) -> str:
        if secret not in USERS:
            raise proof.unauthorized("the cluster does not know the token")
        return secret

    def leave(self, request: HTTPConnection) -> None:
        """Nothing is kept."""


class StillHub:
    """Takes note of nothing."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def changed(self, run_id: str) -> None:
        self.told.append(run_id)


def training(epochs: int = 3, **more: Any) -> dict[str, Any]:
    """A spec of the built-in trainer."""
    data = {"format": "zip", "path": "/data/a.zip"}
    return {
        "training": {"task": "classification", "data": data, "maxEpochs": epochs},
        "checkpoints": {"size": "1Gi"},
        **more,
    }


def run(name: str, namespace: str, phase: Phase, number: int, spec: Mapping[str, Any], **more: Any) -> Run:
    """A run and its object."""
    uid = f"{number:08x}-1111-4000-8000-000000000000"
    meta = {"name": name, "namespace": namespace, "uid": uid, "creationTimestamp": "2026-01-31T10:00:00Z"}
    run_id = f"{name}-{uid[:8]}"
    status = {
        "phase": str(phase),
        "checkpointClaim": "results",
        "runDirectory": f"{names.CHECKPOINTS_DIR}/{run_id}",
    }
    told: dict[str, Any] = {
        "run_id": run_id,
        "namespace": namespace,
        "name": name,
        "uid": uid,
        "created_at": START + timedelta(minutes=number),
        "phase": phase,
        "project": spec.get("project"),
        "task": "classification",
        "object": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": meta,
            "spec": dict(spec),
            "status": status,
        },
    }
    return Run(**{**told, **more})


DONE = run(
    "chest", "radiology", Phase.COMPLETED, 1, training(), epoch=3, total_epochs=3, training_time=30.0,
    completed_at=START + timedelta(hours=1),
    artifacts=(Artifact("results.json", 12), Artifact("plots/a.png", 3)),
)  # fmt: skip
BROKEN = run(
    "heart", "cardiology", Phase.FAILED, 2, training(project="hearts"), reason="Oom", message="memory"
)
BUSY = run("beat", "cardiology", Phase.RUNNING, 3, training(5, project="beats"), epoch=1, total_epochs=5)
SECRET = run("plan", "secret", Phase.COMPLETED, 4, training(), epoch=1)
RUNS: Sequence[Run] = (DONE, BROKEN, BUSY, SECRET)
EPOCHS = [
    {"epoch": 1, "global_step": 4, "train_loss": 0.75, "val_loss": 0.5, "learning_rate": 0.001},
    {"epoch": 2, "global_step": 8, "train_loss": 0.5, "val_loss": 0.25, "learning_rate": 0.001},
    {"epoch": 3, "global_step": 12, "train_loss": 0.25, "val_loss": 0.125, "learning_rate": 0.0001},
]


def objects() -> Objects:
    """The runs, as an API server has them by their paths."""
    base = f"/apis/{names.API_VERSION}/namespaces"
    return {f"{base}/{each.namespace}/{names.PLURAL}/{each.name}": dict(each.object) for each in RUNS}


def fill(history: History) -> None:
    """Puts the runs into a history."""
    for each in RUNS:
        history.save(each)
    history.save_epochs(DONE.run_id, EPOCHS)
    history.save_attempts(
        BROKEN.run_id, [Attempt(number=1, outcome="Failed", reason="Oom", started_at=START, ended_at=START)]
    )
    history.save_events(
        BROKEN.run_id, [Event(uid="e1", time=START, type="Warning", reason="Oom", message="memory")]
    )


class Scene:
    """An application with those users and runs, and how they call it."""

    def __init__(self, database_url: str, **settings: Any) -> None:
        self.history = History.open(database_url)
        fill(self.history)
        self.objects = objects()
        self.hub = StillHub()
        given = {
            "loopback": False,
            "namespaces": ("radiology", "cardiology", "secret"),
            "allowed_hosts": ("console.test",),
            "requests_per_second": 1e6,
            **settings,
        }
        self.console = Console(Settings(**given), self.history, cast(Any, self.hub), TableGate(self.objects))
        self.app = create_app(self.console)

    def client(self, token: str | None = "admin-token") -> TestClient:
        """Somebody's requests."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return TestClient(
            self.app, "http://console.test", headers=headers, raise_server_exceptions=False,
            follow_redirects=False,
        )  # fmt: skip

    def reset(self) -> None:
        """Makes the API server's objects those of the beginning."""
        self.objects.clear()
        self.objects.update(objects())

    def close(self) -> None:
        """Ends the history."""
        self.history.close()
