"""Files of a claim, or of a directory in it, as a caller sees them.

with volume_of(connection, run) as volume:
    epochs = json.loads(volume.read_bytes("metrics.json"))
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from trainingrun_client.connection import Connection
from trainingrun_client.errors import InputError
from trainingrun_client.files.commands import LIST, LIST_FLAT, MAKE, Command
from trainingrun_client.files.download import Download
from trainingrun_client.files.helper_pod import Mount, helper_pod
from trainingrun_client.files.listing import Entry, Kind, parse
from trainingrun_client.files.paths import claim_path, inner_path, local_path, refuse_clashes
from trainingrun_client.files.pieces import File
from trainingrun_client.files.placing import place
from trainingrun_client.files.reporting import Progress, Silent
from trainingrun_client.files.shell import Shell, item
from trainingrun_client.files.sources import gathered
from trainingrun_client.files.transfer import transfer
from trainingrun_client.files.upload import Upload
from trainingrun_client.run import TrainingRun

START_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a transfer did."""

    moved: int
    """Files."""
    skipped: int
    """Files that were there already, by their checksums."""
    seconds: float


class Volume:
    """A claim that is mounted within a `with` block.

    All methods raise TransferError, InputError, ForbiddenError and UnreachableError.
    """

    def __init__(
        self,
        connection: Connection,
        claim: str,
        *,
        namespace: str | None = None,
        directory: str = ".",
        writable: bool = False,
        image: str | None = None,
        run: TrainingRun | None = None,
        timeout: float = START_SECONDS,
        progress: Progress | None = None,
    ) -> None:
        """
        Args:
            namespace: of the claim; that of the connection by default.
            directory: in the claim, to which all paths are relative.
            image: of the helper pod; by default that of the run, of another run or of the operator.
            run: whose nodes are chosen for the pod.
            timeout: seconds in which the pod must start.
        """
        self._connection = connection
        self._mount = Mount(namespace or connection.namespace, claim, writable)
        self._directory = inner_path(directory)
        self._image, self._run, self._timeout = image, run, timeout
        self._progress = progress or Silent()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Raises NotFoundError where there is no such claim."""
        placement = place(
            self._connection, self._mount.namespace, self._mount.claim, image=self._image, run=self._run
        )
        pod = helper_pod(self._connection, self._mount, placement, self._timeout, self._progress.say)
        self._shell = Shell(self._open.enter_context(pod), self._directory, self._progress.say)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def ls(self, path: str = ".", *, recursive: bool = True) -> list[Entry]:
        """What lies below a directory, or the one file, by path."""
        return self._listed(LIST if recursive else LIST_FLAT, [inner_path(path)])

    def read_bytes(self, path: str) -> bytes:
        """The content of one file, by its checksum."""
        with TemporaryDirectory() as folder:
            wanted = [entry for entry in self.ls(path) if entry.path == inner_path(path)]
            if not wanted or wanted[0].kind != Kind.FILE:
                raise InputError(f"{path} is no file")
            target = Path(folder) / "content"
            file = File(wanted[0].path, target, wanted[0].size, wanted[0].modified)
            transfer(Download(self._shell), [file], Silent())
            return target.read_bytes()

    def get(self, paths: Sequence[str], to: Path, *, without: Sequence[str] = ()) -> Summary:
        """Files, and directories with all that is in them, into a folder of this machine.

        Args:
            paths: of files and directories; `.` is everything.
            without: directories of the volume that are left out unless they lie in one of the paths.
        """
        start = time.monotonic()
        files = []
        for entry in self._wanted([inner_path(path) for path in paths], without):
            if entry.kind == Kind.DIRECTORY:
                local_path(to, f"{entry.path}/.part").parent.mkdir(parents=True, exist_ok=True)
            else:
                files.append(File(entry.path, local_path(to, entry.path), entry.size, entry.modified))
        refuse_clashes(file.path for file in files)
        moved, skipped = transfer(Download(self._shell), files, self._progress)
        return Summary(moved, skipped, time.monotonic() - start)

    def put(self, sources: Sequence[Path], directory: str = ".") -> Summary:
        """Files and directories of this machine into a directory of the volume, which is made.

        Raises InputError too where the volume was not opened as writable.
        """
        if not self._mount.writable:
            raise InputError(f"the claim {self._mount.claim} was opened to be read")
        start = time.monotonic()
        files, directories = gathered(sources, inner_path(directory), self._progress.say)
        self._shell.ask(MAKE, [item(path) for path in directories])
        moved, skipped = transfer(Upload(self._shell), files, self._progress)
        return Summary(moved, skipped, time.monotonic() - start)

    def _listed(self, command: Command, paths: Sequence[str]) -> list[Entry]:
        """Raises InputError where there is no such path."""
        entries = parse(self._shell.ask(command, [item(path) for path in paths]))
        if missing := {path for path in paths if path != "."} - {entry.path for entry in entries}:
            holder = self._run.name if self._run is not None else f"the claim {self._mount.claim}"
            raise InputError(f"{holder} has no file {', '.join(sorted(missing))}")
        return entries

    def _wanted(self, paths: Sequence[str], without: Sequence[str]) -> list[Entry]:
        """Files and directories, without what cannot be copied; by path, each once."""
        entries = {entry.path: entry for entry in self._listed(LIST, paths)}
        left_out = tuple(f"{each}/" for each in without)
        chosen = tuple(f"{path}/" for path in paths if f"{path}/".startswith(left_out))
        kept = []
        for entry in entries.values():
            place = f"{entry.path}/"
            if place.startswith(left_out) and not place.startswith(chosen):
                continue
            if entry.kind in (Kind.FILE, Kind.DIRECTORY):
                kept.append(entry)
                continue
            why = f"{entry.path} is a symbolic link that leads to no file of the directory, or a device"
            if entry.path in paths:
                raise InputError(why)
            self._progress.say(f"left out: {why}")
        return kept


def volume_of(
    connection: Connection,
    run: TrainingRun,
    *,
    image: str | None = None,
    timeout: float = START_SECONDS,
    progress: Progress | None = None,
) -> Volume:
    """The directory of a run. Raises InputError where it keeps nothing, or has not begun."""
    claim, directory = run.status.checkpoint_claim, run.status.run_directory
    if not claim or not directory:
        kept = run.raw["spec"].get("checkpoints")
        why = "its first attempt has not begun" if kept else "its spec has no checkpoints: it keeps nothing"
        raise InputError(f"{run.name} has no files: {why}")
    return Volume(
        connection,
        claim,
        namespace=run.namespace,
        directory=claim_path(directory),
        image=image,
        run=run,
        timeout=timeout,
        progress=progress,
    )
