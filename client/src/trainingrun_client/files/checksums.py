"""SHA-256 of files of this machine and of those in the pod."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from trainingrun_client.errors import InputError
from trainingrun_client.files.commands import HASH
from trainingrun_client.files.shell import Shell, item

CHUNK = 1 << 20


def local_sum(path: Path, size: int) -> str:
    """Of so many first bytes, in hexadecimal. Raises InputError where the file cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while size and (data := file.read(min(size, CHUNK))):
                digest.update(data)
                size -= len(data)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def remote_sums(shell: Shell, wanted: Sequence[tuple[str, int]]) -> list[str]:
    """Of so many first bytes of each path; `-` where there is no such file."""
    items = [part for path, size in wanted for part in (str(size), item(path))]
    return [line.split()[0] for line in shell.ask(HASH, items).decode().splitlines()]


def agreeing(shell: Shell, wanted: Sequence[tuple[Path, str, int]]) -> set[str]:
    """Paths of the volume whose first bytes are those of a file here.

    Args:
        wanted: the file here, the path in the volume, and how many bytes.
    """
    sums = remote_sums(shell, [(path, size) for _, path, size in wanted])
    return {
        path
        for (local, path, size), found in zip(wanted, sums, strict=True)
        if local_sum(local, size) == found
    }
