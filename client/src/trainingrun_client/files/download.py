"""Files from a volume to this machine: bytes go to `<name>.part`, which gets its name once it is whole.

Every byte is written where it belongs, so that two processes that fetch the same file do not disturb each
other.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from trainingrun_client.errors import TransferError
from trainingrun_client.files.checksums import agreeing
from trainingrun_client.files.commands import LIST_FLAT, SEND
from trainingrun_client.files.listing import Kind, parse
from trainingrun_client.files.paths import PART
from trainingrun_client.files.pieces import PIECE, File, Span, usable
from trainingrun_client.files.shell import Shell, item
from trainingrun_client.files.transfer import ChangedError


class Download:
    """As `transfer.Way` says."""

    longest = PIECE

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._files: dict[str, File] = {}

    def refreshed(self, files: Sequence[File]) -> list[File]:
        """By their directories, for a file that is gone is no error here."""
        folders = sorted({item(str(PurePosixPath(file.path).parent)) for file in files})
        found = {entry.path: entry for entry in parse(self._shell.ask(LIST_FLAT, folders))}
        return [
            File(file.path, file.local, found[file.path].size, found[file.path].modified)
            for file in files
            if file.path in found and found[file.path].kind == Kind.FILE
        ]

    def present(self, files: Sequence[File]) -> set[str]:
        """Of the same size here, and of the same checksum."""
        self._files = {file.path: file for file in files}
        alike = [(file.local, file.path, file.size) for file in files if _size(file.local) == file.size]
        return agreeing(self._shell, alike)

    def begun(self, files: Sequence[File]) -> dict[str, int]:
        """The parts that are the beginning of what is in the volume; others are removed."""
        parts = {file.path: (part(file), usable(_size(part(file)), file.size)) for file in files}
        wanted = [(local, path, size) for path, (local, size) in parts.items() if size]
        right = agreeing(self._shell, wanted)
        for path, (local, _) in parts.items():
            if path not in right:
                with _local(local):
                    local.unlink(missing_ok=True)
        return {path: size for _, path, size in wanted if path in right}

    def arrived(self, files: Sequence[File], have: Mapping[str, int]) -> dict[str, int]:
        """What was written is known here."""
        return dict(have)

    def move(self, piece: Sequence[Span], have: dict[str, int], advance: Callable[[int], None]) -> None:
        """One answer holds all spans, one after another."""
        items = [part for span in piece for part in (str(span.block), str(span.length), item(span.path))]
        receiver = _Receiver(piece, {path: part(file) for path, file in self._files.items()}, have, advance)
        with receiver.writing() as sink:
            self._shell.run(SEND, items, sink=sink)
        if not receiver.full:
            raise ChangedError(span.path for span in piece)

    def finish(self, files: Sequence[File]) -> set[str]:
        """With the time that they have in the volume."""
        right = agreeing(self._shell, [(part(file), file.path, file.size) for file in files])
        for file in files:
            with _local(file.local):
                if file.path in right:
                    os.utime(part(file), (file.modified, file.modified))
                    part(file).replace(file.local)
                else:
                    part(file).unlink(missing_ok=True)
        return {file.path for file in files} - right


class _Receiver:
    """Deals the bytes of an answer out to the parts."""

    def __init__(
        self,
        spans: Sequence[Span],
        parts: Mapping[str, Path],
        have: dict[str, int],
        advance: Callable[[int], None],
    ) -> None:
        self._spans, self._parts, self._have, self._advance = iter(spans), parts, have, advance
        self._span: Span | None = None
        self._file: BinaryIO | None = None
        self._left = 0
        self._too_many = False

    @property
    def full(self) -> bool:
        """Whether exactly that came which was asked for."""
        return self._span is None and not self._too_many

    @contextmanager
    def writing(self) -> Iterator[Callable[[bytes], None]]:
        """Takes bytes as they come."""
        try:
            self._next()
            yield self._take
        finally:
            self._close()

    def _take(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            if self._span is None:
                self._too_many = True
                return
            now = rest[: self._left]
            rest = rest[len(now) :]
            with _local(self._parts[self._span.path]):
                cast(BinaryIO, self._file).write(now)
            self._left -= len(now)
            self._count(self._span, self._span.start + self._span.length - self._left)
            if not self._left:
                self._next()

    def _count(self, span: Span, end: int) -> None:
        more = end - self._have.get(span.path, 0)
        if more > 0:
            self._have[span.path] = end
            self._advance(more)

    def _next(self) -> None:
        """Opens the next part that wants bytes; those of empty files are there then."""
        while not self._left:
            self._close()
            self._span = next(self._spans, None)
            if self._span is None:
                return
            path = self._parts[self._span.path]
            with _local(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_symlink():
                    path.unlink()
                path.touch()
                self._file = path.open("r+b")
                self._file.seek(self._span.start)
            self._have.setdefault(self._span.path, 0)
            self._left = self._span.length

    def _close(self) -> None:
        if self._file is not None:
            with _local(Path(self._file.name)):
                self._file.close()
            self._file = None


def part(file: File) -> Path:
    """Where its bytes go."""
    return file.local.with_name(file.local.name + PART)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() and not path.is_symlink() else None


@contextmanager
def _local(path: Path) -> Iterator[None]:
    """Errors of this machine's disk, told apart from those of the connection."""
    try:
        yield
    except OSError as error:
        raise TransferError(f"{path} cannot be written: {error.strerror}. What arrived is kept") from error
