"""The history is brought up to what is heard of a run: each epoch once, few questions, whatever restarts."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from trainingrun_api import names
from trainingrun_api.reasons import Phase
from trainingrun_client.connection import Connection
from trainingrun_client.errors import ApiError, NotFoundError, UnreachableError
from trainingrun_console.collecting import refill
from trainingrun_console.collecting.news import News
from trainingrun_console.collecting.recording import NotYetError, Recorder
from trainingrun_console.collecting.work_queue import WorkQueue
from trainingrun_console.history.errors import HistoryError
from trainingrun_console.history.records import Epoch, Run
from trainingrun_console.history.store import History

UID = "0a1b2c3d-0000-4000-8000-000000000000"
RUN_ID = "chest-0a1b2c3d"
START = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
PROVENANCE = {"image": "trainer:1", "config_sha256": "0123"}


def at(second: int) -> str:
    return (START + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(number: int, loss: float, second: int = 0) -> dict[str, Any]:
    return {
        "epoch": number,
        "global_step": 10 * number,
        "val_loss": loss,
        "learning_rate": 0.001,
        "seconds": 2.5,
        "samples_per_second": 80.0,
        "time": at(second),
    }


class PlayedCluster:
    """Pods and their logs, as an API server hands them out; counts what it is asked."""

    context = "played"

    def __init__(self) -> None:
        self.logs: dict[int, list[str]] = {}
        """By attempt."""
        self.pages: dict[int, str] = {}
        self.asked: list[str] = []
        self.error: Exception | None = None
        self._second = 0

    def write(self, attempt: int, content: Mapping[str, Any] | str) -> None:
        self._second += 1
        text = content if isinstance(content, str) else json.dumps(content)
        self.logs.setdefault(attempt, []).append(f"{at(self._second)[:-1]}.5Z {text}")

    def list(self, path: str, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
        self._ask("list")
        assert UID in query["labelSelector"]
        return [
            {
                "metadata": {"name": f"chest-{number}-0-abcde", "labels": {names.ATTEMPT_LABEL: str(number)}},
                "status": {"phase": "Running"},
            }
            for number in self.logs
        ], "1"

    def lines(self, path: str, query: Mapping[str, str], seconds: float) -> Iterator[bytes]:
        name, _, what = path.removeprefix("/api/v1/namespaces/team/pods/").partition("/")
        attempt = int(name.split("-")[1])
        self._ask(what)
        if what == "proxy/metrics":
            if attempt not in self.pages:
                raise ApiError(503, "connection refused")
            yield from self.pages[attempt].encode().splitlines()
            return
        if attempt not in self.logs:
            raise NotFoundError(404, "gone")
        for line in self.logs[attempt]:
            if line[:19] >= query.get("sinceTime", "")[:19]:
                yield line.encode()

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.error is not None:
            raise self.error

    def questions(self) -> Sequence[str]:
        asked, self.asked = self.asked, []
        return asked


def raw(
    phase: str, attempt: int = 1, finished: int | None = None, *, task: bool = True, **status: Any
) -> dict[str, Any]:
    training = {"training": {"task": "classification", "monitor": "val_loss", "maxEpochs": 5}}
    return {
        "metadata": {
            "name": "chest",
            "namespace": "team",
            "uid": UID,
            "creationTimestamp": at(0),
            "resourceVersion": "1",
        },
        "spec": training if task else {"command": ["python"]},
        "status": {
            "phase": phase,
            "attempt": attempt,
            **({} if finished is None else {"progress": {"epoch": finished, "usefulSeconds": 9}}),
            **({"completionTime": at(60)} if phase in ("Completed", "Failed") else {}),
            **status,
        },
    }


class Stage:
    """A history, a played cluster, and a recorder that can be killed."""

    def __init__(self, history: History, **options: Any) -> None:
        self.history, self.cluster, self._options = history, PlayedCluster(), options
        self.changes: list[tuple[Phase, int]] = []
        """Phase and last epoch in the history whenever a change was told."""
        self.restart()

    def restart(self) -> None:
        self.recorder = Recorder(
            cast(Connection, self.cluster),
            self.history,
            self._changed,
            lambda: START + timedelta(seconds=90),
            **{"mounted": {}, **self._options},
        )

    def hear(self, *objects: Mapping[str, Any], patient: bool = True) -> None:
        for each in objects:
            self.recorder.record(RUN_ID, News(each), patient=patient)

    @property
    def run(self) -> Run:
        found = self.history.run(RUN_ID)
        assert found is not None
        return found

    def losses(self) -> dict[int, float]:
        return {each["epoch"]: each["val_loss"] for each in self.history.epochs(RUN_ID)}

    def _changed(self, run_id: str) -> None:
        assert run_id == RUN_ID
        self.changes.append((self.run.phase, self.history.last_epoch(run_id)))


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History.open(f"sqlite:///{tmp_path / 'history.db'}") as opened:
        yield opened


@pytest.fixture
def stage(history: History) -> Stage:
    return Stage(history)


def result(epochs: int) -> dict[str, Any]:
    return {
        "results": {
            "best_epoch": 1,
            "total_epochs_run": epochs,
            "early_stopped": True,
            "training_time": 12.5,
            "scores": {"val_loss": 0.5},
        },
        "artifacts": [{"path": "results.json", "size": 7}],
        "provenance": PROVENANCE,
    }


def test_epochs_come_from_the_log_and_each_change_costs_one_question(stage: Stage) -> None:
    stage.hear(raw("Pending"), raw("Running"))
    assert stage.cluster.questions() == []
    stage.cluster.write(1, "starting")
    stage.cluster.write(1, {"epoch": epoch(1, 0.9)})
    stage.hear(raw("Running", 1, 1))
    assert stage.cluster.questions() == ["list", "log"]
    stage.hear(raw("Running", 1, 1, message="moves"), raw("Running", 1, 1, nodesReady="1/1"))
    assert stage.cluster.questions() == []
    stage.cluster.write(1, {"epoch": epoch(2, 0.8)})
    stage.hear(raw("Running", 1, 2))
    stage.cluster.write(1, result(2))
    stage.hear(raw("Completed", 1, 2))
    assert stage.cluster.questions() == ["log", "log"]
    stage.hear(raw("Completed", 1, 2), raw("Completed", 1, 2, message="kept"))
    assert stage.cluster.questions() == []
    assert stage.history.epochs(RUN_ID) == [epoch(1, 0.9), epoch(2, 0.8)]
    run = stage.run
    assert (run.phase, run.early_stopped, run.training_time) == (Phase.COMPLETED, True, 12.5)
    assert (run.results or {})["scores"] == {"val_loss": 0.5}
    assert [(each.path, each.size) for each in run.artifacts] == [("results.json", 7)]
    assert run.provenance == PROVENANCE


def test_the_end_is_told_after_the_last_epoch(stage: Stage) -> None:
    stage.cluster.write(1, {"epoch": epoch(1, 0.9)})
    stage.cluster.write(1, {"epoch": epoch(2, 0.8)})
    stage.hear(raw("Completed", 1, 2))
    assert stage.changes == [(Phase.RUNNING, 2), (Phase.COMPLETED, 2)]


def test_what_a_later_attempt_repeats_counts(stage: Stage) -> None:
    for number in (1, 2, 3):
        stage.cluster.write(1, {"epoch": epoch(number, 0.9)})
        stage.hear(raw("Running", 1, number))
    ended = [{"number": 1, "outcome": "Failure", "reason": "OOMKilled"}]
    stage.cluster.write(2, "resumed")
    stage.hear(raw("Running", 2, 3, attempts=ended))
    stage.cluster.questions()
    for number in (2, 3, 4):
        stage.cluster.write(2, {"epoch": epoch(number, 0.5)})
        stage.hear(raw("Running", 2, number, attempts=ended))
    assert stage.cluster.questions() == ["log"] * 3
    assert stage.losses() == {1: 0.9, 2: 0.5, 3: 0.5, 4: 0.5}
    assert [attempt.reason for attempt in stage.history.attempts(RUN_ID)] == ["OOMKilled"]


def test_an_epoch_that_status_told_only_after_the_attempt_ended_is_found(stage: Stage) -> None:
    stage.cluster.write(1, {"epoch": epoch(1, 0.9)})
    stage.hear(raw("Running", 1, 1))
    stage.cluster.write(1, {"epoch": epoch(2, 0.8)})
    ended = [{"number": 1, "outcome": "Failure", "reason": "Killed"}]
    stage.hear(raw("Pending", 1, 1, attempts=ended))
    assert stage.losses() == {1: 0.9, 2: 0.8}


def test_epochs_beyond_the_end_of_the_last_attempt_go(stage: Stage) -> None:
    for number in (1, 2, 3):
        stage.cluster.write(1, {"epoch": epoch(number, 0.9)})
    stage.hear(raw("Running", 1, 3))
    stage.cluster.write(2, {"epoch": epoch(2, 0.5)})
    stage.cluster.write(2, result(2))
    stage.hear(raw("Completed", 2, 2))
    assert stage.losses() == {1: 0.9, 2: 0.5}


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_a_killed_service_finds_what_it_missed(stage: Stage, killed_after: int) -> None:
    stage.hear(raw("Running"))
    for number in (1, 2, 3):
        stage.cluster.write(1, {"epoch": epoch(number, number / 10)})
        if number <= killed_after:
            stage.hear(raw("Running", 1, number))
    stage.restart()
    stage.cluster.write(1, result(3))
    stage.cluster.questions()
    stage.hear(raw("Completed", 1, 3))
    assert stage.cluster.questions() == ["list", "log"]
    stage.restart()
    stage.hear(raw("Completed", 1, 3))
    assert stage.cluster.questions() == []
    assert stage.losses() == {1: 0.1, 2: 0.2, 3: 0.3}
    assert stage.run.training_time == 12.5


class Failing:
    """A history whose database goes away before the n-th call."""

    def __init__(self, history: History, calls: int) -> None:
        self._history, self._left = history, calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise HistoryError("away")
            return getattr(self._history, name)(*arguments, **options)

        return call


@pytest.mark.parametrize("calls", range(9))
def test_a_database_that_goes_away_at_any_moment_misses_nothing(history: History, calls: int) -> None:
    stage = Stage(history)
    ended = [{"number": 1, "outcome": "Failure", "reason": "Killed"}]
    last = raw("Completed", 2, 3, attempts=ended)
    for number in (1, 2):
        stage.cluster.write(1, {"epoch": epoch(number, 0.9)})
    stage.hear(raw("Running", 1, 2))
    stage.cluster.write(2, {"epoch": epoch(2, 0.5)})
    stage.cluster.write(2, {"epoch": epoch(3, 0.5)})
    stage.cluster.write(2, result(3))
    recorder: Any = stage.recorder
    recorder._history = Failing(history, calls)
    for _ in range(2):
        try:
            stage.hear(last)
        except HistoryError:
            recorder._history = history
    assert stage.losses() == {1: 0.9, 2: 0.5, 3: 0.5}
    assert (stage.run.phase, stage.run.training_time) == (Phase.COMPLETED, 12.5)
    assert len(history.attempts(RUN_ID)) == 1


def page(number: int, loss: float) -> str:
    return (
        f'trainer_epoch {number}\ntrainer_metric{{split="val",name="loss"}} {loss}\ntrainer_learning_rate 0.5'
    )


def told(loss: float) -> dict[str, Any]:
    return {"metrics": [{"name": "val_loss", "value": str(loss)}]}


def test_a_program_without_epochs_in_its_log_is_read_by_its_metrics(stage: Stage) -> None:
    stage.cluster.write(1, "no JSON")
    stage.hear(raw("Running", task=False))
    for number in (1, 2, 3):
        stage.cluster.pages[1] = page(number, number / 10)
        stage.hear(raw("Running", 1, number, task=False, **told(number / 10)))
    assert stage.cluster.questions() == ["list", "log", *["proxy/metrics"] * 3]
    assert stage.losses() == {1: 0.1, 2: 0.2, 3: 0.3}
    assert {each["learning_rate"] for each in stage.history.epochs(RUN_ID)} == {0.5}


def test_without_log_and_metrics_status_is_what_is_left(stage: Stage) -> None:
    stage.cluster.error = ApiError(500, "the kubelet does not answer")
    stage.hear(raw("Running", 1, 1, **told(0.9)), raw("Running", 1, 2, **told(0.8)))
    ended = [{"number": 1, "outcome": "Disruption", "reason": "NodeLost"}]
    stage.hear(raw("Running", 2, 2, attempts=ended, **told(0.8)))
    stage.hear(raw("Running", 2, 1, attempts=ended, **told(0.7)))
    assert stage.losses() == {1: 0.7, 2: 0.8}
    stage.hear(raw("Completed", 2, 2, attempts=ended, **told(0.6)), patient=False)
    assert stage.losses() == {1: 0.7, 2: 0.6}
    assert (stage.run.training_time, stage.run.early_stopped) == (9.0, True)


def test_a_poorer_account_never_replaces_the_log_of_its_attempt(stage: Stage) -> None:
    stage.cluster.write(1, {"epoch": epoch(1, 0.9)})
    stage.hear(raw("Running", 1, 1, **told(0.1)))
    stage.restart()
    stage.cluster.error = ApiError(500, "the kubelet does not answer")
    stage.hear(raw("Running", 1, 1, **told(0.1)), raw("Pending", 2, 1, **told(0.1)))
    assert stage.losses() == {1: 0.9}


def test_the_end_waits_for_a_cluster_that_does_not_answer_but_not_for_ever(stage: Stage) -> None:
    stage.hear(raw("Running"))
    stage.cluster.error = UnreachableError("away")
    with pytest.raises(UnreachableError):
        stage.hear(raw("Completed", 1, 1, **told(0.9)))
    assert stage.run.phase == Phase.RUNNING
    stage.hear(raw("Completed", 1, 1, **told(0.9)), patient=False)
    assert (stage.run.phase, stage.losses()) == (Phase.COMPLETED, {1: 0.9})


def test_a_retried_run_goes_on(stage: Stage) -> None:
    stage.cluster.write(1, {"epoch": epoch(1, 0.9)})
    stage.hear(raw("Failed", 1, 1), raw("Pending", 1, 1))
    stage.cluster.write(2, {"epoch": epoch(2, 0.8)})
    stage.hear(raw("Running", 2, 2), raw("Completed", 2, 2))
    assert stage.losses() == {1: 0.9, 2: 0.8}
    assert stage.run.phase == Phase.COMPLETED


def test_a_deleted_run_stays_with_all_that_was_known(stage: Stage) -> None:
    stage.cluster.write(1, {"epoch": epoch(1, 0.9)})
    stage.recorder.record(RUN_ID, News(raw("Running", 1, 1), gone=True), patient=True)
    assert (stage.run.finished, stage.run.deleted_at) == (True, START + timedelta(seconds=90))
    assert stage.losses() == {1: 0.9}


def test_events_wait_for_their_run_and_come_once(stage: Stage) -> None:
    told = {"metadata": {"uid": "e"}, "reason": "Started", "lastTimestamp": at(1), "count": 1}
    event = News(events={"e": told})
    with pytest.raises(NotYetError):
        stage.recorder.record(RUN_ID, event, patient=True)
    stage.recorder.record(RUN_ID, event, patient=False)
    for count in (1, 2):
        again = News(raw("Running"), events={"e": {**told, "count": count}})
        stage.recorder.record(RUN_ID, again, patient=True)
    assert [(each.reason, each.count) for each in stage.history.events(RUN_ID)] == [("Started", 2)]


def test_what_was_forgotten_is_not_taken_up_again(history: History) -> None:
    stage = Stage(history, keep_days=1)
    long_ago = (START - timedelta(days=3)).isoformat()
    stage.hear(raw("Completed", 1, 1, completionTime=long_ago))
    assert history.run(RUN_ID) is None
    assert stage.cluster.questions() == []


def write_directory(path: Path, epochs: list[Epoch], state: str = "completed") -> Path:
    path.mkdir(parents=True)
    attempts = [
        {"attempt": 1, "started_at": at(1), "ended_at": at(2), "outcome": "failed"},
        {"attempt": 2, "started_at": at(3), "ended_at": at(9), "outcome": "completed"},
    ]
    run = {
        "run_id": RUN_ID,
        "name": "chest",
        "namespace": "team",
        "uid": UID,
        "task": "classification",
        "state": state,
        "attempts": attempts,
        "provenance": PROVENANCE,
    }
    config = {"maxEpochs": 5, "monitor": "val_loss", "database": {"clientId": "north"}}
    results = {**result(len(epochs))["results"], "monitor": "val_loss"}
    for name, content in (("run", run), ("config", config), ("metrics", epochs), ("results", results)):
        (path / f"{name}.json").write_text(json.dumps(content))
    (path / ".half.partial").touch()
    return path


def test_a_mounted_run_directory_tells_the_most(history: History, tmp_path: Path) -> None:
    write_directory(tmp_path / "claim" / RUN_ID, [epoch(1, 0.75), epoch(2, 0.5)])
    stage = Stage(history, mounted={"team/results": tmp_path / "claim"})
    place: dict[str, Any] = {"checkpointClaim": "results", "runDirectory": f"/checkpoints/{RUN_ID}"}
    stage.cluster.write(1, {"epoch": epoch(1, 0.9)})
    stage.hear(raw("Completed", 2, 2, **place))
    assert stage.losses() == {1: 0.75, 2: 0.5}
    assert {each.path for each in stage.run.artifacts} == {
        "run.json",
        "config.json",
        "metrics.json",
        "results.json",
    }
    assert stage.run.provenance == PROVENANCE


def test_a_run_that_ended_and_went_unseen_is_read_from_its_directory(
    history: History, tmp_path: Path
) -> None:
    write_directory(tmp_path / "claim" / RUN_ID, [epoch(1, 0.75), epoch(2, 0.5)])
    stage = Stage(history, mounted={"team/results": tmp_path / "claim"})
    stage.hear(
        raw("Running", 1, checkpointClaim="results", runDirectory=f"/checkpoints/{RUN_ID}"), patient=False
    )
    stage.restart()
    stage.recorder.record(RUN_ID, News(gone=True), patient=True)
    assert stage.losses() == {1: 0.75, 2: 0.5}
    assert (stage.run.phase, stage.run.training_time) == (Phase.COMPLETED, 12.5)
    assert stage.run.deleted_at is not None


@pytest.mark.parametrize("link", ["directory", "file"])
def test_no_link_leads_out_of_a_mounted_claim(history: History, tmp_path: Path, link: str) -> None:
    secret = write_directory(tmp_path / "secret", [epoch(1, 0.75)])
    claim = tmp_path / "claim"
    claim.mkdir()
    if link == "directory":
        (claim / RUN_ID).symlink_to(secret)
    else:
        (claim / RUN_ID).mkdir()
        for name in ("run.json", "metrics.json", "results.json"):
            (claim / RUN_ID / name).symlink_to(secret / name)
    stage = Stage(history, mounted={"team/results": claim})
    stage.hear(raw("Completed", 1, 0, checkpointClaim="results", runDirectory=f"/checkpoints/{RUN_ID}"))
    assert stage.losses() == {}
    assert (stage.run.results, stage.run.artifacts) == (None, ())


def test_an_empty_history_is_refilled_from_run_directories(history: History, tmp_path: Path) -> None:
    write_directory(tmp_path / "claim" / RUN_ID, [epoch(1, 0.75), epoch(2, 0.5)])
    (tmp_path / "claim" / "lost+found").mkdir()
    for _ in range(2):
        assert refill.from_path(history, tmp_path / "claim") == [RUN_ID]
    run = history.run(RUN_ID)
    assert run is not None
    assert (run.namespace, run.name, run.uid, run.phase) == ("team", "chest", UID, Phase.COMPLETED)
    assert (run.training_mode, run.client_id, run.restarts) == ("federated", "north", 1)
    assert (run.best_value, run.best_epoch, run.training_time) == (0.75, 1, 12.5)
    assert history.epochs(RUN_ID) == [epoch(1, 0.75), epoch(2, 0.5)]
    assert [each.outcome for each in history.attempts(RUN_ID)] == ["Failure", "Completed"]
    assert refill.from_path(history, tmp_path / "claim" / RUN_ID) == [RUN_ID]


def test_refilling_leaves_what_the_object_told(stage: Stage, tmp_path: Path) -> None:
    ended = [{"number": 1, "outcome": "Failure", "reason": "OOMKilled"}]
    stage.hear(raw("Completed", 2, 2, attempts=ended, message="all is told"))
    before = stage.run
    write_directory(tmp_path / RUN_ID, [epoch(1, 0.75), epoch(2, 0.5)])
    refill.from_path(stage.history, tmp_path)
    assert (stage.run.message, stage.run.object) == (before.message, before.object)
    assert stage.history.attempts(RUN_ID)[0].reason == "OOMKilled"
    assert stage.run.training_time == 12.5


def test_a_key_is_one_workers_at_a_time_and_comes_again() -> None:
    now = 0.0
    queue = WorkQueue(lambda: now)
    for key in ("a", "b", "a"):
        queue.put(key)
    assert queue.take() == "a"
    queue.put("a")
    assert queue.take() == "b"
    queue.put("c", delay=5.0)
    queue.done("a")
    assert queue.take() == "a"
    now = 5.0
    assert queue.take() == "c"
    queue.stop()
    assert queue.take() is None
