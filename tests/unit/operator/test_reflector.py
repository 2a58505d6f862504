"""Lists and watches by a script: what is told, and where the next watch begins."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.operator.builders import raw_job
from trainingrun_operator import reflector
from trainingrun_operator.errors import ApiError, ExpiredError, OperatorError, UnavailableError
from trainingrun_operator.observed import Job, job_from
from trainingrun_operator.reflector import Changed, Listed, reflect
from trainingrun_operator.store import Store


def body(version: int, name: str = "a") -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def event(kind: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": body(version)}


def error(code: int) -> dict[str, Any]:
    return {"type": "ERROR", "object": {"code": code, "message": "words"}}


Script = list[Any]
"""Answers in order: an int is a list of that version, a list the events of a watch; an error is raised, at
the end of a watch or in the place of a list."""


class Scripted:
    """A source that ends the reflector after its last answer."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[str] = []
        self.told: list[str] = []
        self.stopping = threading.Event()

    def list_all(self) -> tuple[list[dict[str, Any]], str]:
        self.asked.append("list")
        answer = self._next()
        if isinstance(answer, OperatorError):
            raise answer
        assert isinstance(answer, int)
        return [body(answer)], str(answer)

    def watch(self, version: str) -> Iterator[dict[str, Any]]:
        self.asked.append(version)
        for happening in self._next():
            if isinstance(happening, OperatorError):
                raise happening
            yield happening

    def tell(self, news: Listed | Changed) -> None:
        if isinstance(news, Listed):
            self.told.append("listed " + ",".join(one["metadata"]["resourceVersion"] for one in news.objects))
        else:
            self.told.append(("gone " if news.gone else "") + news.object["metadata"]["resourceVersion"])

    def _next(self) -> Any:
        answer = self.script.pop(0)
        if not self.script:
            self.stopping.set()
        return answer


@pytest.mark.parametrize(
    ("script", "asked", "told"),
    [
        pytest.param(
            [1, [event("ADDED", 2), event("MODIFIED", 3), event("DELETED", 4)]],
            ["list", "1"],
            ["listed 1", "2", "3", "gone 4"],
            id="events are told",
        ),
        pytest.param(
            [1, [event("MODIFIED", 3)], [event("MODIFIED", 5)]],
            ["list", "1", "3"],
            ["listed 1", "3", "5"],
            id="a watch goes on where the last one ended",
        ),
        pytest.param(
            [1, [event("BOOKMARK", 7)], [event("MODIFIED", 8)]],
            ["list", "1", "7"],
            ["listed 1", "8"],
            id="a bookmark tells nothing but where",
        ),
        pytest.param(
            [1, [event("MODIFIED", 2), error(410)], 9, []],
            ["list", "1", "list", "9"],
            ["listed 1", "2", "listed 9"],
            id="what is too old is listed anew",
        ),
        pytest.param(
            [1, [ExpiredError(410, "words")], 9, []],
            ["list", "1", "list", "9"],
            ["listed 1", "listed 9"],
            id="also where the watch does not begin",
        ),
        pytest.param(
            [1, [event("MODIFIED", 2), UnavailableError("reset")], [event("MODIFIED", 3)]],
            ["list", "1", "2"],
            ["listed 1", "2", "3"],
            id="a broken connection loses nothing",
        ),
        pytest.param(
            [1, [event("MODIFIED", 2), error(500)], [event("MODIFIED", 3)]],
            ["list", "1", "2"],
            ["listed 1", "2", "3"],
            id="nor does a server in trouble",
        ),
        pytest.param(
            [UnavailableError("away"), ApiError(403, "no"), 5, []],
            ["list", "list", "list", "5"],
            ["listed 5"],
            id="lists are tried until one succeeds",
        ),
    ],
)
def test_reflector(
    script: Script, asked: list[str], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector, "PAUSE_SECONDS", 0.0)
    source = Scripted(script)
    reflect(source, source.tell, source.stopping)
    assert (source.asked, source.told) == (asked, told)


def job(uid: str) -> Job:
    raw = raw_job()
    return job_from({**raw, "metadata": {**raw["metadata"], "uid": uid}})


def test_a_store_holds_an_object_under_one_run() -> None:
    store: Store[Job] = Store()
    store.put(("team", "a"), job("1"))
    store.put(("team", "a"), job("2"))
    store.put(("team", "b"), job("1"))  # whose label was changed
    assert {key: [item.uid for item in items] for key, items in store.items()} == {
        ("team", "a"): ["2"],
        ("team", "b"): ["1"],
    }
    store.drop("2")
    store.drop("never held")
    assert list(store) == [("team", "b")]


def test_what_a_list_lacks_is_looked_for_in_its_own_namespace() -> None:
    store: Store[Job] = Store()
    for namespace, uid in (("x", "1"), ("x", "2"), ("y", "3")):
        store.put((namespace, "run"), job(uid))
    assert [item.uid for _, item in store.others("x", {"1"})] == ["2"]
    assert sorted(item.uid for _, item in store.others(None, {"1"})) == ["2", "3"]
