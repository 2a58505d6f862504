"""The client against a server that answers as told: what is repeated, what is not, and what is asked for."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration

from trainingrun_operator.cluster import JOBS, PODS, RETRY_DELAYS, RUNS, USER_AGENT, ApiCluster
from trainingrun_operator.errors import AlreadyExistsError, ExpiredError, RefusedError, UnavailableError

JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"namespace": "team", "name": "chest-1"}}
SILENT = "X-Silent"
"""Header of an answer that stays open and says no more."""
SILENT_SECONDS = 0.5
OK: tuple[int, Any] = (200, {"metadata": {"name": "chest"}})


class Server(ThreadingHTTPServer):
    """Answers in the order of a script: status, body and headers."""

    script: list[tuple[Any, ...]]
    asked: list[tuple[str, str, dict[str, str], Any]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        status, content, *headers = self.server.script.pop(0)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if (SILENT, "yes") in headers:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            time.sleep(SILENT_SECONDS)
        else:
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - names of the standard library

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.script, server.asked = [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Client:
    """The client under test, and what it did besides asking."""

    def __init__(self, server: Server) -> None:
        self.pauses: list[float] = []
        self.counted: list[tuple[str, str, int]] = []
        settings = Configuration(host=f"http://127.0.0.1:{server.server_port}", retries=False)
        self.api = ApiClient(settings)
        self.api.user_agent = USER_AGENT
        self.cluster = ApiCluster(self.api, self.pauses.append, lambda *request: self.counted.append(request))


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    client = Client(server)
    yield client
    client.api.rest_client.pool_manager.clear()


def failure(status: int, reason: str = "", message: str = "words") -> tuple[int, Any]:
    return status, {"kind": "Status", "reason": reason, "message": message}


def test_requests_say_who_asks(server: Server, client: Client) -> None:
    server.script = [OK]
    assert client.cluster.get(RUNS, "team", "chest") == OK[1]
    method, path, headers, _ = server.asked[0]
    assert (method, path) == ("GET", "/apis/trainingrun.dev/v1alpha1/namespaces/team/trainingruns/chest")
    assert headers["User-Agent"].startswith("trainingrun-operator/")
    assert client.counted == [("get", "trainingruns", 200)]


def test_what_is_not_there_is_none(server: Server, client: Client) -> None:
    server.script = [failure(404, "NotFound")]
    assert client.cluster.get(PODS, "team", "x") is None
    assert server.asked[0][1] == "/api/v1/namespaces/team/pods/x"


def test_creation_posts_the_whole_object_once(server: Server, client: Client) -> None:
    server.script = [failure(409, "AlreadyExists")]
    with pytest.raises(AlreadyExistsError):
        client.cluster.create(JOB)
    method, path, headers, body = server.asked[0]
    assert (method, path) == ("POST", "/apis/batch/v1/namespaces/team/jobs?fieldManager=trainingrun-operator")
    assert (headers["Content-Type"], body) == ("application/json", JOB)
    assert client.pauses == []


def test_the_status_is_replaced_as_a_whole(server: Server, client: Client) -> None:
    server.script = [OK]
    client.cluster.replace_status({"metadata": {"namespace": "team", "name": "chest"}, "status": {}})
    method, path, *_ = server.asked[0]
    assert (method, path.split("?")[0]) == (
        "PUT",
        "/apis/trainingrun.dev/v1alpha1/namespaces/team/trainingruns/chest/status",
    )


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, client: Client, status: int) -> None:
    server.script = [failure(status), failure(status), OK]
    assert client.cluster.get(JOBS, "team", "x")
    assert client.pauses == list(RETRY_DELAYS[:2])
    assert [code for *_, code in client.counted] == [status, status, 200]


def test_it_is_not_asked_for_ever(server: Server, client: Client) -> None:
    server.script = [failure(503)] * 9
    with pytest.raises(UnavailableError, match="words"):
        client.cluster.create(JOB)
    assert client.pauses == list(RETRY_DELAYS)


@pytest.mark.parametrize(("asked", "paused"), [("2", [2.0]), ("0", [0.2]), ("soon", [0.2])])
def test_retry_after_is_honoured(server: Server, client: Client, asked: str, paused: list[float]) -> None:
    server.script = [(*failure(429), ("Retry-After", asked)), OK]
    client.cluster.get(JOBS, "team", "x")
    assert client.pauses == paused


def test_a_long_retry_after_is_left_to_the_queue(server: Server, client: Client) -> None:
    server.script = [(*failure(429), ("Retry-After", "60")), OK]
    with pytest.raises(UnavailableError):
        client.cluster.get(JOBS, "team", "x")
    assert client.pauses == []


def test_a_refusal_is_not_repeated(server: Server, client: Client) -> None:
    server.script = [failure(403, "Forbidden", "exceeded quota")]
    with pytest.raises(RefusedError, match="exceeded quota"):
        client.cluster.create(JOB)
    assert len(server.asked) == 1


def test_a_server_that_is_not_there_is_unavailable() -> None:
    pauses: list[float] = []
    settings = Configuration(host="http://127.0.0.1:1", retries=False)
    cluster = ApiCluster(ApiClient(settings), pauses.append, lambda *_: None)
    with pytest.raises(UnavailableError, match="/jobs/x"):
        cluster.get(JOBS, "team", "x")
    assert pauses == list(RETRY_DELAYS)


def test_versions_are_listed_page_by_page_and_without_objects(server: Server, client: Client) -> None:
    a, b = ({"metadata": {"uid": uid, "resourceVersion": version}} for uid, version in ("a1", "b2"))
    server.script = [
        (200, {"metadata": {"continue": "more"}, "items": [a]}),
        (200, {"metadata": {"continue": "still more"}, "items": [b]}),
        (200, {"metadata": {}, "items": None}),
    ]
    assert client.cluster.list_versions(PODS, None, "label") == {"a": "1", "b": "2"}
    (_, first, headers, _), (_, second, *_), _ = server.asked
    assert first == "/api/v1/pods?limit=500&labelSelector=label"
    assert second == f"{first}&continue=more"
    assert "PartialObjectMetadataList" in headers["Accept"]


@pytest.mark.parametrize(
    ("answer", "served"),
    [
        (failure(404), False),
        ((200, {"resources": []}), False),
        ((200, {"resources": [{"name": "trainingruns/status"}]}), False),
        ((200, {"resources": [{"name": "trainingruns"}, {"name": "trainingruns/status"}]}), True),
    ],
)
def test_a_kind_is_served_once_it_can_be_discovered(
    server: Server, client: Client, answer: tuple[int, Any], served: bool
) -> None:
    server.script = [answer]
    assert client.cluster.serves(RUNS) == served
    assert server.asked[0][1] == "/apis/trainingrun.dev/v1alpha1"


class TestDelete:
    @pytest.mark.parametrize(("grace", "asked"), [(None, {}), (0, {"gracePeriodSeconds": 0})])
    def test_this_very_object_goes_and_its_children_after_it(
        self, server: Server, client: Client, grace: int | None, asked: dict[str, int]
    ) -> None:
        server.script = [OK]
        client.cluster.delete(PODS, "team", "chest-1-0-x", "uid-1", grace)
        [(method, path, _, body)] = server.asked
        assert (method, path) == ("DELETE", "/api/v1/namespaces/team/pods/chest-1-0-x")
        assert body == {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": "uid-1"},
            "propagationPolicy": "Background",
            **asked,
        }
        assert client.counted == [("delete", "pods", 200)]

    @pytest.mark.parametrize("answer", [failure(404), failure(409, "Conflict")])
    def test_one_that_is_gone_or_another_one_by_now_is_success(
        self, server: Server, client: Client, answer: tuple[int, Any]
    ) -> None:
        server.script = [answer]
        client.cluster.delete(JOBS, "team", "chest-1", "uid-1")
        assert len(server.asked) == 1

    def test_a_refusal_is_told(self, server: Server, client: Client) -> None:
        server.script = [failure(403)]
        with pytest.raises(RefusedError):
            client.cluster.delete(JOBS, "team", "chest-1", "uid-1")


def test_whole_objects_are_found_by_their_labels_page_by_page(server: Server, client: Client) -> None:
    server.script = [
        (200, {"metadata": {"continue": "next"}, "items": [{"kind": "Pod", "n": 1}]}),
        (200, {"metadata": {}, "items": [{"kind": "Pod", "n": 2}]}),
    ]
    assert [pod["n"] for pod in client.cluster.find(PODS, "team", "a=b")] == [1, 2]
    first, second = server.asked
    assert first[1] == "/api/v1/namespaces/team/pods?limit=500&labelSelector=a%3Db"
    assert first[2]["Accept"] == "application/json"
    assert "continue=next" in second[1]


def test_a_list_of_all_has_the_version_of_its_last_page(server: Server, client: Client) -> None:
    pages = ({"continue": "more", "resourceVersion": "8"}, {"resourceVersion": "9"})
    server.script = [(200, {"metadata": meta, "items": [{"n": n}]}) for n, meta in enumerate(pages)]
    assert client.cluster.list_all(JOBS, None, "a=b") == ([{"n": 0}, {"n": 1}], "9")
    assert "labelSelector=a%3Db" in server.asked[0][1]


class TestWatch:
    def test_events_come_as_they_are_told(self, server: Server, client: Client) -> None:
        server.script = [(200, b'{"type": "ADDED"}\n{"type": "BOOKMARK"}\n{"type": "cut')]
        events = list(client.cluster.watch(PODS, "team", "a=b", "7"))
        assert events == [{"type": "ADDED"}, {"type": "BOOKMARK"}]
        path = server.asked[0][1]
        assert path.startswith("/api/v1/namespaces/team/pods?")
        for part in ("watch=true", "allowWatchBookmarks=true", "resourceVersion=7", "labelSelector=a%3Db"):
            assert part in path
        assert client.counted == [("watch", "pods", 200)]

    @pytest.mark.parametrize(
        ("status", "error"), [(410, ExpiredError), (403, RefusedError), (500, UnavailableError)]
    )
    def test_a_refusal_is_an_error(
        self, server: Server, client: Client, status: int, error: type[Exception]
    ) -> None:
        server.script = [failure(status)]
        with pytest.raises(error, match="words"):
            list(client.cluster.watch(PODS, None, "", "7"))

    def test_a_connection_that_falls_silent_ends_it(
        self, server: Server, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("trainingrun_operator.cluster.SILENCE_SECONDS", 0.05)
        server.script = [(200, b'{"type": "ADDED"}\n', (SILENT, "yes"))]
        assert list(client.cluster.watch(PODS, None, "", "7")) == [{"type": "ADDED"}]

    def test_no_way_to_the_server_is_an_error(self, server: Server, client: Client) -> None:
        server.server_close()
        with pytest.raises(UnavailableError, match="watch"):
            list(client.cluster.watch(PODS, None, "", "7"))
