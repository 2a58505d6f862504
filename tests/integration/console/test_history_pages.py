"""Runs found, filtered, sorted and paged, on SQLite and on PostgreSQL alike."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.forgetting import forget
from tests.integration.console import history_databases
from trainingrun_api.reasons import Phase
from trainingrun_console.history.reading import LONGEST_TEXT
from trainingrun_console.history.records import SORTS, Filter, Run
from trainingrun_console.history.store import History

history_server = history_databases.history_server
history_url = history_databases.history_url
history = history_databases.history

TIME = datetime(2026, 1, 2, tzinfo=UTC)
PHASES = list(Phase)


def run(number: int, **more: Any) -> Run:
    name = f"run{number}"
    fields: dict[str, Any] = {"namespace": "team", "name": name, "uid": f"{number:08x}-0", "created_at": TIME}
    return Run(run_id=f"{name}-{number:08x}", **fields | more)


FOUND = [
    run(1, phase=Phase.COMPLETED, project="lungs", created_at=TIME),
    run(2, phase=Phase.FAILED, project="lungs", created_at=TIME + timedelta(hours=1), reason="OOMKilled"),
    run(3, namespace="other", project="eyes", created_at=TIME + timedelta(hours=2), message="100% of GPU_0"),
    run(4, phase=Phase.RUNNING, created_at=TIME + timedelta(hours=3), deleted_at=TIME, message="Größe"),
]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Filter(), [1, 2, 3, 4]),
        (Filter(namespaces=["team"]), [1, 2, 4]),
        (Filter(namespaces=["team", "other", "none"]), [1, 2, 3, 4]),
        (Filter(namespaces=[]), []),
        (Filter(projects=["lungs"]), [1, 2]),
        (Filter(projects=["lungs", "eyes"]), [1, 2, 3]),
        (Filter(phases=[Phase.FAILED, Phase.PENDING]), [2, 3]),
        (Filter(created_from=TIME + timedelta(hours=1)), [2, 3, 4]),
        (Filter(created_to=TIME + timedelta(hours=1)), [1]),
        (Filter(created_from=datetime(2026, 1, 2, 2), created_to=datetime(2026, 1, 2, 3)), [3]),  # noqa: DTZ001
        (Filter(created_from=datetime.min.replace(tzinfo=UTC)), [1, 2, 3, 4]),
        (Filter(include_deleted=False), [1, 2, 3]),
        (Filter(text="RUN2"), [2]),
        (Filter(text="Lungs"), [1, 2]),
        (Filter(text=" oomk "), [2]),
        (Filter(text="0% of gpu_"), [3]),
        (Filter(text="%"), [3]),
        (Filter(text="_"), [3]),
        (Filter(text="GRÖSSE"), [4]),
        (Filter(text="'"), []),
        (Filter(namespaces=["team"], phases=[Phase.FAILED], text="run", include_deleted=False), [2]),
    ],
)
def test_a_filter_finds_its_runs_and_counts_them(
    history: History, wanted: Filter, numbers: list[int]
) -> None:
    for each in FOUND:
        history.save(each)
    found = history.runs(wanted, "name")
    assert [each.name for each in found.runs] == [f"run{number}" for number in numbers]
    assert found.next_cursor is None
    expected = [FOUND[number - 1].phase for number in numbers]
    assert history.count(wanted) == {phase: expected.count(phase) for phase in Phase}


def test_projects_are_those_of_the_namespaces(history: History) -> None:
    for each in FOUND:
        history.save(each)
    assert history.projects(None) == ["eyes", "lungs"]
    assert history.projects(["other"]) == ["eyes"]
    assert history.projects([]) == []


def test_a_text_too_long_is_refused(history: History) -> None:
    for ask in (history.runs, history.count):
        with pytest.raises(ValueError, match=f"at most {LONGEST_TEXT}"):
            ask(Filter(text="a" * (LONGEST_TEXT + 1)))


@pytest.mark.parametrize("sort", [f"{sign}{column}" for column in SORTS for sign in ("", "-")])
def test_a_sort_puts_runs_without_a_value_last(history: History, sort: str) -> None:
    column = sort.removeprefix("-")
    for number in range(24):
        known: dict[str, Any] = {
            "project": f"p{number % 5}",
            "completed_at": TIME + timedelta(minutes=number % 5),
            "monitor_value": number % 5 / 10,
            "percent": number % 5,
        }
        created = TIME + timedelta(minutes=number % 7)
        more = {"phase": PHASES[number % 4], "created_at": created, **(known if number % 3 else {})}
        history.save(run(number, **more))
    seen: list[Run] = []
    cursor: str | None = None
    while True:
        page = history.runs(Filter(), sort, cursor, limit=5)
        seen += page.runs
        if not (cursor := page.next_cursor):
            break
    valued = [each for each in seen if getattr(each, column) is not None]
    places = [(getattr(each, column), each.run_id) for each in valued]
    assert places == sorted(places, reverse=sort.startswith("-"))
    assert seen[: len(valued)] == valued
    assert sorted(each.run_id for each in seen) == sorted(run(number).run_id for number in range(24))


STEPS = st.lists(
    st.tuples(st.sampled_from(["save", "forget"]), st.integers(0, 39), st.none() | st.integers(0, 3)),
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sort=st.sampled_from([f"{sign}{column}" for column in SORTS for sign in ("", "-")]),
    limit=st.integers(1, 9),
    values=st.lists(st.none() | st.integers(0, 3), min_size=20, max_size=20),
    meanwhile=st.lists(STEPS, max_size=8),
)
def test_pages_visit_every_run_that_stays_exactly_once_while_others_come_and_go(
    history: History,
    sort: str,
    limit: int,
    values: list[int | None],
    meanwhile: list[list[tuple[str, int, int | None]]],
) -> None:
    """Runs 0 to 19 are there before; those of even numbers stay, others come and go between the pages."""

    def save(number: int, value: int | None) -> None:
        known = {} if value is None else {
            "project": f"p{value}", "completed_at": TIME + timedelta(seconds=value),
            "monitor_value": value / 3, "percent": value,
        }  # fmt: skip
        changes: dict[str, Any] = {"created_at": TIME + timedelta(seconds=value or 0), **known}
        history.save(run(number, phase=PHASES[value or 0], **changes))

    for number in range(40):
        forget(history, run(number).run_id)
    for number, value in enumerate(values):
        save(number, value)
    seen: list[str] = []
    cursor: str | None = None
    steps = iter(meanwhile)
    while True:
        page = history.runs(Filter(), sort, cursor, limit)
        seen += [each.run_id for each in page.runs]
        if not (cursor := page.next_cursor):
            break
        for what, number, value in next(steps, ()):
            if number < 20 and number % 2 == 0:
                continue
            if what == "forget":
                forget(history, run(number).run_id)
            elif history.run(run(number).run_id) is None and run(number).run_id not in seen:
                save(number, value)
    assert len(seen) == len(set(seen))
    assert {run(number).run_id for number in range(0, 20, 2)} <= set(seen)


def test_a_place_is_kept_where_its_run_has_gone(history: History) -> None:
    for number in range(6):
        history.save(replace(run(number), created_at=TIME + timedelta(seconds=number)))
    first = history.runs(Filter(), limit=2)
    forget(history, first.runs[-1].run_id)
    names = [each.name for each in history.runs(Filter(), cursor=first.next_cursor, limit=2).runs]
    assert names == ["run3", "run2"]
