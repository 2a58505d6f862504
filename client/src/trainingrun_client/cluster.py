"""Runs in a cluster: the backend that speaks to an API server."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainingrun_api import names
from trainingrun_client import epochs as history
from trainingrun_client.backend import Gone
from trainingrun_client.connection import Collection, Connection, Resource, legal
from trainingrun_client.files import volume_of
from trainingrun_client.following import Lost, follow
from trainingrun_client.log_lines import LogLine
from trainingrun_client.pod_logs import PodLogs
from trainingrun_client.run import Epoch, TrainingRun

RUNS = Resource(names.API_VERSION, names.PLURAL)
FIELD_MANAGER = {"fieldManager": "kubectl-trainingrun", "fieldValidation": "Strict"}


class ClusterBackend:
    """As `backend.Backend` says."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def namespace(self) -> str:
        """Of the context."""
        return self.connection.namespace

    def submit(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> TrainingRun:
        """The API server checks it; unknown fields are refused, not dropped."""
        query = {**FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
        namespace = manifest["metadata"].get("namespace") or self.namespace
        return self._run(self.connection.create(RUNS.path(namespace), manifest, query))

    def get(self, name: str, namespace: str) -> TrainingRun:
        """The run as it is now."""
        return self._run(self.connection.get(_path(namespace, name)))

    def list(self, namespace: str | None) -> Sequence[TrainingRun]:
        """Oldest first."""
        items, _ = self.connection.list(RUNS.path(namespace))
        return sorted((self._run(item) for item in items), key=lambda run: (run.created, run.name))

    def watch(
        self, namespace: str | None, known: Sequence[TrainingRun] = (), seconds: float | None = None
    ) -> Iterator[TrainingRun | Gone | Lost]:
        """By list and watch; 410 lists anew."""
        query = {"fieldSelector": f"metadata.name={known[0].name}"} if len(known) == 1 else {}
        source = Collection(self.connection, RUNS.path(namespace), query)
        for change in follow(source, seconds, known=[run.raw for run in known]):
            if isinstance(change, Lost):
                yield change
            else:
                run = self._run(change.object)
                yield Gone(run) if change.gone else run

    def patch(self, name: str, namespace: str, change: Mapping[str, Any]) -> TrainingRun:
        """By a JSON merge patch."""
        return self._run(self.connection.patch(_path(namespace, name), change))

    def delete(self, name: str, namespace: str) -> None:
        """Its Jobs and pods go with it. No other run that has taken its name meanwhile."""
        run = self.get(name, namespace)
        self.connection.delete(_path(namespace, name), {"preconditions": {"uid": run.uid}})

    def logs(
        self,
        run: TrainingRun,
        *,
        attempt: int | None = None,
        node: int | None = None,
        follow: bool = False,
        tail: int | None = None,
    ) -> Iterator[LogLine]:
        """From the kubelets, by way of the API server."""
        return PodLogs(self.connection, run).lines(attempt=attempt, node=node, follow=follow, tail=tail)

    def epochs(self, run: TrainingRun) -> Sequence[Epoch]:
        """What the trainers wrote into their logs."""
        return history.of_lines(self.logs(run, node=0))

    def kept_epochs(self, run: TrainingRun) -> Sequence[Epoch]:
        """From the checkpoint claim, through a pod that mounts it."""
        with volume_of(self.connection, run) as volume:
            return history.of_file(volume.read_bytes("metrics.json").decode())

    def _run(self, raw: Mapping[str, Any]) -> TrainingRun:
        return TrainingRun(raw, lambda: self.epochs(TrainingRun(raw)))


def _path(namespace: str, name: str) -> str:
    return RUNS.path(namespace, legal(name, "a run"))
