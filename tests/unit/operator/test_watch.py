"""The watches of runs and of their children, against an API server that can be made to lose events and to
break down."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from kubernetes.client import ApiClient, Configuration

from tests.unit.operator.builders import NAME, NAMESPACE, dead_pod, raw_job, raw_pod, raw_run
from trainingrun_operator import handlers
from trainingrun_operator.children import END_SECONDS, START_SECONDS, Children
from trainingrun_operator.cluster import ApiCluster
from trainingrun_operator.informer import Informer
from trainingrun_operator.observed import Key, Run
from trainingrun_operator.settings import Settings
from trainingrun_operator.workqueue import Priority

KEY = (NAMESPACE, NAME)
GROUPS = {"trainingrun.dev": "v1alpha1", "batch": "v1"}
KINDS = {
    "/apis/trainingrun.dev/v1alpha1": ("trainingruns", "TrainingRun"),
    "/apis/batch/v1": ("jobs", "Job"),
    "/api/v1": ("pods", "Pod"),
}


@dataclass
class ApiServer:
    """Discovery, lists and watches of three kinds; what happens on a watch is put into its queue."""

    objects: dict[str, list[dict[str, Any]]]
    """By plural: what a list shows."""
    happening: dict[str, asyncio.Queue[dict[str, Any]]] = field(default_factory=dict)
    lists: dict[str, int] = field(default_factory=dict)
    selectors: dict[str, str] = field(default_factory=dict)

    def tell(self, plural: str, kind: str, content: dict[str, Any]) -> None:
        self.happening.setdefault(plural, asyncio.Queue()).put_nowait({"type": kind, "object": content})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/apis":
            groups = [
                {"name": name, "versions": [{"version": v}], "preferredVersion": {"version": v}}
                for name, v in GROUPS.items()
            ]
            return web.json_response({"groups": groups})
        if request.path == "/api":
            return web.json_response({"versions": ["v1"]})
        if request.path in KINDS:
            plural, kind = KINDS[request.path]
            namespaces = {"name": "namespaces", "kind": "Namespace", "singularName": "", "namespaced": False}
            own = {"name": plural, "kind": kind, "singularName": kind.lower(), "namespaced": True}
            verbs = {"verbs": ["list", "watch", "patch"]}
            return web.json_response({"resources": [own | verbs, namespaces | verbs]})
        plural = request.path.rsplit("/", 1)[-1]
        self.selectors[plural] = request.query.get("labelSelector", "")
        if "watch" not in request.query:
            self.lists[plural] = self.lists.get(plural, 0) + 1
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": self.objects[plural]})
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            event = await self.happening.setdefault(plural, asyncio.Queue()).get()
            await answer.write(json.dumps(event).encode() + b"\n")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass
class Watched:
    """What the watch brought."""

    informer: Informer = field(default_factory=Informer)
    added: list[tuple[Key, float, Priority]] = field(default_factory=list)

    def seen(self, run: Run, *, gone: bool) -> None:
        self.informer.seen(run, gone=gone)
        self.add(run.key)

    def add(self, key: Key, delay: float = 0.0, priority: Priority = Priority.NORMAL) -> None:
        self.added.append((key, delay, priority))


Scenario = Callable[[ApiServer, Watched], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario], None]:
    """Plays a scenario with a watching operator; fails with what the watch fails with."""

    async def run(scenario: Scenario) -> None:
        server = ApiServer({"trainingruns": [raw_run()], "jobs": [raw_job()], "pods": [raw_pod()]})
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        kubeconfig = {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "x", "user": {}}],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        settings = Settings(trainer_image="x")
        watched = Watched()
        stopping = threading.Event()
        api = ApiClient(Configuration(host=f"http://127.0.0.1:{port}", retries=False))
        cluster = ApiCluster(api, stopping.wait, lambda *_: None)
        children = Children(cluster, watched.informer, (), watched.add, stopping)
        following = asyncio.create_task(children.work())
        await until(lambda: watched.informer.jobs and watched.informer.pods)
        watch = asyncio.create_task(handlers.watch(settings, watched.seen))
        acting = asyncio.create_task(bounded(scenario(server, watched)))
        try:
            await asyncio.wait([watch, following, acting], return_when=asyncio.FIRST_COMPLETED)
            for part in (watch, following):
                if part.done():
                    await part
            await acting
        finally:
            stopping.set()
            for task in (acting, watch, following):
                task.cancel()
            await asyncio.gather(watch, following, acting, return_exceptions=True)
            await runner.cleanup()

    return lambda scenario: asyncio.run(run(scenario))


async def bounded(scenario: Awaitable[None]) -> None:
    """In its own task: kopf cancels all that were made after itself when it ends."""
    async with asyncio.timeout(20):
        await scenario


async def until(holds: Callable[[], object]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


def test_lists_fill_the_informer(play: Callable[[Scenario], None]) -> None:
    async def scenario(server: ApiServer, watched: Watched) -> None:
        await until(lambda: len(watched.added) == 3)
        view = watched.informer.view(KEY)
        assert view is not None
        assert (len(view.jobs), len(view.pods)) == (1, 1)
        assert {key for key, *_ in watched.added} == {KEY}
        assert server.selectors == {
            "trainingruns": "",
            "jobs": "trainingrun.dev/run",
            "pods": "trainingrun.dev/run",
        }

    play(scenario)


def test_the_end_of_a_job_is_urgent_and_what_happens_to_pods_is_gathered(
    play: Callable[[Scenario], None],
) -> None:
    async def scenario(server: ApiServer, watched: Watched) -> None:
        await until(lambda: len(watched.added) == 3)
        for plural, body, told in (
            ("pods", raw_pod(node="n2"), (START_SECONDS, Priority.NORMAL)),
            ("jobs", {**raw_job(), "spec": {"suspend": True}}, (START_SECONDS, Priority.NORMAL)),
            ("pods", raw_pod(phase="Succeeded"), (END_SECONDS, Priority.NORMAL)),
            ("jobs", raw_job("Complete"), (0.0, Priority.ENDED)),
            ("pods", raw_pod(phase="Failed"), (END_SECONDS, Priority.ENDED)),
        ):
            watched.added.clear()
            server.tell(plural, "MODIFIED", body)
            await until(lambda: watched.added)
            assert watched.added == [(KEY, *told)]

    play(scenario)


def test_a_change_that_no_decision_rests_on_is_known_and_wakes_nobody(
    play: Callable[[Scenario], None],
) -> None:
    async def scenario(server: ApiServer, watched: Watched) -> None:
        await until(lambda: len(watched.added) == 3)
        watched.added.clear()
        for plural, body in (("pods", raw_pod()), ("jobs", raw_job())):
            server.tell(
                plural, "MODIFIED", {**body, "metadata": {**body["metadata"], "resourceVersion": "9"}}
            )
        await until(lambda: list(watched.informer.versions().values()).count("9") == 2)
        assert watched.added == []

    play(scenario)


def test_a_deleted_run_is_brought_up_and_no_longer_there(play: Callable[[Scenario], None]) -> None:
    async def scenario(server: ApiServer, watched: Watched) -> None:
        await until(lambda: len(watched.added) == 3)
        watched.added.clear()
        server.tell("trainingruns", "DELETED", raw_run())
        await until(lambda: watched.added)
        assert watched.informer.view(KEY) is None

    play(scenario)


def test_a_deleted_pod_is_still_heard_as_ended(play: Callable[[Scenario], None]) -> None:
    async def scenario(server: ApiServer, watched: Watched) -> None:
        await until(lambda: len(watched.added) == 3)
        watched.added.clear()
        server.tell("pods", "DELETED", dead_pod(code=143, message="my last words"))
        await until(lambda: watched.added)
        view = watched.informer.view(KEY)
        assert view is not None
        assert [pod.exit and pod.exit.message for pod in view.pods] == ["my last words"]

    play(scenario)


def test_a_run_that_was_deleted_during_an_interruption_haunts_the_index_until_the_audit(
    play: Callable[[Scenario], None],
) -> None:
    async def scenario(server: ApiServer, watched: Watched) -> None:
        await until(lambda: len(watched.added) == 3)
        server.objects["trainingruns"] = []
        server.tell("trainingruns", "ERROR", {"code": 410})
        await until(lambda: server.lists["trainingruns"] == 2)
        view = watched.informer.view(KEY)
        assert view is not None, "kopf drops such objects by now: the audit can go"
        watched.informer.bury({view.run.uid})
        assert watched.informer.view(KEY) is None

    play(scenario)


def test_children_that_were_deleted_during_an_interruption_are_gone(play: Callable[[Scenario], None]) -> None:
    async def scenario(server: ApiServer, watched: Watched) -> None:
        await until(lambda: len(watched.added) == 3)
        watched.added.clear()
        for plural in ("jobs", "pods"):
            server.objects[plural] = []
            server.tell(plural, "ERROR", {"code": 410})
        await until(lambda: len(watched.added) == 2)
        view = watched.informer.view(KEY)
        assert view is not None
        assert view.jobs == ()
        assert [pod.alive for pod in view.pods] == [False]

    play(scenario)


def test_a_watch_that_breaks_down_ends_the_process(play: Callable[[Scenario], None]) -> None:
    async def scenario(server: ApiServer, watched: Watched) -> None:
        await until(lambda: len(watched.added) == 3)
        server.tell("trainingruns", "ERROR", {"code": 500, "message": "out of order"})
        await asyncio.Event().wait()

    with pytest.raises(Exception, match="out of order"):
        play(scenario)
