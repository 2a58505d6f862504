"""The newest checkpoint, where the current attempt went on from, and the steps that were lost by it. Pure.

The trainer picks the checkpoint, so the operator learns which one from rank 0's first answer.
"""

from collections.abc import Sequence

from trainingrun_api.status import AttemptRecord, Checkpoint, TrainingRunStatus
from trainingrun_operator.scrape import Scrape
from trainingrun_operator.times import unix_timestamp


def with_lost_steps(records: Sequence[AttemptRecord], resumed_step: int | None) -> list[AttemptRecord] | None:
    """The records of ended attempts, where the last one that took steps now shows how many were lost.

    A checkpoint beyond its last known step proves that it took more. None where nothing is to be changed.
    """
    place = next((i for i, record in reversed([*enumerate(records)]) if record.to_step), None)
    if resumed_step is None or place is None or records[place].lost_steps is not None:
        return None
    last_step = max(records[place].to_step or 0, resumed_step)
    known = {"to_step": last_step, "lost_steps": last_step - resumed_step}
    updated = records[place].model_copy(update=known)
    return [*records[:place], updated, *records[place + 1 :]]


def lost_steps(records: Sequence[AttemptRecord]) -> int | None:
    """Steps that the last attempt that took any had to leave behind; None where that is not known."""
    return next((record.lost_steps for record in reversed(records) if record.to_step), None)


def checkpoint(
    status: TrainingRunStatus, scrape: Scrape, records: Sequence[AttemptRecord]
) -> Checkpoint | None:
    """The newest checkpoint, and where the current attempt went on from."""
    known = status.checkpoint
    if scrape.checkpoint_step is not None:
        same = known and known.step == scrape.checkpoint_step
        newest = Checkpoint(
            step=scrape.checkpoint_step,
            epoch=known.epoch if known and same else None,
            time=unix_timestamp(scrape.checkpoint_time),
            path=known.path if known else None,
        )
    elif scrape.damaged_checkpoints and scrape.resumed_step:
        newest = Checkpoint(step=scrape.resumed_step)
    elif known:
        newest = known
    else:
        return None
    if scrape.resumed_step is None:
        before = (known.resumed_from_step, known.lost_steps) if known else (None, None)
    else:
        before = (scrape.resumed_step, lost_steps(records))
    return newest.model_copy(update={"resumed_from_step": before[0], "lost_steps": before[1]})


def last_checkpoint(known: Checkpoint | None, told: Checkpoint) -> Checkpoint:
    """The newest checkpoint after the last word on it, which may be shorter than what was known."""
    if known is None:
        return told
    if told.step == known.step:
        return known.model_copy(update={name: value for name, value in told if value is not None})
    return told.model_copy(
        update={"resumed_from_step": known.resumed_from_step, "lost_steps": known.lost_steps}
    )


def resumed(scrape: Scrape) -> str:
    """Where the attempt went on from, in a few words; empty for a fresh start."""
    if not scrape.resumed_step:
        return ""
    exactly = ", not bit for bit" if scrape.resume_exact is False else ""
    return f"went on from step {scrape.resumed_step}{exactly}"
