"""The API server over plain HTTP, for tests and benchmarks to which a kubectl a request is too slow."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import config

from tests.cluster import Cluster

Object = dict[str, Any]
READ_SECONDS = 330.0
CONNECTIONS = 16
MERGE_PATCH = "application/merge-patch+json"


class Server:
    """The API server, by the admin's certificate. Threads may share one."""

    def __init__(self, cluster: Cluster) -> None:
        client: Any = config.new_client_from_config(str(cluster.kubeconfig))  # type: ignore[no-untyped-call]
        settings = client.configuration
        self._url: str = settings.host
        self._pool = urllib3.PoolManager(
            cert_file=settings.cert_file,
            key_file=settings.key_file,
            ca_certs=settings.ssl_ca_cert,
            maxsize=CONNECTIONS,
            retries=False,
        )

    def __call__(self, method: str, path: str, body: Object | None = None) -> Object:
        """One request. Raises AssertionError with the server's words where it is refused."""
        status, found = self.ask(method, path, body)
        assert status < 300, found
        return found

    def ask(self, method: str, path: str, body: Object | None = None) -> tuple[int, Object]:
        """HTTP status and answer of one request."""
        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        answer = self._pool.request(
            method,
            self._url + path,
            body=json.dumps(body) if body else None,
            headers={"Content-Type": kind},
        )
        return answer.status, json.loads(answer.data)

    def watch(self, path: str, version: str) -> Iterator[Object]:
        """Events from a resourceVersion on, until the server ends it."""
        query = urlencode({"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"})
        answer = self._pool.request(
            "GET", f"{self._url}{path}?{query}", preload_content=False, timeout=READ_SECONDS
        )
        rest = b""
        try:
            for chunk in answer.stream(1 << 16):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from map(json.loads, lines)
        finally:
            answer.close()
