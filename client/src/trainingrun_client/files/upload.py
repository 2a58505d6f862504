"""Files from this machine into a volume: bytes go to `<name>.part` there, which gets its name once it is
whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from trainingrun_client.errors import InputError
from trainingrun_client.files.checksums import agreeing, local_sum
from trainingrun_client.files.commands import FINISH, STATE, STORE
from trainingrun_client.files.executing import CHUNK
from trainingrun_client.files.paths import PART
from trainingrun_client.files.pieces import BLOCK, File, Span, usable
from trainingrun_client.files.shell import Shell, item
from trainingrun_client.files.transfer import ChangedError


class Upload:
    """As `transfer.Way` says."""

    longest = 4 * BLOCK
    """The pod holds a span in memory before it writes it."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._files: dict[str, File] = {}
        self._parts: dict[str, int | None] = {}

    def refreshed(self, files: Sequence[File]) -> list[File]:
        """By their present sizes."""
        return [_as_it_is(file) for file in files]

    def present(self, files: Sequence[File]) -> set[str]:
        """Of the same size there, and of the same checksum."""
        self._files = {file.path: file for file in files}
        sizes = self._state(files)
        self._parts = {path: size for path, (_, size) in sizes.items()}
        alike = [(file.local, file.path, file.size) for file in files if sizes[file.path][0] == file.size]
        return agreeing(self._shell, alike)

    def begun(self, files: Sequence[File]) -> dict[str, int]:
        """The parts that are the beginning of what is here; others begin anew."""
        wanted = {file.path: usable(self._parts[file.path], file.size) for file in files}
        parts = [(file.local, file.path + PART, wanted[file.path]) for file in files if wanted[file.path]]
        right = agreeing(self._shell, parts)
        return {path: size for path, size in wanted.items() if path + PART in right}

    def arrived(self, files: Sequence[File], have: Mapping[str, int]) -> dict[str, int]:
        """The pod knows what it wrote of what was sent."""
        state = self._state(files)
        return {
            file.path: min(usable(state[file.path][1], file.size), have[file.path])
            for file in files
            if file.path in have
        }

    def move(self, piece: Sequence[Span], have: dict[str, int], advance: Callable[[int], None]) -> None:
        """The bytes of all spans, one after another."""
        items = [part for span in piece for part in (str(span.block), str(span.length), item(span.path))]
        self._shell.run(STORE, items, stdin=self._bytes(piece, have, advance))

    def finish(self, files: Sequence[File]) -> set[str]:
        """The pod compares and renames."""
        items = [part for file in files for part in (local_sum(file.local, file.size), item(file.path))]
        answers = self._shell.ask(FINISH, items).split()
        return {file.path for file, answer in zip(files, answers, strict=True) if answer != b"right"}

    def _bytes(
        self, piece: Sequence[Span], have: dict[str, int], advance: Callable[[int], None]
    ) -> Iterator[bytes]:
        for span in piece:
            have.setdefault(span.path, 0)
            end = span.start
            for data in _read(self._files[span.path].local, span):
                yield data
                end += len(data)
                if end > have[span.path]:
                    advance(end - have[span.path])
                    have[span.path] = end
            if end != span.start + span.length:
                raise ChangedError([span.path])

    def _state(self, files: Sequence[File]) -> dict[str, tuple[int | None, int | None]]:
        """Bytes of the file and of its part there; None where there is none."""
        lines = self._shell.ask(STATE, [item(file.path) for file in files]).decode().splitlines()
        sizes = [None if line == "-" else int(line) for line in lines]
        pairs = zip(sizes[::2], sizes[1::2], strict=True)
        return dict(zip((file.path for file in files), pairs, strict=True))


def _as_it_is(file: File) -> File:
    try:
        found = file.local.stat()
    except OSError as error:
        raise InputError(f"{file.local} cannot be read: {error.strerror}") from error
    return File(file.path, file.local, found.st_size, int(found.st_mtime))


def _read(path: Path, span: Span) -> Iterator[bytes]:
    left = span.length
    try:
        with path.open("rb") as file:
            file.seek(span.start)
            while left and (data := file.read(min(left, CHUNK))):
                left -= len(data)
                yield data
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
