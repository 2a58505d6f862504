"""The Python client: one class whose verbs are those of `kubectl trainingrun`.

from trainingrun_client import TrainingRunClient

client = TrainingRunClient()
run = client.submit("chest.yaml")
client.wait(run.name, timeout=3600)
client.metrics(run.name).plot(y=["train_loss", "val_loss"])
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainingrun_api import names
from trainingrun_api.reasons import Phase
from trainingrun_client import epochs as history
from trainingrun_client.backend import Backend, Gone
from trainingrun_client.cluster import ClusterBackend
from trainingrun_client.connection import connect
from trainingrun_client.errors import InputError, RunDeletedError, RunFailedError, WaitTimeoutError
from trainingrun_client.following import Lost
from trainingrun_client.log_lines import LogLine
from trainingrun_client.manifests import read_manifest
from trainingrun_client.run import Epoch, TrainingRun, TrainingRuns

if TYPE_CHECKING:
    from pandas import DataFrame


class TrainingRunClient:
    """Runs in a cluster, or on this machine with `backend=LocalBackend(...)`.

    Every method may raise UnreachableError, ForbiddenError and, for a run that is not there, NotFoundError,
    all of them TrainingRunError.
    """

    def __init__(
        self,
        namespace: str | None = None,
        *,
        context: str | None = None,
        kubeconfig: str | Path | None = None,
        backend: Backend | None = None,
    ) -> None:
        """By default the namespace and cluster that kubectl would take. Raises ConfigError."""
        self.backend = backend or ClusterBackend(connect(context, kubeconfig, namespace))
        self._insists = namespace is not None and backend is None
        self.namespace = namespace or self.backend.namespace

    def submit(
        self,
        manifest: str | Path | Mapping[str, Any],
        *,
        name: str | None = None,
        dry_run: bool = False,
    ) -> TrainingRun:
        """Create a run from a YAML file or the same as a dict; `name` replaces the one in it.

        Raises InputError where the file cannot be read, InvalidError with the fields that are wrong, and
        AlreadyExistsError where a run has that name.
        """
        body = read_manifest(manifest, name=name, namespace=self.namespace)
        if self._insists and body["metadata"]["namespace"] != self.namespace:
            raise InputError(
                f"the manifest is of the namespace {body['metadata']['namespace']}, not of {self.namespace}: "
                "take metadata.namespace out, or ask for that namespace"
            )
        return self.backend.submit(body, dry_run=dry_run)

    def get(self, name: str) -> TrainingRun:
        """The run as it is now."""
        return self.backend.get(name, self.namespace)

    def list(self, *, all_namespaces: bool = False) -> TrainingRuns:
        """Runs of the namespace or of all, oldest first."""
        return TrainingRuns(self.backend.list(None if all_namespaces else self.namespace))

    def watch(
        self, name: str, *, seconds: float | None = None, lost: Callable[[Lost], object] = lambda lost: None
    ) -> Iterator[TrainingRun]:
        """The run as it is now and after each change, until it is Completed or Failed, or that many seconds
        are over; `lost` is told of each lost connection.

        Goes on after lost connections. Raises RunDeletedError.
        """
        first = self.get(name)
        yield first
        if first.finished:
            return
        for change in self.backend.watch(self.namespace, [first], seconds):
            if isinstance(change, Lost):
                lost(change)
                continue
            run = change.run if isinstance(change, Gone) else change
            if isinstance(change, Gone) or run.uid != first.uid:
                raise RunDeletedError(f"{name} was deleted")
            yield run
            if run.finished:
                return

    def wait(self, name: str, *, timeout: float | None = None) -> TrainingRun:
        """The run once it is Completed.

        Args:
            timeout: seconds; None waits for ever.

        Raises RunFailedError, RunDeletedError and WaitTimeoutError.
        """
        return self.wait_all([name], timeout=timeout)[0]

    def wait_all(
        self,
        names: Sequence[str],
        *,
        timeout: float | None = None,
        ended: Callable[[TrainingRun], object] = lambda run: None,
    ) -> Sequence[TrainingRun]:
        """The runs once all are Completed, in their order; `ended` is told of each.

        Raises as `wait` does, for the first that is not.
        """
        runs = {name: self.get(name) for name in dict.fromkeys(names)}
        left = set(runs)

        def look(run: TrainingRun) -> None:
            runs[run.name] = run
            if run.phase == Phase.FAILED and run.finished:
                raise RunFailedError(run)
            if run.finished:
                left.discard(run.name)
                ended(run)

        for run in list(runs.values()):
            look(run)
        known = [runs[name] for name in left]
        for change in self.backend.watch(self.namespace, known, timeout) if left else ():
            if isinstance(change, Lost):
                continue
            now = change.run if isinstance(change, Gone) else change
            if now.name not in left:
                continue
            if isinstance(change, Gone) or now.uid != runs[now.name].uid:
                raise RunDeletedError(f"{now.name} was deleted")
            look(now)
            if not left:
                break
        for run in (runs[name] for name in names if name in left):
            raise WaitTimeoutError(f"{run.name} is still {run.phase} ({run.reason}) after {timeout:g} s")
        return [runs[name] for name in names]

    def logs(
        self,
        name: str,
        *,
        rank: int | None = None,
        attempt: int | None = None,
        follow: bool = False,
        tail: int | None = None,
    ) -> Iterator[LogLine]:
        """Lines of all ranks and attempts whose pods are still there, in the order of their time.

        Args:
            rank: only of this global rank.
            attempt: only of this attempt.
            follow: go on with what is written from now on, until the run is over.
            tail: only the last lines of each pod.
        """
        for line in self.backend.logs(self.get(name), attempt=attempt, follow=follow, tail=tail):
            if rank is None or line.rank == rank:
                yield line

    def metrics(self, name: str) -> "DataFrame":
        """A row an epoch, indexed by its number: scores, learning rate, seconds, images a second.

        Raises MissingExtraError without pandas.
        """
        return history.frame(self.epochs(name))

    def epochs(self, name: str, *, most_telling: bool = False) -> Sequence[Epoch]:
        """The same as dicts, which need no pandas.

        From the logs where these have all epochs and scores, else from the run directory, which in a cluster
        takes some seconds more.

        Args:
            most_telling: the scores of single classes may be missing where there are many.
        """
        run = self.get(name)
        told, progress = self.backend.epochs(run), run.status.progress
        whole = history.complete(told, progress.epoch if progress else None)
        kept = run.status.checkpoint_claim and run.raw["spec"].get("training")
        if (whole and (most_telling or not history.shortened(told))) or not kept:
            return told
        return self.backend.kept_epochs(run)

    def suspend(self, name: str) -> TrainingRun:
        """Write a checkpoint, end the pods, and wait for `resume`.

        Raises InputError where the run is over.
        """
        run = self.get(name)
        if run.finished:
            raise InputError(f"{name} is {run.phase}: there is nothing to suspend")
        return self.backend.patch(name, self.namespace, {"spec": {"suspend": True}})

    def resume(self, name: str) -> TrainingRun:
        """Go on from the checkpoint."""
        return self.backend.patch(name, self.namespace, {"spec": {"suspend": False}})

    def retry(self, name: str, why: str | None = None) -> TrainingRun:
        """Start a Failed run anew from its checkpoint, with a whole budget of failures.

        Raises InputError where the run is not Failed.
        """
        run = self.get(name)
        if run.phase != Phase.FAILED:
            raise InputError(f"{name} is {run.phase}: only a Failed run can be tried again")
        text = why or f"asked for at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
        return self.backend.patch(
            name, self.namespace, {"metadata": {"annotations": {names.RETRY_ANNOTATION: text}}}
        )

    def delete(self, name: str) -> None:
        """End and remove the run; checkpoints and results stay in their claim."""
        self.backend.delete(name, self.namespace)
