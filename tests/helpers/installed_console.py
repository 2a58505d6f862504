"""The console of the chart as a person reaches it: through a forwarded port, with tokens of the cluster."""

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page
from websockets.sync.client import connect

from tests.cluster.api import Cluster
from tests.demo import install
from tests.helpers.runs import Runs


@dataclass
class Console:
    """Where it answers, and who may ask."""

    cluster: Cluster
    runs: Runs
    url: str
    tokens: Mapping[str, str]

    def api(self, user: str = "anna") -> httpx.Client:
        """Requests with the user's bearer token."""
        headers = {"Authorization": f"Bearer {self.tokens[user]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def run_id(self, name: str) -> str:
        """Of the newest run of that name."""
        with self.api() as api:
            answer = api.get("/runs", params={"namespace": self.runs.namespace, "text": name})
        answer.raise_for_status()
        return str(next(run["run_id"] for run in answer.json()["runs"] if run["name"] == name))

    def log_in(self, page: Page, user: str = "anna") -> None:
        """By pasting the token."""
        page.get_by_label("Bearer token").fill(self.tokens[user])
        page.get_by_role("button", name="Log in").click()


class Streams:
    """What the two live protocols say of a run, from now to its end."""

    def __init__(self, console: Console, run_id: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        token = {"Authorization": f"Bearer {console.tokens['anna']}"}
        self._threads = [
            threading.Thread(target=self._follow_events, args=(console.url, run_id, token), daemon=True),
            threading.Thread(target=self._follow_messages, args=(console.url, run_id, token), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> None:
        """Both have ended by themselves."""
        for thread in self._threads:
            thread.join(seconds)
            assert not thread.is_alive()

    def _follow_events(self, url: str, run_id: str, headers: dict[str, str]) -> None:
        path = f"{url}/api/training/{run_id}/stream"
        with httpx.stream("GET", path, headers=headers, timeout=60) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    self.events.append(json.loads(line.removeprefix("data: ")))

    def _follow_messages(self, url: str, run_id: str, headers: dict[str, str]) -> None:
        address = f"{url.replace('http', 'ws')}/?run_id={run_id}"
        with connect(address, additional_headers=headers) as socket:
            for text in socket:
                self.messages.append(json.loads(text))


@contextmanager
def forwarded(cluster: Cluster, service: str, ports: str) -> Iterator[None]:
    """A port of this machine to one of a service, forwarded anew whenever the pod behind it has gone."""
    command: list[str | Path] = [
        *(cluster.binary("kubectl"), f"--kubeconfig={cluster.kubeconfig}", "-n", install.NAMESPACE),
        *("port-forward", f"service/{service}", ports),
    ]
    stopped = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def forward() -> None:
        while not stopped.is_set():
            running[:] = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
            running[0].wait()
            stopped.wait(0.5)

    thread = threading.Thread(target=forward)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        running[0].terminate()
        thread.join()


def answers(url: str) -> bool:
    """Whether it is there."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
