"""The runs of the made-up history: what becomes of each, as plain functions of the time."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from trainingrun_api.reasons import Phase, Reason

BEGIN = datetime(2026, 1, 2, 10, tzinfo=UTC)
SECONDS = 7200.0
END = BEGIN + timedelta(seconds=SECONDS)
NAMESPACE = "radiology"
RUN = "chest-vit"
"""The run that a dashboard of one run shows: it trains, and was restarted."""
STEPS_AN_EPOCH = 40
IMAGES_A_STEP = 64
SAVE_SECONDS = 300
"""Of training between two checkpoints."""
RESTART_SECONDS = 180.0
LOST_SECONDS = 240.0
"""Of training before a fault that are in no checkpoint."""


@dataclass(frozen=True)
class Story:
    """What becomes of a run. Times are in seconds from the beginning."""

    name: str
    project: str
    queue: str
    created: float
    started: float = math.inf
    """When its pods ran."""
    nodes: int = 1
    gpus: int = 1
    """Of each node."""
    task: str = "classification"
    seconds_per_epoch: float = 120.0
    epochs: int = 60
    skill: float = 0.9
    """What the metric comes to in the end."""
    fault: float = math.inf
    """When its first attempt ended; the second one trains a while later."""
    fault_reason: Reason = Reason.OOM_KILLED
    stalled: float = math.inf
    """When it stopped moving."""
    failed: float = math.inf
    waits_for: Reason = Reason.UNSCHEDULABLE
    data_wait: float = 0.1
    """Share of the time that ranks wait for batches."""

    def trained(self, now: float) -> float:
        """Seconds of training that are in the result."""
        until = min(now, self.stalled, self.failed)
        if until < self.started:
            return 0.0
        planned = self.epochs * self.seconds_per_epoch
        if until < self.fault:
            return min(until - self.started, planned)
        kept = max(0.0, self.fault - LOST_SECONDS - self.started)
        return min(kept + max(0.0, until - self.fault - RESTART_SECONDS), planned)

    def phase(self, now: float) -> Phase:
        if now >= self.failed:
            return Phase.FAILED
        if now < self.started or self.fault <= now < self.fault + RESTART_SECONDS:
            return Phase.PENDING
        done = self.trained(now) >= self.epochs * self.seconds_per_epoch
        return Phase.COMPLETED if done else Phase.RUNNING

    def ended(self) -> float:
        """When it was Completed or Failed."""
        lost = RESTART_SECONDS + LOST_SECONDS if self.fault < math.inf else 0.0
        return min(self.failed, self.started + self.epochs * self.seconds_per_epoch + lost)

    def attempt(self, now: float) -> int:
        return 1 + (now >= self.fault)

    def epoch(self, now: float) -> float:
        """Epochs trained, parts included."""
        return self.trained(now) / self.seconds_per_epoch

    def steps(self, now: float) -> int:
        """Optimizer steps taken."""
        return math.floor(self.epoch(now) * STEPS_AN_EPOCH)

    def saved(self, now: float) -> float:
        """Seconds of training in the newest checkpoint; 0 where there is none."""
        trained = self.trained(now)
        return trained - trained % SAVE_SECONDS

    def speed(self, now: float) -> float:
        """Images a second of all ranks."""
        steady = STEPS_AN_EPOCH * IMAGES_A_STEP * self.nodes / self.seconds_per_epoch
        return steady * (1 + 0.05 * math.sin(now / 300))

    def metrics(self, now: float) -> dict[str, float]:
        """Of the last whole epoch; empty before."""
        epoch = math.floor(self.epoch(now))
        if not epoch:
            return {}
        learned = 1 - math.exp(-epoch / 9)
        noise = 0.01 * math.sin(7.3 * epoch + len(self.name))
        score = self.skill * learned + noise
        return {
            "train_loss": 1.6 * (1 - 0.9 * learned),
            "val_loss": 1.7 * (1 - 0.8 * learned) + 0.002 * max(0, epoch - 20) - noise,
            "val_accuracy": score,
            "val_f1": 0.97 * score,
            "val_auroc": 0.5 + 0.5 * score,
        }


def unix(seconds: float) -> float:
    """Unix time of a moment of the history."""
    return (BEGIN + timedelta(seconds=seconds)).timestamp()


STORIES = (
    Story(RUN, "chest", "team-a", -600, -480, nodes=2, gpus=2, epochs=80, fault=3600, skill=0.93),
    Story("chest-resnet", "chest", "team-a", 0, 120, seconds_per_epoch=75, skill=0.89),
    Story("chest-densenet", "chest", "team-a", 900, 1500, data_wait=0.7, epochs=100, skill=0.86),
    Story("brain-unet", "brain", "team-b", -60, 60, gpus=2, task="semantic-segmentation", stalled=6300),
    Story("skin-resnet", "skin", "team-b", 600, 660, failed=2400, fault_reason=Reason.USER_ERROR),
    Story("brain-3d", "brain", "team-b", 5400, nodes=4, gpus=8, task="semantic-segmentation"),
)
