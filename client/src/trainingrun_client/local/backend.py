"""The backend that keeps runs in directories of this machine and trains them as processes of its own."""

import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trainingrun_api import TrainingConfig
from trainingrun_api.reasons import Phase
from trainingrun_client.backend import Gone
from trainingrun_client.errors import AlreadyExistsError, InputError, MissingExtraError, NotFoundError
from trainingrun_client.following import Lost
from trainingrun_client.local import attempts, processes, reading
from trainingrun_client.local.accepting import NAME, NAMESPACE, accepted, differences, patched
from trainingrun_client.local.environment import shows_gpu
from trainingrun_client.local.ground import check_ground
from trainingrun_client.local.state import FOLDER, STATE, Files, State
from trainingrun_client.local.volumes import on_this_machine
from trainingrun_client.log_lines import LogLine
from trainingrun_client.manifests import checked_spec
from trainingrun_client.run import Epoch, TrainingRun

POLL_SECONDS = 0.5


class LocalBackend:
    """As `backend.Backend` says; the namespace of all runs is `local`.

    A run trains on as a process of its own when the client ends. All its ranks, whatever its nodes, are
    processes of this machine, which listen where torchrun and the trainer always do. Restarts, deadlines and
    `ttlSecondsAfterFinished` are the operator's: here nobody restarts, ends or deletes a run but its user.
    """

    def __init__(self, root: str | Path = "runs", *, data: Mapping[str, str | Path] | None = None) -> None:
        """Runs in directories of `root`.

        Args:
            root: made where it is missing, with the first run.
            data: which directory of this machine stands for which claim.

        Raises MissingExtraError without the trainer, and InputError elsewhere than on Linux.
        """
        if sys.platform != "linux":
            raise InputError("training on this machine needs Linux")
        if find_spec("torch") is None or find_spec("pytorch_lightning") is None:
            raise MissingExtraError("training on this machine", "trainer")
        self.root = Path(root).expanduser().absolute()
        self._data = {claim: Path(directory) for claim, directory in (data or {}).items()}

    @property
    def namespace(self) -> str:
        """Of all runs."""
        return NAMESPACE

    def files(self, name: str) -> Files:
        """Where everything of a run lies."""
        return Files(self.root / name)

    def submit(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> TrainingRun:
        """Start a run.

        Raises AlreadyExistsError where a run has its name, or its directory holds one of another config;
        InvalidError and InputError where it cannot be trained here, or not in that directory.
        """
        state = State(accepted(manifest, attempts.now()))
        files = self.files(state.object["metadata"]["name"])
        config = self.config(manifest)
        self._check_free(files, manifest)
        if dry_run:
            return self._run(state)
        try:
            files.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{files.directory} cannot be made: {error.strerror}") from error
        with files.locked():
            self._check_free(files, manifest)
            files.config.write_text(json.dumps(config, sort_keys=True))
            if not state.object["spec"].get("suspend"):
                attempts.start(files, state)
            files.save(state)
        return self._run(state)

    def changed(self, manifest: Mapping[str, Any]) -> list[str]:
        """Fields of spec.training that differ from what the directory of that name was trained with.

        Raises InputError where that directory is no place for a run.
        """
        directory, (config, _) = self.files(manifest["metadata"]["name"]).directory, self._mapped(manifest)
        check_ground(directory, config.data, self._data.values())
        frozen = reading.trained_config(directory)
        return [] if frozen is None else differences(frozen, config.to_wire())

    def config(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Its spec.training with all defaults and with paths of this machine. Raises InputError."""
        config, _ = self._mapped(manifest)
        return config.to_wire()

    def remarks(self, manifest: Mapping[str, Any]) -> Sequence[str]:
        """What is different here than in a cluster, of what the manifest asks for."""
        _, said = self._mapped(manifest)
        spec = checked_spec(manifest)
        auto = spec.training is not None and spec.training.accelerator == "auto"
        if auto and spec.resources.gpus and not shows_gpu():
            said = [*said, "no GPU shows on this machine: it trains on the CPU"]
        return said

    def get(self, name: str, namespace: str) -> TrainingRun:
        """The run as it is now."""
        files = self._known(name)
        with files.locked():
            return self._run(attempts.observed(files, self._loaded(files)))

    def list(self, namespace: str | None) -> Sequence[TrainingRun]:
        """Oldest first."""
        if namespace not in (None, NAMESPACE):
            return []
        found = sorted(path.parent.parent.name for path in self.root.glob(f"*/{FOLDER}/{STATE}"))
        runs = [self.get(name, NAMESPACE) for name in found]
        return sorted(runs, key=lambda run: (run.created, run.name))

    def watch(
        self, namespace: str | None, known: Sequence[TrainingRun] = (), seconds: float | None = None
    ) -> Iterator[TrainingRun | Gone | Lost]:
        """By looking at them again and again."""
        held = {run.uid: run for run in known}
        name = known[0].name if len(known) == 1 else None
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            now = {run.uid: run for run in self.list(namespace) if name in (None, run.name)}
            for uid, run in held.items():
                if uid not in now:
                    yield Gone(run)
            for uid, run in now.items():
                if uid not in held or held[uid].raw != run.raw:
                    yield run
            held = now
            time.sleep(POLL_SECONDS)

    def patch(self, name: str, namespace: str, change: Mapping[str, Any]) -> TrainingRun:
        """A merge patch, and what follows from it: the end of an attempt, or the next one.

        An attempt that is ending is waited for before the next one starts.
        """
        files = self._known(name)
        if (state := files.load()) and attempts.status_of(state).stopping:
            attempts.end(files)
        with files.locked():
            state = attempts.observed(files, self._loaded(files))
            before, state.object = state.object, patched(state.object, change)
            run = self._run(state)
            suspend, suspended = (bool(each["spec"].get("suspend")) for each in (state.object, before))
            resumed = run.phase == Phase.PENDING and suspended
            if state.process and suspend:
                attempts.stop(state)
            elif not state.process and not suspend and (resumed or run.awaits_retry):
                attempts.start(files, state)
            files.save(state)
        return self._run(state)

    def delete(self, name: str, namespace: str, *, results: bool = False) -> None:
        """Ends the run, with a checkpoint, and forgets it; its directory goes only with `results`."""
        files = self._known(name)
        attempts.end(files)
        with files.locked():
            files.forget()
        if results:
            shutil.rmtree(files.directory)

    def kill(self, name: str) -> None:
        """End its processes at once, without a checkpoint. Raises NotFoundError."""
        attempts.end(self._known(name), at_once=True)

    def logs(
        self,
        run: TrainingRun,
        *,
        attempt: int | None = None,
        node: int | None = None,
        follow: bool = False,
        tail: int | None = None,
    ) -> Iterator[LogLine]:
        """Of all attempts, or of one; following, until no process is left."""
        files = self.files(run.name)
        readers: dict[int, reading.LogReader] = {}
        while node in (None, 0):
            state = files.load()
            busy = bool(follow and state and state.process and processes.alive(state.process))
            for number in files.attempts():
                if attempt not in (None, number):
                    continue
                first = number not in readers
                reader = readers.setdefault(number, reading.LogReader(files.log(number), number))
                lines = [*reader.lines(ended=not busy)]
                yield from lines[max(len(lines) - tail, 0) :] if first and tail is not None else lines
            if not busy:
                return
            time.sleep(POLL_SECONDS)

    def epochs(self, run: TrainingRun) -> Sequence[Epoch]:
        """All of them."""
        return reading.epochs(self.files(run.name).directory)

    def kept_epochs(self, run: TrainingRun) -> Sequence[Epoch]:
        """The same."""
        return self.epochs(run)

    def _check_free(self, files: Files, manifest: Mapping[str, Any]) -> None:
        changed = self.changed(manifest)
        if files.known():
            raise AlreadyExistsError(409, f"{files.directory} holds a run already")
        if changed:
            said = f"{files.directory} holds a run of another config: {', '.join(changed)} differ"
            raise AlreadyExistsError(409, said)

    def _mapped(self, manifest: Mapping[str, Any]) -> tuple[TrainingConfig, Sequence[str]]:
        return on_this_machine(checked_spec(manifest), manifest["metadata"]["name"], self._data)

    def _known(self, name: str) -> Files:
        files = self.files(name)
        if not NAME.fullmatch(name) or not files.known():
            raise NotFoundError(404, f"there is no run {name} in {self.root}")
        return files

    def _loaded(self, files: Files) -> State:
        if (state := files.load()) is None:
            raise NotFoundError(404, f"there is no run {files.directory.name} in {self.root}")
        return state

    def _run(self, state: State) -> TrainingRun:
        raw = state.object
        return TrainingRun(raw, lambda: self.epochs(TrainingRun(raw)))
