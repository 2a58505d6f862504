"""Nobody who follows may miss an end: through lost connections and forgotten versions."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from trainingrun_client.errors import ApiError, ForbiddenError, UnreachableError
from trainingrun_client.following import Change, Lost, follow

Object = dict[str, Any]
EXPIRED = {"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}


def thing(name: str, version: int = 1) -> Object:
    return {"metadata": {"uid": name, "name": name, "resourceVersion": str(version)}}


def event(kind: str, name: str, version: int) -> Object:
    return {"type": kind, "object": thing(name, version)}


class Script:
    """Answers in their order; an exception is raised."""

    def __init__(
        self, lists: list[list[Object] | Exception], watches: list[list[Object | Exception]]
    ) -> None:
        self.lists, self.watches = iter(lists), iter(watches)
        self.asked: list[str] = []

    def list(self) -> tuple[list[Object], str]:
        answer = next(self.lists)
        if isinstance(answer, Exception):
            raise answer
        return answer, "100"

    def watch(self, version: str, seconds: float | None) -> Iterator[Object]:
        self.asked.append(version)
        for each in next(self.watches):
            if isinstance(each, Exception):
                raise each
            yield each


def told(script: Script, count: int) -> list[str]:
    found = []
    for each in islice(follow(script, pause=lambda seconds: None), count):
        if isinstance(each, Lost):
            found.append(f"lost {each.seconds:g}")
        else:
            meta = each.object["metadata"]
            found.append(f"{'-' if each.gone else ''}{meta['name']}@{meta['resourceVersion']}")
    return found


AWAY = UnreachableError("away")
STORIES = {
    "a list, then changes": (
        [[thing("a"), thing("b")]],
        [[event("MODIFIED", "a", 2), event("ADDED", "c", 3), event("DELETED", "b", 4)]],
        ["a@1", "b@1", "a@2", "c@3", "-b@4"],
    ),
    "a watch that ends goes on from its last version": (
        [[thing("a")]],
        [[event("BOOKMARK", "", 7)], [event("MODIFIED", "a", 8)]],
        ["a@1", "a@8"],
    ),
    "a lost connection is told and taken up again": (
        [[thing("a")]],
        [[event("MODIFIED", "a", 2), AWAY], [AWAY], [event("MODIFIED", "a", 3)], [AWAY]],
        ["a@1", "a@2", "lost 0.5", "lost 1", "a@3", "lost 0.5"],
    ),
    "after 410 the list tells what was missed": (
        [[thing("a"), thing("b")], [thing("a", 5), thing("c", 6)]],
        [[EXPIRED], [event("MODIFIED", "c", 7)]],
        ["a@1", "b@1", "-b@1", "a@5", "c@6", "c@7"],
    ),
    "what did not change meanwhile is not told again": (
        [[thing("a")], [thing("a")]],
        [[EXPIRED], [event("MODIFIED", "a", 2)]],
        ["a@1", "a@2"],
    ),
    "no server at the start": ([AWAY, [thing("a")]], [[]], ["lost 0.5", "a@1"]),
}  # fmt: skip


@pytest.mark.parametrize(("lists", "watches", "expected"), STORIES.values(), ids=STORIES)
def test_follow(lists: Any, watches: Any, expected: list[str]) -> None:
    assert told(Script(lists, watches), len(expected)) == expected


def test_a_watch_goes_on_from_the_last_bookmark() -> None:
    script = Script([[thing("a")]], [[event("BOOKMARK", "", 7)], [event("MODIFIED", "a", 8)]])
    told(script, 2)
    assert script.asked == ["100", "7"]


def test_a_refusal_ends_it() -> None:
    with pytest.raises(ForbiddenError):
        next(follow(Script([ForbiddenError(403, "no")], []), pause=lambda seconds: None))
    with pytest.raises(ApiError, match="odd"):
        list(follow(Script([[]], [[{"type": "ERROR", "object": {"code": 418, "message": "odd"}}]])))


def test_what_was_known_and_is_gone_is_told_though_no_list_ever_had_it() -> None:
    script = Script([[thing("b"), thing("c", 2)]], [[]])
    known = [thing("a"), thing("b"), thing("c")]
    told = list(islice(follow(script, known=known), 2))
    assert told == [Change(thing("a"), gone=True), Change(thing("c", 2))]


def test_it_ends_when_its_time_is_over() -> None:
    clock = iter(range(100))
    changes = follow(
        Script([[thing("a")]], [[], [], []]), 3.0, pause=lambda seconds: None, clock=lambda: next(clock)
    )
    assert [change for change in changes if isinstance(change, Change)] == [Change(thing("a"))]
