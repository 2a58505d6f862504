"""The program itself, on loopback before an API server that is made up: how it begins, refuses and ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.helpers.made_up_cluster import MadeUpCluster
from tests.helpers.ports import free_port
from trainingrun_api import names

KEY = re.compile(r"http://127\.0\.0\.1:(\d+)/login#key=(\S+)")
WHOLE_END_SECONDS = 6.0
"""Of a machine that does much else: the service itself takes at most half of it."""


def kubeconfig(folder: Path, server: str) -> Path:
    path = folder / "kubeconfig"
    entry = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "made-up",
        "contexts": [{"name": "made-up", "context": {"cluster": "c", "user": "u", "namespace": "radiology"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
    }
    path.write_text(json.dumps(entry))
    return path


def environment(folder: Path, server: str) -> dict[str, str]:
    """Of somebody without a display or settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(folder), "KUBECONFIG": str(kubeconfig(folder, server))}


def words(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "trainingrun_console", *arguments]


@contextmanager
def started(folder: Path, server: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The process, its address and the key."""
    process = subprocess.Popen(
        words("serve", "--port=0", *arguments),
        env=environment(folder, server),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    with process.stdout, process.stderr:
        try:
            line = process.stdout.readline()
            found = KEY.match(line)
            assert found, line + process.stderr.read()
            url = f"http://127.0.0.1:{found[1]}"
            httpx.get(f"{url}/healthz", timeout=30).raise_for_status()
            yield process, url, found[2]
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def server() -> Iterator[str]:
    with MadeUpCluster().serving() as connection:
        yield connection.host


def test_the_key_lets_one_browser_in_and_the_signal_ends_it(tmp_path: Path, server: str) -> None:
    with started(tmp_path, server) as (process, url, key):
        with httpx.Client(base_url=url, timeout=30) as browser:
            assert browser.get("/readyz").json() == {"status": "ok"}
            assert browser.get("/runs").status_code == 401
            assert browser.post("/login", data={"key": key}).status_code == 303
            assert browser.get("/runs").json()["runs"] == []
            assert browser.get("/runs", headers={"Host": "evil.example"}).status_code == 421
        assert httpx.post(f"{url}/login", data={"key": key}, timeout=30).status_code == 401
        process.send_signal(signal.SIGINT)
        assert process.wait(WHOLE_END_SECONDS) == 130
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
    [history] = (tmp_path / ".local" / "share" / "trainingrun").glob("*.db")
    assert history.stat().st_mode & 0o077 == 0


def test_its_answers_do_not_say_what_serves_them(tmp_path: Path, server: str) -> None:
    with started(tmp_path, server) as (process, url, _):
        assert "server" not in httpx.get(f"{url}/healthz", timeout=30).headers
        process.terminate()
        assert process.wait(WHOLE_END_SECONDS) == 0


def test_lines_of_json_hold_no_query_and_no_header(tmp_path: Path, server: str) -> None:
    with started(tmp_path, server, "--log-format=json", "--log-level=DEBUG") as (process, url, _):
        headers = {"Authorization": "Bearer secret-token"}
        httpx.get(f"{url}/runs?text=secret-text", headers=headers, timeout=30)
        httpx.get(f"{url}/runs/a%0Ab", timeout=30)
        httpx.get(f"{url}/runs/none/stream?last_event_id=secret-id", headers=headers, timeout=30)
        process.terminate()
        process.wait(WHOLE_END_SECONDS)
        assert process.stderr
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    assert {"/runs", "/runs/a%0Ab", "/runs/none/stream"} <= {line.get("path") for line in lines}
    assert "secret" not in json.dumps(lines)


def test_an_api_server_that_does_not_answer_keeps_nobody_from_ending_it(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        server = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with started(tmp_path, server) as (process, url, key):
            session = httpx.post(f"{url}/login", data={"key": key}, timeout=30).cookies
            asking = threading.Thread(target=_start_a_run, args=(url, *session.values()), daemon=True)
            asking.start()
            time.sleep(1)
            assert asking.is_alive()
            process.send_signal(signal.SIGINT)
            assert process.wait(WHOLE_END_SECONDS) == 130


def _start_a_run(url: str, session: str) -> None:
    """The API server is asked whether they may."""
    manifest = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": "chest", "namespace": "radiology"},
        "spec": {"image": "example/x:1", "command": ["true"]},
    }
    with suppress(httpx.HTTPError):
        httpx.post(f"{url}/runs", json=manifest, headers={"Authorization": f"Bearer {session}"}, timeout=60)


def refused(folder: Path, *arguments: str, server: str = "https://127.0.0.1:1", **variables: str) -> str:
    """Its one line."""
    environ = {**environment(folder, server), **variables}
    done = subprocess.run(
        words(*arguments), env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    return line.removeprefix("trainingrun-console: ")


def test_a_port_that_another_program_has_is_told_with_the_way_out(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = other.getsockname()[1]
        told = refused(tmp_path, "serve", f"--port={taken}")
    assert told.startswith(f"port {taken} is taken by another program")
    assert "--port 0" in told
    assert not (tmp_path / ".local").exists()


def test_a_console_that_runs_already_is_told_as_such(tmp_path: Path, server: str) -> None:
    with started(tmp_path, server) as (_, url, _):
        told = refused(tmp_path, "serve", f"--port={url.rpartition(':')[2]}")
    assert told.startswith("a console is served on port")
    assert f"{url}/" in told


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--context=other"], "no context other"),
        (["--kubeconfig=/nowhere"], "--kubeconfig"),
        (["--database=mysql://u:secret@db/x"], "sqlite:////directory/history.db"),
        (["--database=sqlite:////nowhere/history.db"], "/nowhere"),
    ],
)
def test_what_is_not_there_is_told_in_a_line(tmp_path: Path, arguments: list[str], named: str) -> None:
    told = refused(tmp_path, "serve", f"--port={free_port()}", *arguments)
    assert named in told
    assert "secret" not in told


def test_a_directory_without_runs_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    done = subprocess.run(
        words("refill", str(folder), f"--database=sqlite:///{tmp_path}/history.db"),
        env=environment(tmp_path, "https://127.0.0.1:1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "runs taken into the history: 0\n", "")
    assert "cannot be read" in refused(
        tmp_path, "refill", f"{folder}/none", f"--database=sqlite:///{tmp_path}/h.db"
    )
