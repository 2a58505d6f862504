"""Where runs live: what the client needs of a cluster, or of this machine (`local`)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from trainingrun_client.following import Lost
from trainingrun_client.log_lines import LogLine
from trainingrun_client.run import Epoch, TrainingRun


class Backend(Protocol):
    """All methods raise TrainingRunError; of what is below it, docs/reference says which."""

    @property
    def namespace(self) -> str:
        """Where a run lives that says nothing else."""

    def submit(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> TrainingRun:
        """The run as it was created; or, by a dry run, as it would be.

        Raises AlreadyExistsError, InvalidError and ForbiddenError.
        """

    def get(self, name: str, namespace: str) -> TrainingRun:
        """Raises NotFoundError."""

    def list(self, namespace: str | None) -> Sequence[TrainingRun]:
        """Of a namespace, or of all where it is None; oldest first."""

    def watch(
        self, namespace: str | None, known: Sequence[TrainingRun] = (), seconds: float | None = None
    ) -> Iterator["TrainingRun | Gone | Lost"]:
        """Each run as it is, then each change, through lost connections; for so many seconds, or endless.

        What of the `known` ones is not there any more is told as gone; with one of them, that name alone is
        watched.
        """

    def patch(self, name: str, namespace: str, change: Mapping[str, Any]) -> TrainingRun:
        """The run after a merge patch. Raises NotFoundError and InvalidError."""

    def delete(self, name: str, namespace: str) -> None:
        """Ends and removes the run; its results stay. Raises NotFoundError."""

    def logs(
        self,
        run: TrainingRun,
        *,
        attempt: int | None = None,
        node: int | None = None,
        follow: bool = False,
        tail: int | None = None,
    ) -> Iterator[LogLine]:
        """Lines of all pods, or of that of one node rank, in the order of their time; `tail` counts per
        pod."""

    def epochs(self, run: TrainingRun) -> Sequence[Epoch]:
        """What is still told of its epochs, by number: those of pods that are gone may be missing."""

    def kept_epochs(self, run: TrainingRun) -> Sequence[Epoch]:
        """All epochs, as the run directory keeps them; in a cluster that takes seconds and a pod.

        Raises InputError where the run keeps nothing.
        """


class Gone:
    """A run that was deleted, as it last was."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
