"""What a page tells of a run: its state in words, why, what to do, and its numbers. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any

from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_api.status import TrainingRunStatus
from trainingrun_console.history.records import Artifact, Run
from trainingrun_console.live.messages import status as status_of
from trainingrun_operator.policies.advice import BY_REASON, RETRY
from trainingrun_operator.times import human_duration

SUSPENDED = "Suspended"
HANDED_ON = {
    Reason.UNSCHEDULABLE,
    Reason.IMAGE_PULL,
    Reason.VOLUME_UNBOUND,
    Reason.CONTAINER_CONFIG,
    Reason.REJECTED,
}
"""Reasons to be Pending that somebody must do something about."""
IMAGES = (".png", ".jpg", ".jpeg", ".webp")
SPARK_WIDTH, SPARK_HEIGHT = 96, 24


@dataclass(frozen=True)
class Told:
    """One run at one moment."""

    run: Run
    now: datetime

    @cached_property
    def status(self) -> TrainingRunStatus:
        """What the operator said last; empty where only a trainer wrote of the run."""
        return status_of(self.run)

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        """As it was asked for."""
        found: Mapping[str, Any] = self.run.object.get("spec") or {}
        return found

    @property
    def suspended(self) -> bool:
        """Whether it waits only because somebody wants it to."""
        if self.run.phase == Phase.PENDING and self.run.reason == Reason.SUSPENDED:
            return not self.run.finished
        return not self.run.finished and any(
            each.type == ConditionType.SUSPENDED and each.status == "True"
            for each in self.status.conditions or ()
        )

    @property
    def phase(self) -> str:
        """Of the badge."""
        return SUSPENDED if self.suspended else str(self.run.phase)

    @property
    def deleted(self) -> bool:
        """Whether its TrainingRun is gone."""
        return self.run.deleted_at is not None

    @property
    def ended_early(self) -> bool:
        """Whether it was deleted before it could end."""
        return self.deleted and self.run.phase not in (Phase.COMPLETED, Phase.FAILED)

    @property
    def why(self) -> str:
        """Why it waits or failed, in a sentence; empty where all is well."""
        if self.run.phase in (Phase.COMPLETED, Phase.RUNNING) or self.suspended:
            return ""
        waiting = self.status.waiting_for
        if waiting and not self.run.finished:
            return f"waits for {waiting}, which is active in the project {self.run.project}"
        failure = self.status.last_failure
        if self.run.phase == Phase.FAILED and failure and failure.message:
            return failure.message
        return self.run.message or self.run.reason

    @property
    def advice(self) -> str:
        """What somebody can do about it; empty where nothing is to be done."""
        if self.run.phase == Phase.COMPLETED or self.deleted:
            return ""
        if self.run.phase == Phase.PENDING and self.run.reason in HANDED_ON:
            return BY_REASON[Reason(self.run.reason)].removesuffix(f", {RETRY}")
        failure = self.status.last_failure
        return failure.advice if failure else ""

    @property
    def where(self) -> str:
        """Where the last failure was."""
        failure = self.status.last_failure
        if failure is None:
            return ""
        parts = (
            failure.pod and f"pod {failure.pod}",
            failure.node and f"node {failure.node}",
            None if failure.rank is None else f"rank {failure.rank}",
            None if failure.exit_code is None else f"exit code {failure.exit_code}",
        )
        return ", ".join(part for part in parts if part)

    @property
    def epochs(self) -> str:
        """Such as 12/50."""
        if self.run.epoch is None:
            return ""
        return f"{self.run.epoch}/{self.run.total_epochs}" if self.run.total_epochs else str(self.run.epoch)

    @property
    def eta(self) -> str:
        """Time to the planned end."""
        end = self.run.estimated_completion_time
        if end is None or self.run.finished or self.run.phase != Phase.RUNNING:
            return ""
        return human_duration((end - self.now).total_seconds())

    @property
    def took(self) -> str:
        """Time since its start, up to its end."""
        if self.run.started_at is None:
            return ""
        end = self.run.completed_at or self.run.deleted_at or self.now
        return human_duration((end - self.run.started_at).total_seconds())

    @property
    def throughput(self) -> str:
        """Images a second, while it trains."""
        rate = self.status.progress and self.status.progress.samples_per_second
        if not rate or self.run.phase != Phase.RUNNING or self.run.finished:
            return ""
        return f"{number(float(rate))} images/s"

    @property
    def trains(self) -> str:
        """What on what, in a line."""
        training = self.spec.get("training")
        resources = self.spec.get("resources") or {}
        gpus, nodes = resources.get("gpus", 1), self.spec.get("nodes", 1)
        place = f"{many(nodes, 'node')} with {many(gpus, 'GPU')} each" if self.spec else ""
        if training is None:
            what = " ".join(self.spec.get("command") or ())[:120]
        else:
            model = training.get("model") or {}
            what = ", ".join(part for part in (training.get("task"), model.get("architecture")) if part)
        return " on ".join(part for part in (what, place) if part)

    @property
    def can_suspend(self) -> bool:
        """Whether there is something to suspend."""
        return not self.run.finished and not self.spec.get("suspend")

    @property
    def can_resume(self) -> bool:
        """Whether it is, or is going to be, suspended."""
        return not self.run.finished and bool(self.spec.get("suspend"))

    @property
    def can_retry(self) -> bool:
        """Whether it can be started anew."""
        return self.run.phase == Phase.FAILED and not self.deleted

    def ago(self, moment: datetime | str | None) -> str:
        """Time since then in one unit or, of hours and days, in two; empty where nothing is known."""
        if moment is None:
            return ""
        then = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        seconds = max((self.now - then).total_seconds(), 0.0)
        return f"{seconds // 60:.0f}m" if 60 <= seconds < 3600 else human_duration(seconds)


def number(value: Any, digits: int = 4) -> str:
    """With so many significant digits; a dash where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return str(value) if isinstance(value, int) else f"{value:.{digits}g}"


def many(count: object, what: str) -> str:
    """1 node, 2 nodes."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def size(count: int) -> str:
    """Bytes in a unit that suits them."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def sparkline(values: Sequence[float]) -> str:
    """The points of an SVG polyline within SPARK_WIDTH × SPARK_HEIGHT; empty where there is no line."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return ""
    low, high = min(finite), max(finite)
    step = (SPARK_WIDTH - 4) / (len(finite) - 1)
    scale = (SPARK_HEIGHT - 4) / (high - low) if high > low else 0.0
    base = SPARK_HEIGHT - 2 if scale else SPARK_HEIGHT / 2
    points = ((2 + place * step, base - (value - low) * scale) for place, value in enumerate(finite))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def trend(values: Sequence[float]) -> str:
    """The same for who cannot see it."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return ""
    rises = sum(later > earlier for earlier, later in pairwise(finite))
    return f"from {number(finite[0])} to {number(finite[-1])}, {rises} of {len(finite) - 1} steps upwards"


def pictures(artifacts: Sequence[Artifact], folder: str) -> list[Artifact]:
    """The images of a folder of the run directory."""
    return [each for each in artifacts if each.path.startswith(f"{folder}/") and each.path.endswith(IMAGES)]
