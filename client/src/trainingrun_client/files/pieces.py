"""What one command in the pod moves: a stretch of a large file, or many small files. Pure.

A stretch begins at a whole block, because that is where `dd` can begin; what is had of that block already
comes once more.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1 << 20
PIECE = 64 << 20
"""Bytes of one command: large beside its start of 50 ms, small beside the life of a connection."""
MOST_SPANS = 256


@dataclass(frozen=True, slots=True)
class File:
    """A file that is to be brought from one side to the other."""

    path: str
    """Below the volume's directory."""
    local: Path
    size: int
    modified: int
    """At its source, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file."""

    path: str
    block: int
    """Its first block."""
    length: int
    """Bytes; 0 of an empty file, and of one that is there already."""

    @property
    def start(self) -> int:
        """Its first byte."""
        return self.block * BLOCK


def pieces(
    files: Iterable[File], have: Mapping[str, int], longest: int = PIECE
) -> Iterator[tuple[Span, ...]]:
    """The spans of each command, in order, so that every file gets at least one.

    Args:
        have: bytes at the destination, by path; nothing stands for 0.
        longest: bytes of a span at most, a multiple of BLOCK.
    """
    piece: list[Span] = []
    size = 0
    for file in files:
        for span in _spans(file, have.get(file.path, 0), longest):
            if piece and (size + span.length > PIECE or len(piece) == MOST_SPANS):
                yield tuple(piece)
                piece, size = [], 0
            piece.append(span)
            size += span.length
    if piece:
        yield tuple(piece)


def usable(part: int | None, size: int) -> int:
    """How much of a part is worth to go on from: whole blocks, of a file that is that long."""
    return part if part is not None and BLOCK <= part <= size else 0


def _spans(file: File, have: int, longest: int) -> Iterator[Span]:
    block = have // BLOCK
    if have == file.size:
        yield Span(file.path, block, 0)
        return
    while (start := block * BLOCK) < file.size:
        length = min(longest, file.size - start)
        yield Span(file.path, block, length)
        block += longest // BLOCK
