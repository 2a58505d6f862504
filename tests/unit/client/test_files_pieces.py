"""Pieces cover what is missing of each file, once, in order and within their bounds."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingrun_client.files.pieces import BLOCK, MOST_SPANS, PIECE, File, Span, pieces, usable


def file(path: str, size: int) -> File:
    return File(path, Path(path), size, 0)


@pytest.mark.parametrize(
    ("files", "have", "expected"),
    [
        pytest.param([], {}, [], id="nothing"),
        pytest.param([file("a", 0)], {}, [[Span("a", 0, 0)]], id="an empty file"),
        pytest.param(
            [file("a", 5), file("b", 7)], {}, [[Span("a", 0, 5), Span("b", 0, 7)]], id="small files together"
        ),
        pytest.param(
            [file("a", PIECE + 1), file("b", 1)],
            {},
            [[Span("a", 0, PIECE)], [Span("a", PIECE // BLOCK, 1), Span("b", 0, 1)]],
            id="a large file in pieces",
        ),
        pytest.param(
            [file("a", 5 * BLOCK)], {"a": 3 * BLOCK + 9}, [[Span("a", 3, 2 * BLOCK)]], id="from a whole block"
        ),
        pytest.param([file("a", 2 * BLOCK)], {"a": 2 * BLOCK}, [[Span("a", 2, 0)]], id="all there"),
        pytest.param(
            [file("a", PIECE - 1), file("b", 2)],
            {},
            [[Span("a", 0, PIECE - 1)], [Span("b", 0, 2)]],
            id="none too large",
        ),
    ],
)
def test_pieces(files: Sequence[File], have: Mapping[str, int], expected: list[list[Span]]) -> None:
    assert [list(piece) for piece in pieces(files, have)] == expected


@given(st.lists(st.tuples(st.integers(0, 3 * PIECE), st.floats(0, 1)), max_size=20), st.sampled_from([4, 64]))
def test_all_that_is_missing_comes_once(sizes: list[tuple[int, float]], longest: int) -> None:
    files = [file(str(number), size) for number, (size, _) in enumerate(sizes)]
    have = {str(number): int(size * share) for number, (size, share) in enumerate(sizes)}
    planned = list(pieces(files, have, longest * BLOCK))
    for each in files:
        spans = [span for span in chain(*planned) if span.path == each.path]
        at = have[each.path] // BLOCK * BLOCK
        for span in spans:
            assert span.start == at
            at += span.length
        assert spans
        assert max(at, have[each.path]) == each.size
    assert all(sum(span.length for span in piece) <= PIECE for piece in planned)
    assert all(span.length <= longest * BLOCK for span in chain(*planned))


def test_a_command_takes_so_many_files_only() -> None:
    planned = list(pieces([file(str(number), 1) for number in range(MOST_SPANS + 1)], {}))
    assert [len(piece) for piece in planned] == [MOST_SPANS, 1]


@pytest.mark.parametrize(
    ("part", "size", "expected"),
    [
        (None, 9 * BLOCK, 0),
        (BLOCK - 1, 9 * BLOCK, 0),
        (BLOCK, 9 * BLOCK, BLOCK),
        (9 * BLOCK, 9 * BLOCK, 9 * BLOCK),
        (9 * BLOCK + 1, 9 * BLOCK, 0),
    ],
)
def test_a_part_that_is_tiny_or_too_long_is_worth_nothing(part: int | None, size: int, expected: int) -> None:
    assert usable(part, size) == expected
