"""Brings files from one side to the other, through lost connections, until each is there by its checksum.

A round finds out what is there already, moves the rest piece by piece, and takes up each piece again where a
connection was lost. Files that turn out otherwise than at their source, as they do where somebody writes
them meanwhile, come anew in the next round.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from trainingrun_client.errors import TransferError, UnreachableError
from trainingrun_client.files.pieces import File, Span, pieces
from trainingrun_client.files.reporting import Progress
from trainingrun_client.files.shell import Patience

ROUNDS = 3


class ChangedError(Exception):
    """Files are not any more what they were when the piece was planned. Never leaves this package."""

    def __init__(self, paths: Iterable[str]) -> None:
        super().__init__()
        self.paths = set(paths)


class Way(Protocol):
    """One direction. Its methods bear lost connections by themselves, apart from `move`."""

    longest: int
    """Bytes of a span at most."""

    def refreshed(self, files: Sequence[File]) -> list[File]:
        """As they are at their source now, without those that are gone."""

    def present(self, files: Sequence[File]) -> set[str]:
        """Paths of those that are there, by their checksums."""

    def begun(self, files: Sequence[File]) -> dict[str, int]:
        """Bytes of parts, by path, that are right by their checksums."""

    def arrived(self, files: Sequence[File], have: Mapping[str, int]) -> dict[str, int]:
        """The same after a lost connection, where `have` was on its way; without checksums."""

    def move(self, piece: Sequence[Span], have: dict[str, int], advance: Callable[[int], None]) -> None:
        """Moves a piece and keeps `have` up to date meanwhile. Raises UnreachableError and ChangedError."""

    def finish(self, files: Sequence[File]) -> set[str]:
        """Gives whole files their names; returns those whose checksums are wrong, which begin anew."""


def transfer(way: Way, files: Sequence[File], progress: Progress) -> tuple[int, int]:
    """Returns how many files were moved, and how many were there before. Raises TransferError."""
    patience = Patience(progress.say)
    progress.begin(len(files), sum(file.size for file in files))
    left, skipped, gone = list(files), 0, 0
    for _ in range(ROUNDS):
        present = way.present(left)
        for file in left:
            if file.path in present:
                progress.advance(file.size)
                progress.done(file.path, file.size, skipped=True)
        skipped += len(present)
        left = _round(way, [file for file in left if file.path not in present], progress, patience)
        if not left:
            return len(files) - skipped - gone, skipped
        still = way.refreshed(left)
        gone += len(left) - len(still)
        left = still
    raise TransferError(
        f"{left[0].path} was another one after each of {ROUNDS} tries: somebody writes it meanwhile, or the "
        "volume or this disk is damaged"
    )


def _round(way: Way, files: Sequence[File], progress: Progress, patience: Patience) -> list[File]:
    """Those that must come anew."""
    left = {file.path: file for file in files}
    wrong: list[File] = []

    def begin_anew(paths: Iterable[str]) -> None:
        for path in paths:
            progress.advance(-have.pop(path, 0))
            wrong.append(left.pop(path))

    have = way.begun(files)
    progress.advance(sum(have.values()))
    while left:
        before = dict(have)
        try:
            for piece in pieces(list(left.values()), have, way.longest):
                way.move(piece, have, progress.advance)
                patience.success()
                touched = [left[path] for path in dict.fromkeys(span.path for span in piece)]
                whole = [file for file in touched if have.get(file.path, 0) == file.size]
                bad = way.finish(whole)
                begin_anew(bad)
                for file in whole:
                    if file.path not in bad:
                        progress.done(file.path, file.size, skipped=False)
                        del left[file.path], have[file.path]
        except ChangedError as changed:
            begin_anew(changed.paths)
        except UnreachableError as error:
            now = way.arrived(list(left.values()), have)
            progress.advance(sum(now.values()) - sum(have.values()))
            have = now
            if any(size > before.get(path, 0) for path, size in have.items()):
                patience.success()
            patience.bear(error)
    return wrong
