"""What the history keeps of runs, on SQLite and on PostgreSQL alike."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.helpers.forgetting import forget
from tests.integration.console import history_databases
from tests.integration.console.history_databases import epoch
from trainingrun_api.reasons import Phase
from trainingrun_console.history.records import Artifact, Attempt, Event, Filter, Run
from trainingrun_console.history.sparkline import MOST
from trainingrun_console.history.store import History
from trainingrun_console.history.tables import METADATA

history_server = history_databases.history_server
history_url = history_databases.history_url
history = history_databases.history

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = Run(
    run_id="chest-0f1e2d3c",
    namespace="team",
    name="chest",
    uid="0f1e2d3c-0000-4000-8000-000000000000",
    created_at=TIME,
    monitor="val_accuracy",
)
FULL = replace(
    RUN,
    phase=Phase.COMPLETED,
    reason="Completed",
    message="Reached epoch 20; Größe: 3 µm",
    project="lungs",
    task="classification",
    training_mode="federated",
    client_id="hospital-3",
    round_id=7,
    started_at=TIME + timedelta(seconds=1, microseconds=5),
    completed_at=TIME + timedelta(hours=2),
    attempt=2,
    restarts=1,
    epoch=20,
    total_epochs=20,
    percent=100,
    estimated_completion_time=TIME + timedelta(hours=1),
    monitor_value=0.75,
    best_value=0.875,
    best_epoch=17,
    early_stopped=False,
    training_time=12.5,
    results={"test_auroc": 0.5, "classes": ["a", "b"]},
    artifacts=(Artifact("plots/loss.png", 1234),),
    provenance={"image": "registry.example/trainer:1"},
    object={"spec": {"training": {"model": {"architecture": "resnet50"}}}},
)
ATTEMPT = Attempt(number=1, outcome="Failure", reason="OOMKilled", node="gpu-1", started_at=TIME, to_step=40)
EVENT = Event(uid="e1", time=TIME, type="Warning", reason="BackOff", message="Back-off", count=1)


def kept(run: Run | None) -> Run:
    """Without what the store makes."""
    assert run is not None
    return replace(run, sparkline=(), updated_at=None)


@pytest.mark.parametrize("run", [RUN, FULL], ids=["sparse", "full"])
def test_a_run_comes_out_as_it_went_in(history: History, run: Run) -> None:
    history.save(run)
    found = history.run(run.run_id)
    assert kept(found) == run
    assert found is not None
    assert found.updated_at is not None
    assert found.updated_at.tzinfo is UTC
    assert kept(history.runs(Filter()).runs[0]) == replace(run, object={})


def test_a_run_that_has_not_changed_is_not_written(history: History) -> None:
    assert history.save(FULL)
    before = history.run(FULL.run_id)
    assert not history.save(FULL)
    assert history.run(FULL.run_id) == before
    assert history.save(replace(FULL, percent=99))
    assert history.save(replace(FULL, percent=99, object={"spec": {"nodes": 2}}))


def test_what_ended_is_not_forgotten_when_a_later_object_does_not_tell_it(history: History) -> None:
    history.save(replace(FULL, deleted_at=TIME))
    retried = replace(RUN, phase=Phase.RUNNING)
    history.save(retried)
    names = ("results", "artifacts", "provenance", "early_stopped", "training_time", "object")
    expected: dict[str, Any] = {name: getattr(FULL, name) for name in names} | {"deleted_at": TIME}
    assert kept(history.run(RUN.run_id)) == replace(retried, **expected)


def test_numbers_that_json_lacks_become_none(history: History) -> None:
    nan, infinity = float("nan"), float("inf")
    told: dict[str, Any] = {
        "monitor_value": nan, "best_value": -infinity, "results": {"a": [nan, 1.5]}, "object": {"b": infinity}
    }  # fmt: skip
    kept_instead: dict[str, Any] = {
        "monitor_value": None, "best_value": None, "results": {"a": [None, 1.5]}, "object": {"b": None}
    }  # fmt: skip
    history.save(replace(FULL, **told))
    assert kept(history.run(FULL.run_id)) == replace(FULL, **kept_instead)
    assert not history.save(replace(FULL, **told))
    record = epoch(1, train_loss=nan, val_map=infinity, learning_rate=nan)
    assert history.save_epochs(FULL.run_id, [record]) == [1]
    assert history.save_epochs(FULL.run_id, [record]) == []
    assert history.epochs(FULL.run_id) == [epoch(1, train_loss=None, val_map=None, learning_rate=None)]


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_text_that_no_database_takes_is_kept_without_it(history: History, text: str) -> None:
    run = replace(FULL, message=text, results={"note": text}, object={"note": text})
    history.save(run)
    assert kept(history.run(run.run_id)).message == "a\ufffdb"
    assert not history.save(run)
    assert history.run(text) is None
    assert not history.runs(Filter(text=text, namespaces=[text])).runs
    history.save_epochs(run.run_id, [epoch(1, **{f"val_{text}": 1.0})])
    assert history.last_epoch(run.run_id) == 1


def test_an_epoch_written_twice_stays_one_and_a_repeated_one_replaces_it(history: History) -> None:
    history.save(RUN)
    assert history.save_epochs(RUN.run_id, [epoch(1), epoch(2)]) == [1, 2]
    assert history.save_epochs(RUN.run_id, [epoch(1), epoch(2)]) == []
    repeated = epoch(2, train_loss=0.25, time="2026-01-02T04:00:00Z")
    assert history.save_epochs(RUN.run_id, [epoch(1), repeated, epoch(3), epoch(3)]) == [2, 3]
    assert history.epochs(RUN.run_id) == [epoch(1), repeated, epoch(3)]
    assert list(history.epochs(RUN.run_id)[0]) == list(epoch(1)), "the order of metrics.json"
    assert history.epochs(RUN.run_id, after=1, limit=1) == [repeated]
    assert history.last_epoch(RUN.run_id) == 3
    assert history.epochs(RUN.run_id, after=10**30) == []


@pytest.mark.parametrize("number", [0, -1, 2**31, 10**30, True, "1", None, 1.5])
def test_an_epoch_without_a_possible_number_is_left_out(history: History, number: Any) -> None:
    history.save(RUN)
    assert history.save_epochs(RUN.run_id, [{**epoch(1), "epoch": number}, epoch(7)]) == [7]


@pytest.mark.parametrize(
    "more",
    [
        {"global_step": 2**40},
        {"time": "once"},
        {"time": 7},
        {"seconds": "all"},
        {"train_loss": 10**400},
    ],
)
def test_an_epoch_with_an_impossible_value_is_kept_without_it(history: History, more: dict[str, Any]) -> None:
    history.save(RUN)
    assert history.save_epochs(RUN.run_id, [epoch(1, **more)]) == [1]
    assert history.save_epochs(RUN.run_id, [epoch(1, **more)]) == []
    assert history.last_epoch(RUN.run_id) == 1


def test_epochs_that_a_later_attempt_trains_anew_go(history: History) -> None:
    history.save(RUN)
    history.save_epochs(RUN.run_id, [epoch(number) for number in range(1, 6)])
    history.drop_epochs(RUN.run_id, 3)
    assert [each["epoch"] for each in history.epochs(RUN.run_id)] == [1, 2, 3]
    assert history.runs(Filter()).runs[0].sparkline == (0.01, 0.02, 0.03)


def test_the_sparkline_follows_the_metric_of_record(history: History) -> None:
    history.save(RUN)
    history.save_epochs(RUN.run_id, [epoch(number) for number in range(1, 101)])
    line = history.runs(Filter()).runs[0].sparkline
    assert (len(line), line[0], line[-1]) == (MOST, 0.01, 1.0)
    assert list(line) == sorted(line)
    history.save(replace(RUN, monitor="val_recall_class_a"))
    assert history.runs(Filter()).runs[0].sparkline == (0.25,) * MOST
    history.save(replace(RUN, monitor="val_loss"))
    assert history.runs(Filter()).runs[0].sparkline == ()


def test_attempts_and_events_are_kept_once(history: History) -> None:
    history.save(RUN)
    for _ in range(2):
        history.save_attempts(RUN.run_id, [ATTEMPT])
        history.save_events(RUN.run_id, [EVENT])
    earlier = replace(EVENT, uid="e0", time=TIME - timedelta(seconds=1))
    history.save_attempts(RUN.run_id, [replace(ATTEMPT, number=2), replace(ATTEMPT, reason="Evicted")])
    history.save_events(RUN.run_id, [replace(EVENT, count=9), earlier])
    assert history.attempts(RUN.run_id) == [replace(ATTEMPT, reason="Evicted"), replace(ATTEMPT, number=2)]
    assert history.events(RUN.run_id) == [earlier, replace(EVENT, count=9)]


def test_what_belongs_to_no_known_run_is_not_kept(history: History) -> None:
    gone = "gone-00000000"
    assert history.save_epochs(gone, [epoch(1)]) == []
    history.save_attempts(gone, [ATTEMPT])
    history.save_events(gone, [EVENT])
    history.drop_epochs(gone, 0)
    history.mark_deleted(gone, TIME)
    forget(history, gone)
    assert history.run(gone) is None
    assert history.last_epoch(gone) == 0
    assert [history.epochs(gone), history.attempts(gone), history.events(gone)] == [[], [], []]


def test_a_deletion_is_noted_once_and_stays(history: History) -> None:
    history.save(RUN)
    history.mark_deleted(RUN.run_id, TIME)
    history.mark_deleted(RUN.run_id, TIME + timedelta(days=1))
    history.save(replace(RUN, percent=5))
    assert kept(history.run(RUN.run_id)) == replace(RUN, percent=5, deleted_at=TIME)


def test_a_forgotten_run_leaves_nothing(history: History, history_url: str) -> None:
    history.save(FULL)
    history.save_epochs(FULL.run_id, [epoch(1)])
    history.save_attempts(FULL.run_id, [ATTEMPT])
    history.save_events(FULL.run_id, [EVENT])
    forget(history, FULL.run_id)
    engine = sa.create_engine(history_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        left = [name for name, table in METADATA.tables.items() if connection.execute(sa.select(table)).all()]
    engine.dispose()
    assert left == []


@pytest.mark.parametrize(
    ("keep_days", "keep_runs", "left"),
    [
        (None, None, {"active", "old-active", "new", "middle", "old", "old-deleted"}),
        (30, None, {"active", "old-active", "new", "middle"}),
        (None, 2, {"active", "old-active", "new", "middle"}),
        (None, 0, {"active", "old-active"}),
        (5, 2, {"active", "old-active", "new"}),
        (30, 1, {"active", "old-active", "new"}),
    ],
)
def test_only_finished_runs_are_forgotten_by_age_and_number(
    history: History, keep_days: int | None, keep_runs: int | None, left: set[str]
) -> None:
    def save(name: str, phase: Phase, days: int, **more: Any) -> None:
        run = replace(RUN, run_id=f"{name}-00000000", name=name, phase=phase)
        history.save(replace(run, created_at=TIME - timedelta(days=days), **more))
        history.save_epochs(f"{name}-00000000", [epoch(1)])

    save("active", Phase.PENDING, 1)
    save("old-active", Phase.RUNNING, 400)
    save("new", Phase.COMPLETED, 300, completed_at=TIME - timedelta(days=1))
    save("middle", Phase.FAILED, 10)
    save("old", Phase.COMPLETED, 400, completed_at=TIME - timedelta(days=100))
    save("old-deleted", Phase.RUNNING, 400, deleted_at=TIME - timedelta(days=200))
    assert history.prune(keep_days, keep_runs, TIME) == 6 - len(left)
    assert {run.name for run in history.runs(Filter()).runs} == left
    assert history.prune(keep_days, keep_runs, TIME) == 0


def test_more_runs_than_one_transaction_takes_are_forgotten(history: History) -> None:
    for number in range(120):
        history.save(replace(FULL, run_id=f"chest-{number:08x}"))
    assert history.prune(None, 1, TIME) == 119


def test_writers_at_once_lose_and_double_nothing(history: History, history_url: str) -> None:
    """Two consoles of which each thread writes all epochs of one of two runs, while their runs are saved."""
    epochs = [epoch(number) for number in range(1, 31)]
    runs = [RUN, replace(RUN, run_id="retina-00000001", name="retina")]
    for run in runs:
        history.save(run)

    def write(place: int) -> int:
        writer, run = (history, other)[place % 2], runs[place // 2 % 2]
        new = 0
        for each in epochs:
            new += len(writer.save_epochs(run.run_id, [each]))
            writer.save(replace(run, epoch=each["epoch"]))
            writer.save_events(run.run_id, [EVENT])
        return new

    with History.open(history_url) as other, ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 2 * len(epochs), "each is new to exactly one of them"
    for run in runs:
        assert history.epochs(run.run_id) == epochs
        assert history.events(run.run_id) == [EVENT]
