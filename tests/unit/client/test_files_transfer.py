"""The loop of a transfer: it goes on after lost connections, and never takes damaged files for whole ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from trainingrun_client.errors import TransferError, UnreachableError
from trainingrun_client.files import shell
from trainingrun_client.files.pieces import BLOCK, PIECE, File, Span
from trainingrun_client.files.transfer import ROUNDS, ChangedError, transfer

Moves = Iterator[str]


def file(path: str, size: int) -> File:
    return File(path, Path(path), size, 0)


@dataclass
class Line:
    """A way whose moves go as they are told: well, `lost`, `lost half`, `changed`, or `damaged`."""

    moves: Moves
    sizes: dict[str, int]
    there: set[str] = field(default_factory=set)
    parts: dict[str, int] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    moved: list[Span] = field(default_factory=list)
    longest: int = PIECE

    def refreshed(self, files: Sequence[File]) -> list[File]:
        return [file(each.path, self.sizes[each.path]) for each in files if each.path in self.sizes]

    def present(self, files: Sequence[File]) -> set[str]:
        return {each.path for each in files if each.path in self.there}

    def begun(self, files: Sequence[File]) -> dict[str, int]:
        return {path: size for path, size in self.parts.items() if path in {each.path for each in files}}

    def arrived(self, files: Sequence[File], have: Mapping[str, int]) -> dict[str, int]:
        return dict(have)

    def move(self, piece: Sequence[Span], have: dict[str, int], advance: Callable[[int], None]) -> None:
        what = next(self.moves, "well")
        for span in piece:
            if what == "lost":
                raise UnreachableError("cut")
            length = span.length // 2 if what == "lost half" else span.length
            advance(span.start + length - have.get(span.path, 0))
            have[span.path] = span.start + length
            self.moved.append(span)
            if what == "lost half":
                raise UnreachableError("cut")
            if what == "changed":
                raise ChangedError([span.path])
            if what == "damaged":
                self.damaged.add(span.path)

    def finish(self, files: Sequence[File]) -> set[str]:
        bad = {each.path for each in files if each.path in self.damaged}
        self.damaged -= bad
        self.there |= {each.path for each in files} - bad
        return bad


class Counted:
    """What is told."""

    def __init__(self) -> None:
        self.size = 0
        self.paths: list[tuple[str, bool]] = []

    def say(self, text: str) -> None:
        pass

    def begin(self, files: int, size: int) -> None:
        pass

    def advance(self, size: int) -> None:
        self.size += size

    def done(self, path: str, size: int, *, skipped: bool) -> None:
        self.paths.append((path, skipped))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "PAUSES", (0.0,) * 3)


@pytest.mark.parametrize(
    "moves",
    [
        [],
        ["lost"],
        ["lost", "lost", "lost", "well"],
        ["lost half"] * 5,
        ["lost", "lost", "lost half", "lost", "lost", "lost half"],
        ["changed"],
        ["damaged"],
        ["lost half", "damaged", "lost", "changed"],
    ],
)
def test_every_file_is_there_in_the_end(moves: list[str]) -> None:
    sizes = {"large": 3 * PIECE + 5, "small": 7, "empty": 0}
    line, told = Line(iter(moves), sizes), Counted()
    assert transfer(line, [file(*each) for each in sizes.items()], told) == (3, 0)
    assert line.there == set(sizes)
    assert sorted(told.paths) == [(path, False) for path in sorted(sizes)]
    assert told.size == sum(sizes.values())


def test_what_is_there_is_not_moved_and_parts_go_on() -> None:
    sizes = {"there": 10, "begun": 5 * BLOCK}
    line, told = Line(iter(()), sizes, there={"there"}, parts={"begun": 2 * BLOCK}), Counted()
    assert transfer(line, [file(*each) for each in sizes.items()], told) == (1, 1)
    assert line.moved == [Span("begun", 2, 3 * BLOCK)]
    assert told.size == sum(sizes.values())


def test_a_file_that_is_gone_meanwhile_is_left_out() -> None:
    line = Line(iter(["changed"]), {})
    assert transfer(line, [file("gone", 1)], Counted()) == (0, 0)


def test_a_connection_that_stays_away_is_given_up() -> None:
    line = Line(iter(["lost"] * 4), {"a": 1})
    with pytest.raises(TransferError, match="given up after 3 tries: cut"):
        transfer(line, [file("a", 1)], Counted())


def test_a_file_that_changes_again_and_again_is_given_up() -> None:
    line = Line(iter(["damaged"] * ROUNDS), {"a": 1})
    with pytest.raises(TransferError, match=f"a was another one after each of {ROUNDS} tries"):
        transfer(line, [file("a", 1)], Counted())
