"""The two gates by themselves: what they ask, what they keep, and what they never tell."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration
from starlette.requests import Request

from trainingrun_client.connection import Connection
from trainingrun_client.errors import UnreachableError, from_answer
from trainingrun_console.access import csrf
from trainingrun_console.access.cluster_gate import LONGEST_COOKIE, ClusterGate
from trainingrun_console.access.hosts import hostname
from trainingrun_console.access.kept import Kept
from trainingrun_console.access.limits import Callers
from trainingrun_console.access.loopback_gate import LoopbackGate
from trainingrun_console.access.proof import Entrance
from trainingrun_console.api.problems import Problem

TOKEN = "a-token-that-nobody-may-see"


class Reviewer(Connection):
    """An API server that knows one token, and one right of its owner."""

    def __init__(self) -> None:
        super().__init__(ApiClient(Configuration()), "default", "memory")
        self.client.configuration.api_key = {"BearerToken": "Bearer of-the-service"}
        self.asked: list[dict[str, Any]] = []
        self.fails: Exception | None = None

    def create(
        self, path: str, manifest: Mapping[str, Any], query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        self.asked.append(dict(manifest["spec"]))
        if self.fails:
            raise self.fails
        if path.endswith("tokenreviews"):
            known = manifest["spec"]["token"] == TOKEN
            user = {"username": "anna", "uid": "1", "groups": ["doctors"], "extra": {"scopes": ["a"]}}
            return {"status": {"authenticated": known, **({"user": user} if known else {})}}
        wanted = manifest["spec"]["resourceAttributes"]
        return {"status": {"allowed": (wanted["verb"], wanted["namespace"]) == ("get", "radiology")}}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def request(method: str = "GET", **headers: str) -> Request:
    pairs = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": method,
            "headers": pairs,
            "client": ("10.0.0.1", 1),
            "state": {},
            "path": "/",
        }
    )


def bearer(token: str = TOKEN) -> Request:
    return request(authorization=f"Bearer {token}")


def refused(gate: Entrance, asked: Request) -> Problem:
    with pytest.raises(Problem) as caught:
        gate.caller(asked)
    return caught.value


@pytest.fixture
def server() -> Reviewer:
    return Reviewer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_token_is_reviewed_once_in_some_seconds(server: Reviewer, clock: Clock) -> None:
    gate = ClusterGate(server, seconds=10, clock=clock)
    assert [gate.caller(bearer()).name for _ in range(3)] == ["anna"] * 3
    assert len(server.asked) == 1
    clock.now += 11
    gate.caller(bearer())
    assert len(server.asked) == 2


def test_a_right_is_asked_for_with_all_that_is_known_of_the_user(server: Reviewer, clock: Clock) -> None:
    caller = ClusterGate(server, clock=clock).caller(bearer())
    assert caller.may("get", "radiology")
    assert caller.may("get", "radiology")
    assert not caller.may("delete", "radiology")
    assert not caller.may("get", None)
    assert len(server.asked) == 1 + 3
    assert server.asked[1] == {
        "user": "anna",
        "uid": "1",
        "groups": ["doctors"],
        "extra": {"scopes": ["a"]},
        "resourceAttributes": {
            "group": "trainingrun.dev", "resource": "trainingruns", "verb": "get", "namespace": "radiology",
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [request(), request(authorization="Basic eA=="), request(authorization="Bearer "), bearer("guess")],
)
def test_without_a_known_token_nobody_passes(server: Reviewer, given: Request) -> None:
    problem = refused(ClusterGate(server), given)
    assert problem.status == HTTPStatus.UNAUTHORIZED
    assert problem.headers == {"WWW-Authenticate": "Bearer"}


def test_unknown_tokens_of_one_address_are_reviewed_at_a_rate(server: Reviewer, clock: Clock) -> None:
    gate = ClusterGate(server, clock=clock)
    answers = [refused(gate, bearer(f"guess-{number}")).status for number in range(200)]
    assert answers.count(HTTPStatus.UNAUTHORIZED) == len(server.asked) == 80
    assert answers[-1] == HTTPStatus.TOO_MANY_REQUESTS


def test_a_token_that_is_known_counts_towards_no_rate(server: Reviewer, clock: Clock) -> None:
    gate = ClusterGate(server, seconds=10, clock=clock)
    for number in range(200):
        clock.now = 100 + number // 100 * 11
        assert gate.caller(bearer()).name == "anna"
    refused(gate, bearer("guess"))
    assert len(server.asked) == 3


def test_the_callers_connection_has_the_callers_token_and_none_of_the_services(server: Reviewer) -> None:
    server.client.configuration.cert_file = "/service.crt"
    settings = ClusterGate(server).caller(bearer()).connection().client.configuration
    assert settings.api_key == {"BearerToken": f"Bearer {TOKEN}"}
    assert settings.cert_file is None
    assert settings.refresh_api_key_hook is None
    assert server.client.configuration.api_key == {"BearerToken": "Bearer of-the-service"}


def test_nothing_shows_the_token(server: Reviewer, caplog: pytest.LogCaptureFixture) -> None:
    gate = ClusterGate(server)
    caller = gate.caller(bearer())
    server.fails = from_answer(403, f'{{"message": "refused {TOKEN}"}}')
    problem = refused(gate, bearer(TOKEN + "2"))
    shown = (
        f"{caller!r} {vars(gate)!r} {gate._callers._held!r} {caller.csrf} {problem.document()} {caplog.text}"
    )
    assert TOKEN not in shown
    assert problem.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert problem.__cause__ is None


def test_an_api_server_that_is_away_is_no_refusal_of_the_user(server: Reviewer) -> None:
    server.fails = UnreachableError("away")
    with pytest.raises(UnreachableError):
        ClusterGate(server).caller(bearer())


def test_a_token_that_no_cookie_holds_is_refused_at_the_login(server: Reviewer) -> None:
    with pytest.raises(Problem) as caught:
        ClusterGate(server).enter("x" * (LONGEST_COOKIE + 1), request())
    assert caught.value.status == HTTPStatus.UNAUTHORIZED
    assert not server.asked


def test_a_cookie_over_tls_is_bound_to_this_host(server: Reviewer) -> None:
    assert ClusterGate(server, secure=True).cookie.startswith("__Host-")


def test_a_websocket_by_cookie_comes_from_our_own_page(server: Reviewer) -> None:
    gate = ClusterGate(server)
    cookie = f"{gate.cookie}={TOKEN}"

    def opening(origin: str) -> Request:
        asked = request(cookie=cookie, origin=origin, host="console.test")
        asked.scope["type"] = "websocket"
        return asked

    assert gate.caller(opening("http://console.test")).name == "anna"
    assert refused(gate, opening("http://evil.test")).status == HTTPStatus.FORBIDDEN


def test_the_key_opens_one_session(server: Reviewer) -> None:
    gate = LoopbackGate(server, 8765)
    session = gate.enter(gate.key, request())
    assert gate.caller(request(cookie=f"{gate.cookie}={session}")).may("list", None)
    with pytest.raises(Problem, match="used already"):
        gate.enter(gate.key, request())
    assert refused(gate, request(cookie=f"{gate.cookie}={gate.key}")).status == HTTPStatus.UNAUTHORIZED
    gate.leave(request(cookie=f"{gate.cookie}={session}"))
    assert refused(gate, request(cookie=f"{gate.cookie}={session}")).status == HTTPStatus.UNAUTHORIZED


def test_keys_cannot_be_guessed_one_after_another(server: Reviewer) -> None:
    gate = LoopbackGate(server, 8765)
    answers = []
    for _ in range(10):
        with pytest.raises(Problem) as caught:
            gate.enter("guess", request())
        answers.append(caught.value.status)
    assert answers == [HTTPStatus.UNAUTHORIZED] * 4 + [HTTPStatus.TOO_MANY_REQUESTS] * 6


def test_on_loopback_reading_asks_nobody_and_changes_ask_the_api_server(server: Reviewer) -> None:
    gate = LoopbackGate(server, 8765)
    caller = gate.caller(request(cookie=f"{gate.cookie}={gate.enter(gate.key, request())}"))
    assert caller.may("get", "anywhere")
    assert not server.asked
    assert not caller.may("delete", "radiology")
    assert len(server.asked) == 1
    assert caller.connection() is server


def test_a_change_on_loopback_needs_the_pages_token(server: Reviewer) -> None:
    gate = LoopbackGate(server, 8765)
    cookie = f"{gate.cookie}={gate.enter(gate.key, request())}"
    token = gate.caller(request(cookie=cookie)).csrf
    assert refused(gate, request("POST", cookie=cookie)).status == HTTPStatus.FORBIDDEN
    assert gate.caller(request("POST", cookie=cookie, x_csrf_token=token)).csrf == token
    assert token != csrf.token("another session")


def test_a_cache_holds_no_more_than_it_may(clock: Clock) -> None:
    kept: Kept[int, int] = Kept(10, 3, clock=clock)
    asked: list[int] = []

    def ask(key: int) -> int:
        asked.append(key)
        return key

    for key in (1, 2, 3, 4, 4, 1):
        kept.get(key, partial(ask, key))
    assert (len(kept), asked) == (3, [1, 2, 3, 4, 1])


def test_a_bucket_fills_with_time_and_forgets_who_is_long_gone(clock: Clock) -> None:
    callers = Callers(1, most=2, clock=clock)
    for _ in range(4):
        callers.admit("anna")
    with pytest.raises(Problem) as caught:
        callers.admit("anna")
    assert caught.value.headers == {"Retry-After": "1"}
    clock.now += 1
    callers.admit("anna")
    for name in ("bert", "carl"):
        callers.admit(name)
    callers.admit("anna")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:8765", "localhost"),
        ("[::1]:8765", "[::1]"),
        ("[::1]", "[::1]"),
        ("LOCALHOST", "localhost"),
        ("", ""),
    ],
)
def test_a_host_is_known_without_its_port(host: str, expected: str) -> None:
    assert hostname(host) == expected
