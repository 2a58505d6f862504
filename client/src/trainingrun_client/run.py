"""A TrainingRun as a caller sees it: a snapshot, never changed by anybody."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from trainingrun_api import TrainingRunSpec, TrainingRunStatus, names
from trainingrun_api.reasons import Phase
from trainingrun_client import notebook

Epoch = Mapping[str, Any]
"""One epoch as in metrics.json: epoch (from 1), global_step, scores by name, learning_rate, seconds, ..."""


@dataclass(frozen=True)
class TrainingRun:
    """One run at one moment."""

    raw: Mapping[str, Any]
    """The object as the API server sent it."""
    history: Callable[[], Sequence[Epoch]] = field(default=lambda: (), repr=False, compare=False)
    """Asks for its epochs, where somebody wants to see them."""

    def __repr__(self) -> str:
        return f"TrainingRun({self.namespace}/{self.name}: {self.phase})"

    def __hash__(self) -> int:
        return hash((self.uid, self.raw["metadata"].get("resourceVersion")))

    def __reduce__(self) -> tuple[Any, ...]:
        """Without the way to the cluster."""
        return TrainingRun, (self.raw,)

    @property
    def name(self) -> str:
        """metadata.name"""
        return str(self.raw["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """metadata.namespace"""
        return str(self.raw["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        """metadata.uid, which no other run ever has."""
        return str(self.raw["metadata"]["uid"])

    @property
    def created(self) -> datetime:
        """metadata.creationTimestamp"""
        return datetime.fromisoformat(self.raw["metadata"]["creationTimestamp"])

    @cached_property
    def spec(self) -> TrainingRunSpec:
        """What was asked for. Raises pydantic.ValidationError where a newer operator's fields are in it."""
        return TrainingRunSpec.model_validate(self.raw["spec"])

    @cached_property
    def status(self) -> TrainingRunStatus:
        """What the operator knows; empty until it has seen the run."""
        return TrainingRunStatus.model_validate(self.raw.get("status") or {})

    @property
    def phase(self) -> Phase:
        """Pending, Running, Completed or Failed."""
        return self.status.phase or Phase.PENDING

    @property
    def reason(self) -> str:
        """One word for why it is in that phase."""
        return self.status.reason or ""

    @property
    def message(self) -> str:
        """What happened, where, and what to do."""
        return self.status.message or ""

    @property
    def finished(self) -> bool:
        """Whether it is Completed or Failed by its present spec and annotations."""
        return self.phase in (Phase.COMPLETED, Phase.FAILED) and not self.awaits_retry

    @property
    def awaits_retry(self) -> bool:
        """Whether somebody wants it anew and the operator has not seen that yet."""
        wanted = (self.raw["metadata"].get("annotations") or {}).get(names.RETRY_ANNOTATION)
        return self.phase == Phase.FAILED and wanted is not None and wanted != self.status.retried

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric; NaN and infinity where training diverged."""
        return {each.name: float(each.value) for each in self.status.metrics or ()}

    def _repr_html_(self) -> str:
        """The run and its loss curve, as Jupyter shows it."""
        return notebook.card(self)


class TrainingRuns(Sequence[TrainingRun]):
    """Several runs, in a table where a notebook shows them."""

    def __init__(self, runs: Sequence[TrainingRun]) -> None:
        self._runs = tuple(runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __getitem__(self, place: Any) -> Any:
        return TrainingRuns(self._runs[place]) if isinstance(place, slice) else self._runs[place]

    def __iter__(self) -> Iterator[TrainingRun]:
        return iter(self._runs)

    def __repr__(self) -> str:
        return f"TrainingRuns({[f'{run.name}: {run.phase}' for run in self._runs]})"

    def _repr_html_(self) -> str:
        return notebook.table(self._runs)
