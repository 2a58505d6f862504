"""The API server as the operator uses it: a few verbs on raw objects.

The official synchronous client is transport only. Its typed models would cost several times the CPU and
refuse fields that they do not know; dicts pass through.

Children are created by POST, not by server-side apply: apply is an upsert, so it would take over an object of
the same name that belongs to somebody else, and bring a deleted Job back to life. POST answers AlreadyExists
instead, in one request, and children never change afterwards. The status is replaced as a whole (PUT with the
resourceVersion that the decision rested on): one write, nothing stale left in it, refused where somebody was
quicker.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol

import urllib3
from kubernetes import config as kube_config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTResponse
from pydantic_core import from_json

from trainingrun_api import names
from trainingrun_operator.errors import (
    ApiError,
    ConflictError,
    NoCredentialsError,
    NotFoundError,
    UnavailableError,
    from_status,
)
from trainingrun_operator.observed import Raw

USER_AGENT = f"trainingrun-operator/{version('trainingrun')}"
CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
RETRY_DELAYS = (0.2, 1.0, 3.0)
"""Seconds before each repetition of a request that failed without an answer, or with 429 or 5xx. Repeating is
safe: a create that came through answers AlreadyExists, an update that came through answers Conflict."""
LONGEST_RETRY_AFTER = 10.0
"""A server that asks for a longer pause gets the request back by the work queue."""
PAGE_SIZE = 500
WATCH_SECONDS = 300
"""When the API server ends a watch, which is then begun again."""
SILENCE_SECONDS = 70.0
"""Longer than between two bookmarks of a watch."""
WATCH_CHUNK = 1 << 16
"""Bytes of a watch that are read at most at once."""
JSON = "application/json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
NO_ANSWER = 0
"""Stands for an HTTP status where there was none."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object and where the API serves it."""

    api_version: str
    plural: str

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of a collection, an object or a subresource."""
        parts = ["/api" if "/" not in self.api_version else "/apis", self.api_version]
        parts += ["namespaces", namespace] if namespace else []
        return "/".join(part for part in (*parts, self.plural, name, subresource) if part)


RUNS = Resource(names.API_VERSION, names.PLURAL)
JOBS = Resource("batch/v1", "jobs")
PODS = Resource("v1", "pods")
LEASES = Resource("coordination.k8s.io/v1", "leases")
WORKLOADS = Resource("kueue.x-k8s.io/v1beta2", "workloads")
RESOURCES = {
    names.KIND: RUNS,
    "Job": JOBS,
    "Pod": PODS,
    "Service": Resource("v1", "services"),
    "PersistentVolumeClaim": Resource("v1", "persistentvolumeclaims"),
    "Event": Resource("events.k8s.io/v1", "events"),
    "Lease": LEASES,
}
"""By kind, for what is created and deleted."""


class Cluster(Protocol):
    """What the reconciler needs of an API server. All verbs raise ApiError and UnavailableError."""

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None where it does not exist."""

    def create(self, manifest: Raw) -> dict[str, Any]:
        """The created object; raises AlreadyExistsError."""

    def replace_status(self, run: Raw) -> dict[str, Any]:
        """The TrainingRun after its status was replaced; raises ConflictError and NotFoundError."""

    def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, grace_seconds: int | None = None
    ) -> None:
        """Deletes this very object; that it is gone already, or another one by now, is success."""

    def find(
        self, resource: Resource, namespace: str, selector: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        """All objects of a kind with these labels and fields in a namespace."""

    def list_versions(self, resource: Resource, namespace: str | None, selector: str = "") -> dict[str, str]:
        """resourceVersions of all objects of a kind in one namespace, or in all, by UID."""


class ApiCluster:
    """The real thing. Threads may share one."""

    def __init__(
        self,
        client: ApiClient,
        pause: Callable[[float], object],
        count: Callable[[str, str, int], None],
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """`pause` sleeps for some seconds; `count` learns verb, plural and HTTP status (0: no answer) of
        each try; `may_write` is asked before each try that changes something."""
        self._client = client
        self._pause = pause
        self._count = count
        self._may_write = may_write

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None where it does not exist."""
        try:
            return self._request("get", "GET", resource, resource.path(namespace, name))
        except NotFoundError:
            return None

    def create(self, manifest: Raw) -> dict[str, Any]:
        """The created object; raises AlreadyExistsError."""
        resource = RESOURCES[manifest["kind"]]
        path = resource.path(manifest["metadata"]["namespace"])
        return self._request(
            "create", "POST", resource, path, {"fieldManager": names.FIELD_MANAGER}, manifest
        )

    def replace_status(self, run: Raw) -> dict[str, Any]:
        """The TrainingRun after its status was replaced; raises ConflictError and NotFoundError."""
        meta = run["metadata"]
        path = RUNS.path(meta["namespace"], meta["name"], "status")
        return self._request("update", "PUT", RUNS, path, {"fieldManager": names.FIELD_MANAGER}, run)

    def replace(self, resource: Resource, body: Raw) -> dict[str, Any]:
        """The object after it was replaced; raises ConflictError and NotFoundError."""
        path = resource.path(body["metadata"]["namespace"], body["metadata"]["name"])
        return self._request("update", "PUT", resource, path, {"fieldManager": names.FIELD_MANAGER}, body)

    def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, grace_seconds: int | None = None
    ) -> None:
        """Deletes this very object; that it is gone already, or another one by now, is success."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
            **({} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}),
        }
        with suppress(NotFoundError, ConflictError):
            self._request("delete", "DELETE", resource, resource.path(namespace, name), body=options)

    def find(
        self, resource: Resource, namespace: str, selector: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        """All objects of a kind with these labels and fields in a namespace."""
        pages = self._pages(resource, namespace, selector, JSON, fields)
        return [item for page in pages for item in page["items"]]

    def list_all(
        self, resource: Resource, namespace: str | None, selector: str
    ) -> tuple[list[dict[str, Any]], str]:
        """All objects of a kind with these labels in one namespace, or in all, and the list's version."""
        items: list[dict[str, Any]] = []
        version = ""
        for page in self._pages(resource, namespace, selector, JSON):
            items += page["items"]
            version = page["metadata"]["resourceVersion"]
        return items, version

    def watch(
        self, resource: Resource, namespace: str | None, selector: str, version: str
    ) -> Iterator[dict[str, Any]]:
        """The events after a version, as the API server words them, until it ends the watch, or falls silent
        though it owes a bookmark each minute: connections die unnoticed.

        Raises ApiError and UnavailableError.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
            "labelSelector": selector,
        }
        path = resource.path(namespace)
        try:
            answer = self._call("GET", path, query, None, JSON, SILENCE_SECONDS)
            self._count("watch", resource.plural, answer.status)
            if answer.status != 200:
                data: bytes = answer.read()  # type: ignore[no-untyped-call]
                raise _Answer(answer.status, data).error()
            with closing(answer.response) as stream:
                rest = b""
                for chunk in stream.stream(WATCH_CHUNK):
                    *lines, rest = (rest + chunk).split(b"\n")
                    yield from map(from_json, lines)
        except urllib3.exceptions.ReadTimeoutError:
            return
        except (urllib3.exceptions.HTTPError, ApiException) as error:
            raise UnavailableError(f"watch {path}: {error}") from error

    def list_versions(self, resource: Resource, namespace: str | None, selector: str = "") -> dict[str, str]:
        """resourceVersions of all objects of a kind in one namespace, or in all, by UID; the server sends
        nothing but metadata."""
        pages = self._pages(resource, namespace, selector, METADATA_ONLY)
        # An empty list of bare metadata comes as null.
        found = (item["metadata"] for page in pages for item in page["items"] or ())
        return {meta["uid"]: meta["resourceVersion"] for meta in found}

    def serves(self, resource: Resource) -> bool:
        """Whether the API server knows a kind by now, as clients discover it."""
        group = Resource(resource.api_version, "")
        try:
            known = self._request("get", "GET", resource, group.path(None))
        except NotFoundError:
            return False
        return any(entry["name"] == resource.plural for entry in known["resources"])

    def _pages(
        self, resource: Resource, namespace: str | None, selector: str, accept: str, fields: str = ""
    ) -> Iterator[dict[str, Any]]:
        chosen = {"labelSelector": selector, "fieldSelector": fields}
        query = {"limit": str(PAGE_SIZE), **{name: text for name, text in chosen.items() if text}}
        while True:
            page = self._request("list", "GET", resource, resource.path(namespace), query, accept=accept)
            yield page
            if not (token := page["metadata"].get("continue")):
                return
            query["continue"] = token

    def _request(
        self,
        verb: str,
        method: str,
        resource: Resource,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Raw | None = None,
        accept: str = JSON,
    ) -> dict[str, Any]:
        delays = iter(RETRY_DELAYS)
        while True:
            if method != "GET" and not self._may_write():
                raise UnavailableError(f"{method} {path}: another operator may have taken over")
            answer = self._send(method, path, query, body, accept)
            self._count(verb, resource.plural, answer.status)
            if 200 <= answer.status < 300:
                loaded: dict[str, Any] = json.loads(answer.data)
                return loaded
            error = answer.error()
            delay = next(delays, None)
            if isinstance(error, ApiError) or delay is None or answer.retry_after > LONGEST_RETRY_AFTER:
                raise error
            log.debug("%s %s: %s; trying again", method, path, error)
            self._pause(max(delay, answer.retry_after))

    def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Raw | None, accept: str
    ) -> "_Answer":
        try:
            response = self._call(method, path, query, body, accept, READ_SECONDS)
            data: bytes = response.read()  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, ApiException) as error:
            return _Answer(NO_ANSWER, f"{method} {path}: {error}".encode())
        asked: str = response.getheader("Retry-After", "")  # type: ignore[no-untyped-call]
        return _Answer(response.status, data, float(asked) if asked.isdigit() else 0.0)

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Raw | None,
        accept: str,
        read_seconds: float,
    ) -> RESTResponse:
        serialized = self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": accept, "Content-Type": JSON},
            body=body,
            auth_settings=["BearerToken"],
        )
        return self._client.call_api(*serialized, _request_timeout=(CONNECT_SECONDS, read_seconds))


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    data: bytes
    retry_after: float = 0.0

    def error(self) -> ApiError | UnavailableError:
        try:
            told = json.loads(self.data)
        except ValueError:
            return from_status(self.status, "", self.data.decode(errors="replace")[:1024])
        return from_status(self.status, told.get("reason", ""), told.get("message", ""))


def connect(connections: int) -> ApiClient:
    """A client by the pod's service account, or by KUBECONFIG where there is none.

    Raises NoCredentialsError where there is neither.
    """
    settings = Configuration()
    try:
        kube_config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except kube_config.ConfigException:
        try:
            kube_config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except kube_config.ConfigException as error:
            raise NoCredentialsError(f"neither a service account nor a kubeconfig: {error}") from error
    settings.connection_pool_maxsize = connections
    # Repetitions are counted and bounded here; urllib3's own would hide them.
    settings.retries = False
    client = ApiClient(settings)
    client.user_agent = USER_AGENT
    return client
