"""TrainingRuns on a real API server, logs of real pods and of a real trainer: what lands in the history."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, objects
from tests.cluster.images import build
from tests.helpers.cutting_proxy import CuttingProxy
from tests.helpers.local_runs import manifest, write_data
from tests.helpers.runs import Runs
from tests.helpers.server import Server
from tests.integration.trainer.conftest import Launcher
from tests.integration.trainer.postgres import postgres
from trainingrun_api import names
from trainingrun_api.reasons import Phase
from trainingrun_client.cluster import RUNS
from trainingrun_client.connection import Connection, connect
from trainingrun_client.log_lines import of_local
from trainingrun_client.run import TrainingRun
from trainingrun_console.collecting import lines, refill
from trainingrun_console.collecting.collector import Collector
from trainingrun_console.collecting.observed import run_id
from trainingrun_console.history.records import Run
from trainingrun_console.history.store import History
from trainingrun_console.settings import Settings

SECONDS = 60.0
QUIET_SECONDS = 3.0
SERVER = "mkdir /tmp/page && cd /tmp/page && exec python3 -m http.server 9400"
RESULTS = {"total_epochs_run": 3, "training_time": 12.5, "early_stopped": True, "scores": {"val_loss": 0.1}}


class Counting(Connection):
    """Keeps which requests it makes."""

    def __init__(self, other: Connection) -> None:
        super().__init__(other.client, other.namespace, other.context)
        self.requests: list[str] = []

    def _call(self, method: str, path: str, *rest: Any) -> Any:
        self.requests.append(f"{method} {path}")
        return super()._call(method, path, *rest)


class Scene:
    """A namespace in which the test plays the operator and the trainers."""

    def __init__(self, runs: Runs, image: str) -> None:
        self.runs, self.image, self.server = runs, image, Server(runs.cluster)

    def submit(self, name: str) -> str:
        """The run_id of a new run."""
        created = self.server("POST", RUNS.path(self.runs.namespace), manifest(name, epochs=5))
        return run_id(created["metadata"])

    def status(self, name: str, phase: str, epoch: int | None = None, attempt: int = 1, **more: Any) -> None:
        progress = {} if epoch is None else {"progress": {"epoch": epoch, "totalEpochs": 5}}
        content = {"status": {"phase": phase, "attempt": attempt, **progress, **more}}
        self.server("PATCH", RUNS.path(self.runs.namespace, name, "status"), content)

    def delete(self, name: str) -> None:
        self.server("DELETE", RUNS.path(self.runs.namespace, name))

    def pod(self, name: str, attempt: int = 1) -> None:
        """The pod of rank 0, which serves a page and writes what it is told."""
        uid = self.runs.get(names.SINGULAR, name)["metadata"]["uid"]
        labels = {
            names.RUN_LABEL: name,
            names.UID_LABEL: uid,
            names.ATTEMPT_LABEL: str(attempt),
            names.COMPLETION_INDEX_LABEL: "0",
        }
        container = {"name": names.CONTAINER_NAME, "image": self.image, "command": ["sh", "-c", SERVER]}
        spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}
        pod = f"{name}-{attempt}-0"
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "labels": labels}, "spec": spec}
        self.runs.apply(body)
        self.runs.kubectl("wait", f"pod/{pod}", "--for=condition=Ready", f"--timeout={int(SECONDS)}s")

    def write(self, name: str, content: Mapping[str, Any], attempt: int = 1) -> None:
        """A line into the pod's log."""
        self._exec(name, attempt, "cat > /proc/1/fd/1", json.dumps(content) + "\n")

    def serve(self, name: str, page: str) -> None:
        self._exec(name, 1, "cat > /tmp/page/metrics", page)

    def event(self, name: str, reason: str) -> None:
        meta = self.runs.get(names.SINGULAR, name)["metadata"]
        subject = {"apiVersion": names.API_VERSION, "kind": names.KIND, **_named(meta)}
        body = {
            "metadata": {"name": f"{name}-{reason.lower()}", "namespace": self.runs.namespace},
            "involvedObject": subject,
            "reason": reason,
            "message": f"{reason} it is",
            "type": "Warning",
            "lastTimestamp": "2026-01-02T03:04:05Z",
            "count": 2,
        }
        self.server("POST", f"/api/v1/namespaces/{self.runs.namespace}/events", body)

    def _exec(self, name: str, attempt: int, script: str, text: str) -> None:
        self.runs.kubectl("exec", "-i", f"{name}-{attempt}-0", "--", "sh", "-c", script, input=text)


