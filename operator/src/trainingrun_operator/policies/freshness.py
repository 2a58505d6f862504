"""CheckpointFresh: whether the next fault would cost more than one checkpoint interval."""

from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_api.status import Checkpoint
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_operator import resumption
from trainingrun_operator.conditions import Finding
from trainingrun_operator.plan import Situation
from trainingrun_operator.scrape import Scrape
from trainingrun_operator.times import from_timestamp, human_duration

INTERVALS = 2
"""Checkpoint intervals after which the newest checkpoint is outdated."""


def freshness(situation: Situation) -> dict[ConditionType, Finding]:
    """What the last answer of the trainer means for the condition; nothing where there is none."""
    scrape = situation.scrape
    if scrape is None or scrape.empty:
        return {}
    return {ConditionType.CHECKPOINT_FRESH: _finding(situation, scrape)}


def newest(checkpoint: Checkpoint | None) -> Finding:
    """The condition where nothing is wrong."""
    if checkpoint is None:
        return Finding("Unknown", Reason.NO_CHECKPOINT, "no checkpoint has been written yet")
    return Finding("True", Reason.SAVED, f"the newest checkpoint is of step {checkpoint.step}")


def _finding(situation: Situation, scrape: Scrape) -> Finding:
    if scrape.checkpoint_blocked:
        return Finding(
            "False",
            Reason.VOLUME_FULL,
            f"the checkpoint that is due cannot be written{_where(situation)}: free space there; training "
            "goes on meanwhile",
        )
    if scrape.damaged_checkpoints and not _saved_since(scrape):
        used = f"step {scrape.resumed_step} was used" if scrape.resumed_step else "training began anew"
        return Finding(
            "False",
            Reason.CHECKPOINT_DAMAGED,
            f"{scrape.damaged_checkpoints} damaged checkpoint files were skipped{_where(situation)}; {used}",
        )
    found = resumption.checkpoint(situation.status, scrape, situation.status.attempts or [])
    if (limit := _limit(situation, found)) and _unsaved_seconds(situation, scrape) > limit:
        what = "no checkpoint was written for more"
        what = f"the newest checkpoint, of step {found.step}, is older" if found else what
        return Finding("False", Reason.OUTDATED, f"{what} than {human_duration(limit)}")
    return newest(found)


def _saved_since(scrape: Scrape) -> bool:
    return scrape.checkpoint_step is not None and scrape.checkpoint_step > (scrape.resumed_step or 0)


def _limit(situation: Situation, found: Checkpoint | None) -> float | None:
    """Greatest age of a checkpoint in seconds, where the program is known to write them by the clock."""
    checkpoints = situation.spec.checkpoints
    if checkpoints is None or checkpoints.every_seconds == 0:
        return None
    return INTERVALS * checkpoints.every_seconds if situation.spec.training or found else None


def _unsaved_seconds(situation: Situation, scrape: Scrape) -> float:
    """How long training has gone on without a checkpoint; only then is there anything new to save."""
    if scrape.phase != TrainerPhase.TRAINING:
        return 0.0
    began = situation.started_at or from_timestamp(situation.status.start_time)
    return scrape.at.timestamp() - max(scrape.checkpoint_time or 0.0, began.timestamp() if began else 0.0)


def _where(situation: Situation) -> str:
    claim = situation.status.checkpoint_claim
    return f" on claim {claim}" if claim else ""
