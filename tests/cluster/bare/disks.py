"""Small file systems on the folders of claims: a volume of the class `shared` has no limit of its own."""

import os
from contextlib import suppress
from pathlib import Path

from tests.cluster.bare.layout import STATE
from tests.cluster.shell import run

DISKS = STATE / "disks"
"""The files that hold the file systems; they are cleared with the cluster's state."""
FILLING = ".filling"


def limit(folder: Path, mebibytes: int) -> None:
    """Mount an empty ext4 on a folder that no container has mounted yet. Raises ClusterError."""
    DISKS.mkdir(exist_ok=True)
    file = DISKS / folder.name
    with file.open("wb") as stream:
        stream.truncate(mebibytes * 2**20)
    run(["mkfs.ext4", "-q", "-m", "0", file])
    run(["mount", "-o", "loop", file, folder])
    (folder / "lost+found").rmdir()
    folder.chmod(0o777)


def unlimit(folder: Path) -> None:
    """Unmount it again; it goes with the last container that has it. Raises ClusterError."""
    run(["umount", "--lazy", folder])
    (DISKS / folder.name).unlink()


def fill(folder: Path) -> None:
    """Take all the space that is left."""
    with (folder / FILLING).open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(2**16))
            os.fsync(file.fileno())  # else the file system only promises the space


def free(folder: Path) -> None:
    """Give the space back."""
    (folder / FILLING).unlink()