def _named(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {key: meta[key] for key in ("name", "namespace", "uid")}


def line(number: int, loss: float) -> dict[str, Any]:
    told = {"epoch": number, "global_step": number, "val_loss": loss, "time": "2026-01-02T03:04:05Z"}
    return {"message": f"epoch {number}", "rank": 0, "epoch": told}


@pytest.fixture(scope="module")
def scene(definition: Cluster) -> Iterator[Scene]:
    name = f"collecting-{uuid.uuid4().hex[:6]}"
    definition.kubectl("create", "namespace", name)
    yield Scene(Runs(definition, name), definition.load_image(build("base")))
    definition.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History.open(f"sqlite:///{tmp_path / 'history.db'}") as opened:
        yield opened


Begin = Callable[..., tuple[Collector, Counting]]


@pytest.fixture
def begin(scene: Scene, history: History) -> Iterator[Begin]:
    """Starts collectors, and ends what is left of them."""
    started: list[Collector] = []

    def one(
        kubeconfig: Path | None = None, changed: Callable[[str], None] = lambda _: None, store: Any = history
    ) -> Any:
        connection = Counting(connect(kubeconfig=kubeconfig or scene.runs.cluster.kubeconfig))
        settings = Settings(namespaces=[scene.runs.namespace])
        collector = Collector(connection, store, settings, changed)
        collector.start()
        started.append(collector)
        return collector, connection

    yield one
    for collector in started:
        collector.stop()


def until(what: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """The first answer that is true. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise TimeoutError


def losses(history: History, run: str) -> dict[int, float]:
    return {each["epoch"]: each["val_loss"] for each in history.epochs(run)}


def in_phase(history: History, run: str, phase: Phase) -> Run:
    def reached() -> Run | None:
        found = history.run(run)
        return found if found is not None and found.phase == phase else None

    found: Run = until(reached)
    return found


@pytest.mark.cluster
def test_a_run_lands_in_the_history_and_stays_there(scene: Scene, history: History, begin: Begin) -> None:
    changed = threading.Event()
    collector, connection = begin(changed=lambda _: changed.set())
    run = scene.submit("whole")
    in_phase(history, run, Phase.PENDING)
    assert changed.wait(SECONDS)
    assert collector.healthy() is None
    scene.event("whole", "Restarting")
    scene.pod("whole")
    scene.status("whole", "Running")
    in_phase(history, run, Phase.RUNNING)
    scene.write("whole", line(1, 0.5))
    scene.status("whole", "Running", 1)
    until(lambda: losses(history, run) == {1: 0.5})

    scene.serve("whole", 'trainer_epoch 2\ntrainer_metric{split="val",name="loss"} 0.25\n')
    scene.status("whole", "Running", 2)
    until(lambda: losses(history, run) == {1: 0.5, 2: 0.25})
    scene.write("whole", line(3, 0.125))
    scene.write("whole", {"results": RESULTS, "artifacts": [{"path": "results.json", "size": 3}]})
    scene.status("whole", "Completed", 3, completionTime="2026-01-02T03:04:05Z")
    known = in_phase(history, run, Phase.COMPLETED)
    assert losses(history, run) == {1: 0.5, 2: 0.25, 3: 0.125}
    assert (known.training_time, known.early_stopped) == (12.5, True)
    assert [each.path for each in known.artifacts] == ["results.json"]
    until(lambda: [(each.reason, each.count) for each in history.events(run)] == [("Restarting", 2)])

    before = len(connection.requests)
    scene.status("whole", "Completed", 3, message="kept")
    time.sleep(QUIET_SECONDS)
    assert connection.requests[before:] == []
    assert len([request for request in connection.requests if request.endswith("/log")]) == 3
    scene.delete("whole")
    until(lambda: getattr(history.run(run), "deleted_at", None))
    assert losses(history, run) == {1: 0.5, 2: 0.25, 3: 0.125}
    assert collector.healthy() is None


@pytest.mark.cluster
def test_a_killed_collector_catches_up(scene: Scene, history: History, begin: Begin) -> None:
    first, _ = begin()
    run, other = scene.submit("killed"), scene.submit("deleted")
    scene.pod("killed")
    scene.write("killed", line(1, 0.5))
    scene.status("killed", "Running", 1)
    scene.status("deleted", "Completed", completionTime="2026-01-02T03:04:05Z")
    until(lambda: losses(history, run) == {1: 0.5})
    in_phase(history, other, Phase.COMPLETED)
    first.stop()
    scene.write("killed", line(2, 0.25))
    scene.pod("killed", 2)
    scene.write("killed", line(2, 0.125), 2)
    scene.write("killed", line(3, 0.0625), 2)
    ended = [{"number": 1, "outcome": "Failure", "reason": "OOMKilled"}]
    scene.status("killed", "Running", 3, 2, attempts=ended)
    scene.delete("deleted")
    third = scene.submit("fresh")
    begin()
    until(lambda: losses(history, run) == {1: 0.5, 2: 0.125, 3: 0.0625})
    until(lambda: getattr(history.run(other), "deleted_at", None))
    until(lambda: history.run(third))
    assert [each.reason for each in history.attempts(run)] == ["OOMKilled"]


@pytest.mark.cluster
def test_cut_connections_cost_no_epoch(scene: Scene, history: History, begin: Begin, tmp_path: Path) -> None:
    with CuttingProxy(scene.runs.cluster.kubeconfig) as proxy:
        collector, _ = begin(proxy.write_kubeconfig(tmp_path / "kubeconfig"))
        run = scene.submit("cut")
        scene.pod("cut")
        until(lambda: history.run(run))
        for number in (1, 2, 3, 4):
            scene.write("cut", line(number, 1 / number))
            proxy.cut()
            scene.status("cut", "Running", number)
            proxy.cut()
        until(lambda: losses(history, run) == {number: 1 / number for number in (1, 2, 3, 4)})
        proxy.cut()
        scene.delete("cut")
        until(lambda: getattr(history.run(run), "deleted_at", None))
        until(lambda: collector.healthy() is None)
        collector.stop()


@pytest.mark.cluster
def test_an_api_server_that_is_away_is_told_and_waited_for(
    scene: Scene, history: History, begin: Begin, tmp_path: Path
) -> None:
    with CuttingProxy(scene.runs.cluster.kubeconfig) as proxy:
        kubeconfig = proxy.write_kubeconfig(tmp_path / "kubeconfig")
    collector, _ = begin(kubeconfig)
    told = until(collector.healthy)
    assert told.startswith(f"runs of {scene.runs.namespace}: ")
    began = time.monotonic()
    collector.stop()
    assert time.monotonic() - began < 10


@pytest.mark.cluster
def test_what_happens_while_the_database_is_away_is_written_once_it_is_back(
    scene: Scene, begin: Begin
) -> None:
    with postgres() as server, History.open(server.url) as history:
        collector, _ = begin(store=history)
        run, other = scene.submit("waits"), scene.submit("ends")
        scene.pod("waits")
        in_phase(history, run, Phase.PENDING)
        until(lambda: history.run(other))
        server.stop()
        for number in (1, 2):
            scene.write("waits", line(number, 1 / number))
            scene.status("waits", "Running", number)
        scene.delete("ends")
        assert until(collector.healthy).startswith("history: ")
        assert "secret" not in str(collector.healthy())
        server.start()
        until(lambda: losses(history, run) == {1: 1.0, 2: 0.5})
        until(lambda: getattr(history.run(other), "deleted_at", None))
        until(lambda: collector.healthy() is None)
        collector.stop()


@pytest.mark.cluster
def test_a_lost_history_is_refilled_through_the_claim(scene: Scene, history: History) -> None:
    runs, claim = scene.runs, "results"
    runs.apply(objects.claim(runs.namespace, claim, "1Gi"))
    run = scene.submit("refilled")
    scene.status("refilled", "Completed", 2, checkpointClaim=claim, runDirectory=f"/checkpoints/{run}")
    connection = connect(kubeconfig=runs.cluster.kubeconfig)
    found = TrainingRun(connection.get(RUNS.path(runs.namespace, "refilled")))
    folder = runs.cluster.volume_folder(runs.namespace, claim) / run
    folder.mkdir()
    record = {"run_id": run, "name": "refilled", "namespace": runs.namespace, "state": "completed"}
    epochs = [line(1, 0.5)["epoch"], line(2, 0.25)["epoch"]]
    for name, content in (("run", record), ("metrics", epochs), ("results", RESULTS)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    assert refill.from_cluster(history, connection, found, image=scene.image) == run
    known = history.run(run)
    assert known is not None
    assert (known.phase, known.training_time, known.object["spec"]) == (
        Phase.COMPLETED,
        12.5,
        found.raw["spec"],
    )
    assert losses(history, run) == {1: 0.5, 2: 0.25}
    assert {each.path for each in known.artifacts} == {"run.json", "metrics.json", "results.json"}


def test_what_a_trainer_writes_at_its_end_is_understood(tmp_path: Path) -> None:
    path = write_data(tmp_path / "claim") / "set"
    config = manifest()["spec"]["training"]
    config = {**config, "accelerator": "cpu", "data": {**config["data"], "path": str(path)}}
    launcher = Launcher(tmp_path, new=True)
    try:
        environment = {names.ENV_NAME: "small", names.ENV_NAMESPACE: "team", names.ENV_IMAGE: "trainer:1"}
        ended = launcher.start("trainingrun_trainer.__main__", config, environment=environment).wait()
    finally:
        launcher.end()
    assert ended.exit_code == 0, ended.output
    outcome = lines.outcome(of_local(text, "", 1) for text in ended.output.splitlines())
    assert outcome is not None
    results = ended.read("results.json")
    assert outcome.results == results
    assert outcome.provenance == ended.read("run.json")["provenance"]
    sizes = {each.path: each.size for each in outcome.artifacts}
    for name in ("results.json", "metrics.json", "model_card.md", "checkpoints/best.ckpt"):
        assert sizes[name] == (ended.directory / name).stat().st_size
