"""Who may see and do what, route by route, and how a browser's session is protected."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.console_scene import BROKEN, BUSY, DONE, SECRET, Scene
from trainingrun_console.access import csrf

ADMIN, VIEWER, EDITOR, NOBODY, EXPIRED = (
    f"{name}-token" for name in ("admin", "viewer", "editor", "nobody", "expired")
)
USERS = (ADMIN, VIEWER, EDITOR, NOBODY, EXPIRED, None)
OF_RADIOLOGY, OF_CARDIOLOGY, OF_SECRET = DONE.run_id, BROKEN.run_id, SECRET.run_id


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    found = Scene(f"sqlite:///{tmp_path}/history.db")
    yield found
    found.close()


ROUTES = [
    # answers to: admin, viewer of radiology, editor of cardiology, nobody, expired token, no token
    ("GET", "/runs", (200, 200, 200, 200, 401, 401)),
    ("GET", "/runs?namespace=radiology", (200, 200, 403, 403, 401, 401)),
    ("GET", "/runs?namespace=elsewhere", (403, 403, 403, 403, 401, 401)),
    ("GET", f"/runs/{OF_RADIOLOGY}", (200, 200, 404, 404, 401, 401)),
    ("GET", f"/runs/{OF_RADIOLOGY}/metrics", (200, 200, 404, 404, 401, 401)),
    ("GET", f"/runs/{OF_RADIOLOGY}/metrics?format=csv", (200, 200, 404, 404, 401, 401)),
    ("GET", f"/runs/{OF_RADIOLOGY}/attempts", (200, 200, 404, 404, 401, 401)),
    ("GET", f"/runs/{OF_RADIOLOGY}/events", (200, 200, 404, 404, 401, 401)),
    ("GET", f"/runs/{OF_RADIOLOGY}/artifacts", (200, 200, 404, 404, 401, 401)),
    ("GET", f"/runs/{OF_RADIOLOGY}/pods", (200, 200, 404, 404, 401, 401)),
    ("GET", f"/runs/{OF_RADIOLOGY}/logs", (200, 200, 404, 404, 401, 401)),
    ("GET", f"/runs/{OF_SECRET}", (200, 404, 404, 404, 401, 401)),
    ("GET", f"/runs/compare?run={OF_RADIOLOGY}&run={OF_SECRET}", (200, 404, 404, 404, 401, 401)),
    ("POST", f"/runs/{OF_RADIOLOGY}/suspend", (409, 409, 404, 404, 401, 401)),
    ("POST", f"/api/training/{OF_RADIOLOGY}/run", (201, 403, 404, 404, 401, 401)),
    ("POST", f"/runs/{BUSY.run_id}/suspend", (200, 404, 200, 404, 401, 401)),
    ("POST", f"/runs/{BUSY.run_id}/resume", (200, 404, 200, 404, 401, 401)),
    ("POST", f"/runs/{OF_CARDIOLOGY}/retry", (200, 404, 200, 404, 401, 401)),
    ("POST", f"/api/training/{OF_CARDIOLOGY}/retry", (200, 404, 200, 404, 401, 401)),
    ("DELETE", f"/runs/{OF_RADIOLOGY}", (204, 403, 404, 404, 401, 401)),
    ("DELETE", f"/runs/{OF_CARDIOLOGY}", (204, 404, 204, 404, 401, 401)),
    ("GET", "/healthz", (200,) * 6),
    ("GET", "/readyz", (200,) * 6),
    ("GET", "/openapi.json", (200,) * 6),
]


@pytest.mark.parametrize(("method", "path", "expected"), ROUTES)
def test_each_user_gets_what_their_rights_allow(
    scene: Scene, method: str, path: str, expected: tuple[int, ...]
) -> None:
    # the least first: what they are refused changes nothing for the next one
    answers = []
    for user in reversed(USERS):
        answers.append(scene.client(user).request(method, path).status_code)
        if answers[-1] < 300 and method != "GET":
            scene.reset()
    assert tuple(reversed(answers)) == expected


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (ADMIN, {DONE.run_id, BROKEN.run_id, BUSY.run_id, SECRET.run_id}),
        (VIEWER, {DONE.run_id}),
        (EDITOR, {BROKEN.run_id, BUSY.run_id}),
        (NOBODY, set()),
    ],
)
def test_a_list_holds_the_runs_of_the_users_namespaces_only(
    scene: Scene, user: str, expected: set[str]
) -> None:
    assert {each["run_id"] for each in scene.client(user).get("/runs").json()["runs"]} == expected


def test_a_run_that_is_hidden_is_refused_in_the_words_of_one_that_is_not_there(scene: Scene) -> None:
    client = scene.client(VIEWER)
    hidden = client.get(f"/runs/{OF_SECRET}").json()
    absent = client.get("/runs/nothing-0a1b2c3d").json()
    assert hidden["detail"].replace(OF_SECRET, "X") == absent["detail"].replace("nothing-0a1b2c3d", "X")


def test_a_namespace_that_is_not_served_is_nobodys(tmp_path: Path) -> None:
    scene = Scene(f"sqlite:///{tmp_path}/history.db", namespaces=("radiology",))
    assert scene.client(ADMIN).get(f"/runs/{OF_SECRET}").status_code == 404
    assert len(scene.client(ADMIN).get("/runs").json()["runs"]) == 1
    scene.close()


def test_where_all_namespaces_are_served_each_user_still_sees_their_own(tmp_path: Path) -> None:
    scene = Scene(f"sqlite:///{tmp_path}/history.db", namespaces=None)
    found = {user: scene.client(user).get("/runs").json()["runs"] for user in (ADMIN, VIEWER, NOBODY)}
    assert {user: len(runs) for user, runs in found.items()} == {ADMIN: 4, VIEWER: 1, NOBODY: 0}
    scene.close()


def test_a_login_leaves_a_cookie_that_no_script_reads_and_no_other_site_sends(scene: Scene) -> None:
    answer = scene.client(None).post("/login", data={"token": ADMIN, "next": "/ui/runs/x"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/ui/runs/x"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert ADMIN not in answer.text + answer.headers["location"]


@pytest.mark.parametrize(
    "page",
    [
        "//evil.test/",
        "https://evil.test/",
        "/\\evil.test",
        "evil",
        "/\t/evil.test",
        "/a\r\nX: y",
        "javascript:1",
    ],
)
def test_a_login_leads_to_no_other_site(scene: Scene, page: str) -> None:
    answer = scene.client(None).post("/login", data={"token": ADMIN, "next": page})
    assert answer.headers["location"] == "/ui/"


def test_a_wrong_token_and_none_are_refused_at_the_login(scene: Scene) -> None:
    client = scene.client(None)
    assert client.post("/login", data={"token": "guess"}).status_code == 401
    answer = client.post("/login", data={})
    assert answer.json()["errors"][0]["field"] == "body.token"


def test_another_sites_page_cannot_log_a_browser_in(scene: Scene) -> None:
    answer = scene.client(None).post("/login", data={"token": ADMIN}, headers={"Origin": "http://evil.test"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({csrf.HEADER: "guess"}, 403),
        ({csrf.HEADER: csrf.token(VIEWER)}, 403),
        ({csrf.HEADER: csrf.token(ADMIN), "Origin": "http://evil.test"}, 403),
        ({csrf.HEADER: csrf.token(ADMIN), "Origin": "null"}, 403),
        ({csrf.HEADER: csrf.token(ADMIN)}, 200),
        ({csrf.HEADER: csrf.token(ADMIN), "Origin": "http://console.test"}, 200),
    ],
)
def test_a_change_by_cookie_needs_the_token_of_the_page(
    scene: Scene, headers: dict[str, str], status: int
) -> None:
    client = scene.client(None)
    client.cookies.set("trainingrun", ADMIN)
    assert client.get("/runs").status_code == 200
    assert client.post(f"/runs/{BUSY.run_id}/suspend", headers=headers).status_code == status


def test_a_form_may_bring_the_token_in_a_field(scene: Scene) -> None:
    client = scene.client(None)
    client.cookies.set("trainingrun", ADMIN)
    assert client.post("/logout", data={csrf.FIELD: "guess"}).status_code == 403
    answer = client.post("/logout", data={csrf.FIELD: csrf.token(ADMIN)})
    assert answer.status_code == 303
    assert 'trainingrun=""' in answer.headers["set-cookie"]


def test_a_name_that_is_not_ours_is_refused(scene: Scene) -> None:
    answer = scene.client().get("/runs", headers={"Host": "rebound.test"})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_answer_forbids_what_a_browser_should_not_do(scene: Scene) -> None:
    for path, status in (("/runs", 200), ("/nothing", 404), ("/runs?limit=0", 422)):
        answer = scene.client().get(path)
        assert answer.status_code == status
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


def test_a_caller_who_asks_too_often_waits_and_another_does_not(tmp_path: Path) -> None:
    scene = Scene(f"sqlite:///{tmp_path}/history.db", requests_per_second=1)
    answers = [scene.client(VIEWER).get("/runs") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert scene.client(EDITOR).get("/runs").status_code == 200
    scene.close()


def test_a_request_that_is_too_large_is_refused(scene: Scene) -> None:
    client = scene.client()
    whole = client.post("/runs", content=b"x" * (1 << 20) + b"x")
    pieces = client.post("/runs", content=iter([b"x" * (1 << 19)] * 3))
    assert (whole.status_code, pieces.status_code) == (413, 413)
    assert client.get("/runs?text=" + "x" * 9000).status_code == 414
    assert client.get("/runs", headers={"X-Long": "x" * 40_000}).status_code == 431


def test_what_goes_wrong_inside_is_not_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the password is 1234")

    monkeypatch.setattr(scene.history, "events", fail)
    answer = scene.client().get(f"/runs/{OF_RADIOLOGY}/events")
    assert answer.status_code == 500
    assert "1234" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
