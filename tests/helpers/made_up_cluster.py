"""An API server that is made up: the few answers that the console's pages ask for."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes.client import ApiClient, Configuration

from trainingrun_api import names
from trainingrun_client.connection import Connection

Object = dict[str, Any]
QUIET_SECONDS = 1.0
"""Nothing ever happens in a watch of it, which then ends."""
NOWHERE = (
    "training.data.path is in no volume of the pods: set it to a path below the mountPath of one of "
    "spec.volumes, or mount the claim that holds it"
)
"""What the API server says of a run without a volume."""


@dataclass
class MadeUpCluster:
    """The few answers of an API server that the page asks for."""

    objects: dict[str, Object] = field(default_factory=dict)
    """TrainingRuns by name."""
    pods: list[Object] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each change."""

    def answer(self, method: str, path: str, body: Object | None) -> tuple[int, Any]:
        """Status and body; text for a log."""
        parts = urlsplit(path)
        dry_run = "dryRun" in parse_qs(parts.query)
        name = parts.path.rpartition("/")[2]
        if "watch" in parse_qs(parts.query):
            time.sleep(QUIET_SECONDS)
            return 200, ""
        if parts.path.endswith("/log"):
            return 200, "\n".join(
                f"2026-05-01T10:00:{place:02}.000000000Z {line}" for place, line in enumerate(self.log)
            )
        if method == "GET" and "/pods/" in parts.path:
            return 200, next(each for each in self.pods if each["metadata"]["name"] == name)
        if method == "GET" and "/pods" in parts.path:
            wanted = parse_qs(parts.query).get("labelSelector", [""])[0]
            found = [each for each in self.pods if each["metadata"]["labels"][names.UID_LABEL] in wanted]
            return 200, {"items": found, "metadata": {"resourceVersion": "1"}}
        if method == "GET" and name == names.PLURAL:
            return 200, {"items": [*self.objects.values()], "metadata": {"resourceVersion": "1"}}
        if method != "GET" and not dry_run:
            self.calls.append((method, parts.path))
        if method == "POST":
            assert body is not None
            return self.create(body, dry_run)
        if name not in self.objects:
            return 404, {"kind": "Status", "message": f"{name} not found", "reason": "NotFound"}
        if method == "DELETE":
            return 200, self.objects.pop(name)
        return 200, self.objects[name]

    def create(self, body: Object, dry_run: bool) -> tuple[int, Object]:
        """As the API server would, by one of its rules."""
        if not body["spec"].get("volumes"):
            cause = {"field": "spec.training.data.path", "message": f'Invalid value: "object": {NOWHERE}'}
            return 422, {"kind": "Status", "message": "invalid", "details": {"causes": [cause]}}
        uid = f"{len(self.objects):08x}-1111-2222-3333-444444444444"
        meta = {
            **body["metadata"],
            "uid": uid,
            "creationTimestamp": "2026-05-01T10:00:00Z",
            "resourceVersion": "1",
        }
        made = {**body, "metadata": meta}
        if not dry_run:
            self.objects[meta["name"]] = made
        return 201, made

    @contextmanager
    def serving(self) -> Iterator[Connection]:
        """The way to it."""
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, found = cluster.answer(self.command, self.path, body)
                data = found.encode() if isinstance(found, str) else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - of the base class

            def log_message(self, *arguments: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        configuration = Configuration(host=f"http://127.0.0.1:{server.server_port}")
        try:
            yield Connection(ApiClient(configuration), "default", "made-up")
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
