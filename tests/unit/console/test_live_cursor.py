"""Whoever is cut off, wherever, and comes back, whenever, is told exactly what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingrun_api.reasons import Phase
from trainingrun_console.history.records import Attempt, Run
from trainingrun_console.live.cursor import (
    REACH,
    Cursor,
    Place,
    Told,
    View,
    end_of,
    is_told,
    missing,
    moment_of,
)

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
RUN = Run(
    run_id="chest-0a1b2c3d", namespace="radiology", name="chest", uid="0a1b2c3d", created_at=START,
    started_at=START, phase=Phase.RUNNING, attempt=1, total_epochs=9,
)  # fmt: skip
counts = st.integers(0, 10**9)
cursors = st.builds(
    Cursor,
    st.integers(0, 2),
    counts,
    st.integers(0, 2**32 - 1),
    st.builds(Place, st.integers(0, 10**17), counts),
    counts,
)
ended = st.builds(
    lambda cursor, letter, attempt, told: replace(cursor, end=f"{letter}{attempt}", told_of_end=told),
    cursors,
    st.sampled_from("CFD"),
    counts,
    st.integers(1, 4),
)


@dataclass
class Cluster:
    """A run as the tables have it, while it goes on."""

    run: Run = RUN
    epochs: dict[int, dict[str, Any]] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    clock: int = 0
    told: list[View] = field(default_factory=list)
    """After each change."""

    def epoch(self, number: int) -> None:
        time = self._later().isoformat()
        self.epochs[number] = {"epoch": number, "time": time, "val_loss": float(self.clock)}

    def crash(self) -> None:
        attempt = self.run.attempt or 1
        self.attempts.append(Attempt(number=attempt, outcome="Failure", reason="Oom", ended_at=self._later()))
        self.run = replace(self.run, attempt=attempt + 1)

    def end(self, phase: Phase) -> None:
        self.run = replace(self.run, phase=phase, completed_at=self._later())

    def retry(self) -> None:
        attempt = (self.run.attempt or 1) + 1
        self.run = replace(self.run, phase=Phase.RUNNING, completed_at=None, attempt=attempt)

    def delete(self) -> None:
        self.run = replace(self.run, deleted_at=self._later())

    def look(self) -> None:
        epochs = [Told.of(self.epochs[number]) for number in sorted(self.epochs)]
        self.told.append(View(self.run, epochs, list(self.attempts)))

    def _later(self) -> datetime:
        self.clock += 1
        return START + timedelta(seconds=self.clock)


@st.composite
def histories(draw: st.DrawFn) -> Sequence[View]:
    """Attempts that end, go on from an earlier epoch, leave epochs out or tell them late; retries; an end or
    a deletion. After any step, or only after several, somebody looks."""
    cluster, number, late = Cluster(), 0, list[int]()
    cluster.look()
    for step in draw(
        st.lists(st.sampled_from(["epoch"] * 5 + ["crash", "fail", "skip", "late"]), max_size=25)
    ):
        match step:
            case "epoch":
                number += 1
                cluster.epoch(number)
            case "skip":
                late.append(number := number + 1)
            case "late" if late and number - late[0] < REACH:
                cluster.epoch(late.pop(0))
            case "crash" | "fail":
                cluster.crash()
                late.clear()
                number = draw(st.integers(0, number))
                if draw(st.booleans()):  # a trainer forgets what it is to repeat
                    cluster.epochs = {kept: each for kept, each in cluster.epochs.items() if kept <= number}
                if step == "fail":
                    cluster.end(Phase.FAILED)
                    cluster.look()
                    cluster.retry()
        if draw(st.booleans()):
            cluster.look()
    if draw(st.booleans()):
        cluster.delete()
    else:
        cluster.end(draw(st.sampled_from([Phase.COMPLETED, Phase.FAILED])))
    cluster.look()
    return cluster.told


@given(cursors | ended)
def test_a_cursor_comes_back_from_its_text(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text() | st.from_regex(r"[0-9a-fCFD-]{1,40}"))
def test_what_is_no_cursor_is_refused_and_what_is_one_has_one_text(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except ValueError:
        return
    assert str(cursor) == text


@pytest.mark.parametrize(
    "text",
    ["", "x", "3-0-0-0-0-0", "0-01-0-0-0-0", "0-0-0-0-0-0-", "0-0-0-0-0-0-X1-1", "0-0-0-0-0-0-C1-5",
     "0-0-0-0-0-0\n", "0-\N{ARABIC-INDIC DIGIT ONE}-0-0-0-0", "0-99999999999-0-0-0-0", "0" * 10_000],
)  # fmt: skip
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an id of this stream"):
        Cursor.parse(text)


@given(histories(), st.data())
def test_nobody_misses_or_doubles_anything_wherever_they_are_cut_off(
    views: Sequence[View], data: st.DataObject
) -> None:
    cursor, heard = Cursor(), list[dict[str, Any]]()
    for view in views:
        messages = list(missing(cursor, view))
        kept = data.draw(st.integers(0, len(messages)))
        for after, message in messages[:kept]:
            cursor = Cursor.parse(str(after))  # the client comes back to another replica
            heard.append(dict(message))
    for after, message in missing(cursor, views[-1]):
        cursor = after
        heard.append(dict(message))

    assert not list(missing(cursor, views[-1]))
    assert is_told(cursor, views[-1].run)
    assert heard[-1]["event"] == "training_end"
    epochs = [(each["epoch"], each["time"]) for each in heard if each["event"] == "epoch_end"]
    assert len(set(epochs)) == len(epochs), "an epoch was told twice"
    last = views[-1]
    assert dict(epochs).items() >= {(each.place.number, each.record["time"]) for each in last.epochs}
    attempts = [each["attempt"] for each in heard if each["event"] == "attempt_end"]
    assert attempts == [each.number for each in last.attempts]


@given(histories(), st.data())
def test_a_run_without_restarts_tells_each_epoch_once_and_in_order(
    views: Sequence[View], data: st.DataObject
) -> None:
    final = views[-1]
    plain = View(replace(final.run, attempt=1), final.epochs)
    going_on = replace(plain.run, phase=Phase.RUNNING, completed_at=None, deleted_at=None)
    sizes = data.draw(st.lists(st.integers(0, len(plain.epochs)), max_size=5))
    cursor, heard = Cursor(), list[int]()
    for view in [*(View(going_on, plain.epochs[:size]) for size in sizes), plain]:
        for after, message in missing(cursor, view):
            cursor = after
            heard += [message["epoch"]] if message["event"] == "epoch_end" else []
    assert heard == [each.place.number for each in plain.epochs]


@given(histories())
def test_few_reads_find_what_many_would(views: Sequence[View]) -> None:
    cursor = Cursor()
    for view in views:
        after = cursor.after(view.attempts)
        read = [each for each in view.epochs if each.place.number > after]
        told = list(missing(cursor, view))
        assert list(missing(cursor, View(view.run, read, view.attempts))) == told or view.run.finished
        cursor = told[-1][0] if told else cursor


def full(**more: Any) -> View:
    """A completed federated run."""
    run = replace(
        RUN, phase=Phase.COMPLETED, completed_at=START + timedelta(hours=1), training_mode="federated",
        client_id="a", round_id=3, early_stopped=True, epoch=2,
        results={"best_accuracy": 0.75, "best_epoch": 2, "best_model_path": "checkpoints/best_model.pt",
                 "total_epochs_run": 2},
    )  # fmt: skip
    times = [(START + timedelta(minutes=minute)).isoformat() for minute in (1, 3)]
    epochs = [Told.of({"epoch": place, "time": time, "val_loss": 0.5}) for place, time in enumerate(times, 1)]
    attempts = [Attempt(number=1, outcome="Failure", reason="Oom", ended_at=START + timedelta(minutes=2))]
    return View(replace(run, **more), epochs, attempts)


def test_the_whole_story_in_its_order() -> None:
    told = [message for _, message in missing(Cursor(), full())]
    assert [message["event"] for message in told] == [
        "training_start", "training_mode", "epoch_end", "attempt_end", "epoch_end",
        "round_metrics", "early_stopping", "training_complete", "training_end",
    ]  # fmt: skip
    complete = told[-2]
    assert complete["metrics"] == {"best_accuracy": 0.75}
    assert complete["total_epochs_run"] == 2
    assert complete["best_model_path"] == "checkpoints/best_model.pt"
    assert told[1]["client_id"] == "a"
    assert told[5]["metrics"] == {"val_loss": 0.5}


@pytest.mark.parametrize(
    ("change", "reason", "status"),
    [
        ({"phase": Phase.FAILED, "reason": "Oom"}, "Oom", "failed"),
        ({"phase": Phase.RUNNING, "completed_at": None, "deleted_at": START}, "Deleted", "deleted"),
        ({"phase": Phase.FAILED, "reason": "Oom", "deleted_at": START}, "Oom", "failed"),
    ],
)
def test_a_run_that_does_not_complete_says_why(change: dict[str, Any], reason: str, status: str) -> None:
    *_, stopped, end = [message for _, message in missing(Cursor(), full(**change))]
    assert (stopped["event"], stopped["reason"]) == ("training_stopped", reason)
    assert end["status"] == status


def test_a_retry_starts_anew_and_ends_anew() -> None:
    failed = full(phase=Phase.FAILED)
    *_, (cursor, _) = missing(Cursor(), failed)
    again = full(phase=Phase.RUNNING, completed_at=None, attempt=2)
    told = list(missing(cursor, again))
    assert [message["event"] for _, message in told] == ["training_start", "training_mode"]
    completed = full(attempt=2)
    assert [message["event"] for _, message in missing(told[-1][0], completed)][-1] == "training_end"
    assert [message["event"] for _, message in missing(cursor, completed)][-1] == "training_end"


def test_that_an_ended_run_is_deleted_is_no_other_end() -> None:
    assert end_of(full().run) == end_of(full(deleted_at=START).run)


def test_epochs_in_one_second_are_told_apart() -> None:
    records = [{"epoch": place, "time": "2026-01-31T10:00:00Z"} for place in (1, 2, 3)]
    cursor, heard = Cursor(), list[int]()
    for size in range(4):
        view = View(RUN, [Told.of(record) for record in records[:size]])
        for after, message in missing(cursor, view):
            cursor = after
            heard += [message["epoch"]] if message["event"] == "epoch_end" else []
    assert heard == [1, 2, 3]


@pytest.mark.parametrize("time", [None, "", "yesterday", "0001-01-01T00:00:00+23:00", "1960-01-01T00:00:00Z"])
def test_a_time_that_is_none_comes_before_all_others(time: str | None) -> None:
    assert moment_of(time) == 0
