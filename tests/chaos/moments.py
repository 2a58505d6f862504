"""Waiting for the moment: the pods' own pages say what a rank does, the volume says when one saves."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.reader import RankState
from tests.chaos.scene import Scene, Target, wait_for
from tests.chaos.table import Moment
from tests.chaos.workload import MID_EPOCH_STEP, STEPS_AN_EPOCH
from trainingrun_api.telemetry import TrainerPhase

STARTED_SECONDS = 180
REACHED_SECONDS = 180
LOOK_SECONDS = 0.005
"""Between two looks: a tiny network saves and validates within a fraction of a second."""
HALF_WRITTEN = ".*.ckpt.*"
"""Temporary files of checkpoints."""


@dataclass(frozen=True)
class Aim:
    """The rank to strike, and what it did a moment before."""

    target: Target
    state: RankState
    """Its step may be one save interval old where a save was waited for."""


def reach(scene: Scene, moment: Moment, rank: int) -> Aim:
    """Returns as soon as a rank of the first attempt is there. Raises NeverCameError."""
    target = wait_for(f"the process of rank {rank}", lambda: scene.target(rank), STARTED_SECONDS)
    if moment is Moment.START_UP:
        return Aim(target, RankState(TrainerPhase.STARTING, 0))

    def state_where(holds: Callable[[RankState], bool]) -> RankState:
        def look() -> RankState | None:
            state = scene.reader.rank(target.pod, rank)
            return state if state and holds(state) else None

        return wait_for(f"{moment} of rank {rank}", look, REACHED_SECONDS, LOOK_SECONDS)

    if moment is Moment.VALIDATION:
        return Aim(
            target,
            state_where(lambda now: now.step >= 2 * STEPS_AN_EPOCH and now.phase is TrainerPhase.VALIDATING),
        )
    state = state_where(lambda now: now.step >= MID_EPOCH_STEP and now.phase is TrainerPhase.TRAINING)
    if moment is Moment.SAVING:
        checkpoints = scene.folder / "checkpoints"
        wait_for(
            "a checkpoint that is half written",
            lambda: next(checkpoints.glob(HALF_WRITTEN), None),
            REACHED_SECONDS,
            every=0.0005,
        )
        return Aim(target, RankState(TrainerPhase.CHECKPOINTING, state.step))
    return Aim(target, state)
