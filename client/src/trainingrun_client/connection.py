"""The way to an API server: which kubeconfig and context, which namespace, and one HTTP client.

The rest of the package asks it for raw objects (dicts); `errors.translated` says what can go wrong.
"""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import urllib3
import yaml
from kubernetes import config as kube_config
from kubernetes.client import ApiClient, Configuration
from pydantic_core import from_json

from trainingrun_client.errors import ConfigError, InputError, from_answer, translated

CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
SILENCE_SECONDS = 90.0
"""Longer than between two bookmarks of a watch."""
WATCH_SECONDS = 300
CHUNK = 1 << 16
PAGE_SIZE = 500
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
RETRIES = urllib3.Retry(
    total=3,
    backoff_factor=0.3,
    status_forcelist=(429, 503),
    allowed_methods=frozenset({"GET"}),
    raise_on_status=False,
)
"""A write is never repeated behind the caller's back."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object and where the API serves it."""

    api_version: str
    plural: str

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """URL path of a collection, an object or a subresource; without namespace, of all of them.

        Raises InputError where a name is none: an empty one would be the whole collection.
        """
        parts = ["/api" if "/" not in self.api_version else "/apis", self.api_version]
        parts += ["namespaces", legal(namespace, "a namespace")] if namespace is not None else []
        parts.append(self.plural)
        parts += [legal(name, "an object")] if name is not None else []
        return "/".join([*parts, subresource] if subresource else parts)


def legal(name: object, what: str) -> str:
    """The name, as Kubernetes allows it (RFC 1123 subdomain). Raises InputError."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be the name of {what}: write small letters, digits, '-' and '.', as my-run"
        )
    return name


class Connection:
    """One API server. Threads may share it.

    Every method raises ApiError (and what is below it) and UnreachableError.
    """

    def __init__(self, client: ApiClient, namespace: str, context: str) -> None:
        self.client = client
        """For what the libraries around the Kubernetes client want to have."""
        self.namespace = namespace
        """Of the context; `default` where it names none."""
        self.context = context
        """Its name; `in-cluster` in a pod."""

    @property
    def host(self) -> str:
        """URL of the API server."""
        return str(self.client.configuration.host)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One object, or the first page of a list."""
        return self._json("GET", path, query)

    def list(self, path: str, query: Mapping[str, str] | None = None) -> tuple[list[dict[str, Any]], str]:
        """All objects of a collection, and the version that a watch goes on from."""
        items: list[dict[str, Any]] = []
        wanted = {"limit": str(PAGE_SIZE), **(query or {})}
        while True:
            page = self._json("GET", path, wanted)
            items += page["items"]
            token = page["metadata"].get("continue")
            if not token:
                return items, page["metadata"]["resourceVersion"]
            wanted["continue"] = token

    def create(
        self, path: str, manifest: Mapping[str, Any], query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The object as it was created. With {"dryRun": "All"}, as it would be."""
        return self._json("POST", path, query, manifest)

    def patch(self, path: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """The object after a JSON merge patch (RFC 7386)."""
        return self._json("PATCH", path, None, change, content_type=MERGE_PATCH)

    def delete(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        """Deletes an object; its children go after it."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        self._json("DELETE", path, None, {**body, **(options or {})})

    def watch(
        self, path: str, query: Mapping[str, str], version: str, seconds: float | None = None
    ) -> Iterator[dict[str, Any]]:
        """The events after a version, until the server ends the watch, at the latest after so many seconds.

        Raises UnreachableError where the server falls silent, though it owes a bookmark each minute.
        """
        longest = WATCH_SECONDS if seconds is None else math.ceil(min(WATCH_SECONDS, seconds))
        wanted = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(longest),
        }
        for line in self.lines(path, wanted, min(SILENCE_SECONDS, longest + READ_SECONDS)):
            yield from_json(line)

    def lines(
        self, path: str, query: Mapping[str, str], read_seconds: float = READ_SECONDS
    ) -> Iterator[bytes]:
        """An answer line by line, as it comes in; the last one even where no newline ends it."""
        with translated():
            answer = self._call("GET", path, query, None, "*/*", JSON, read_seconds)
            if answer.status != 200:
                raise from_answer(answer.status, answer.read())
            with closing(answer.response) as stream:
                rest = b""
                for chunk in stream.stream(CHUNK):
                    *whole, rest = (rest + chunk).split(b"\n")
                    yield from whole
                if rest:
                    yield rest

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
    ) -> dict[str, Any]:
        with translated():
            answer = self._call(method, path, query, body, JSON, content_type, READ_SECONDS)
            data = answer.read()
        if not 200 <= answer.status < 300:
            raise from_answer(answer.status, data)
        loaded: dict[str, Any] = from_json(data)
        return loaded

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        accept: str,
        content_type: str,
        read_seconds: float,
    ) -> Any:
        serialized = self.client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": accept, "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        return self.client.call_api(*serialized, _request_timeout=(CONNECT_SECONDS, read_seconds))


@dataclass(frozen=True, slots=True)
class Collection:
    """Objects of one kind that fulfil a query: what `following.follow` follows."""

    connection: Connection
    path: str
    query: Mapping[str, str]

    def list(self) -> tuple[list[dict[str, Any]], str]:
        """All of them, and the version to watch from."""
        return self.connection.list(self.path, self.query)

    def watch(self, version: str, seconds: float | None) -> Iterator[dict[str, Any]]:
        """Events after a version."""
        return self.connection.watch(self.path, self.query, version, seconds)


def connect(
    context: str | None = None, kubeconfig: str | Path | None = None, namespace: str | None = None
) -> Connection:
    """By a kubeconfig, as kubectl finds it (--kubeconfig, KUBECONFIG, ~/.kube/config); in a pod without one,
    by its service account.

    Raises ConfigError.
    """
    settings = Configuration()
    path = None if kubeconfig is None else str(kubeconfig)
    try:
        contexts, active = kube_config.list_kube_config_contexts(config_file=path)  # type: ignore[no-untyped-call]
        chosen = _chosen(contexts, active, context)
        kube_config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=path, context=context, client_configuration=settings
        )
        of_context = chosen["context"].get("namespace")
        name = chosen["name"]
    except yaml.YAMLError as error:
        raise ConfigError(f"the kubeconfig {path or ''} is no YAML: {error}") from error
    except kube_config.ConfigException as error:
        if context or kubeconfig or not SERVICE_ACCOUNT_NAMESPACE.exists():
            where = f" in {kubeconfig}" if kubeconfig else ""
            why = str(error).rstrip(".")
            raise ConfigError(
                f"no way to a cluster{where}: {why}. Name a file by --kubeconfig or KUBECONFIG, and a "
                "context of it by --context"
            ) from error
        kube_config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        of_context, name = SERVICE_ACCOUNT_NAMESPACE.read_text().strip(), "in-cluster"
    settings.retries = RETRIES
    client = ApiClient(settings)
    client.user_agent = f"kubectl-trainingrun/{version('trainingrun')}"
    return Connection(client, namespace or of_context or "default", name)


def _chosen(contexts: Any, active: Any, context: str | None) -> Any:
    if context is None:
        return active
    for each in contexts:
        if each["name"] == context:
            return each
    known = ", ".join(sorted(each["name"] for each in contexts))
    raise ConfigError(f"the kubeconfig has no context {context}; it has {known}")
