"""What a training pod serves: the names that the trainer writes and the operator reads.

Rank 0 serves the whole run's on its metrics port. The main process of every pod serves the heartbeats of its
ranks on a port of their own, and answers when they hang.
"""

from enum import StrEnum

from trainingrun_api.exposition import counter, gauge, histogram

METRIC = gauge(
    "trainer_metric",
    "last value of a metric: `split` is `train`, `val` or `test`, `name` as `loss` or `accuracy`; at most 64",
    "split",
    "name",
)
BEST_METRIC = gauge("trainer_best_metric", "best value so far of the monitored metric", "split", "name")
BEST_EPOCH = gauge("trainer_best_epoch", "epoch of the best value, counted from 1", unit="epochs")
EPOCH = gauge("trainer_epoch", "epochs finished", unit="epochs")
EPOCHS_PLANNED = gauge("trainer_epochs_planned", "epochs that training takes at most", unit="epochs")
GLOBAL_STEP = gauge("trainer_global_step", "optimizer steps taken", unit="steps")
STEPS_PLANNED = gauge("trainer_steps_planned", "optimizer steps that training takes at most", unit="steps")
SECONDS_PER_EPOCH = gauge(
    "trainer_seconds_per_epoch",
    "mean wall time of the last epochs, validation and saves included, starts and first steps not; of "
    "earlier attempts until this one has measured an epoch",
    unit="seconds",
)
LEARNING_RATE = gauge("trainer_learning_rate", "learning rate in the last epoch")
SAMPLES_PER_SECOND = gauge(
    "trainer_samples_per_second",
    "images that all ranks together trained on in the last epoch",
    unit="images a second",
)
DATA_WAIT_SECONDS = counter(
    "trainer_data_wait_seconds_total", "time that rank 0 waited for batches of training", unit="seconds"
)
PHASE = gauge(
    "trainer_phase",
    "1 for what the trainer is doing, 0 for the others: `starting`, `preparing-data`, `warming-up` (set-up "
    "to the first optimizer step, compilation included), `training`, `validating`, `checkpointing`, "
    "`testing`, `reporting` (pictures, report and exports, once the results are written), `finished`",
    "phase",
)
HEARTBEAT = gauge(
    "trainer_heartbeat_timestamp_seconds",
    "last movement of rank 0: an optimizer step, a batch of validation or test, an image prepared, bytes of "
    "a checkpoint written, a second of reporting, a change of phase",
    unit="Unix seconds",
)
CHECKPOINT_SECONDS = histogram(
    "trainer_checkpoint_seconds", "time that writing a checkpoint held training up", unit="seconds"
)
LAST_CHECKPOINT_TIMESTAMP = gauge(
    "trainer_last_checkpoint_timestamp_seconds", "end of the newest complete checkpoint", unit="Unix seconds"
)
LAST_CHECKPOINT_STEP = gauge(
    "trainer_last_checkpoint_step", "optimizer steps in the newest complete checkpoint", unit="steps"
)
CHECKPOINT_FAILURES = counter(
    "trainer_checkpoint_failures_total", "checkpoints that could not be written; training went on"
)
CHECKPOINT_BLOCKED = gauge(
    "trainer_checkpoint_blocked",
    "1 while the newest checkpoint that is due could not be written, as on a full volume",
)
RESUMED_STEP = gauge(
    "trainer_resumed_step",
    "step of the checkpoint that this attempt went on from; 0 for a fresh start",
    unit="steps",
)
RESUME_EXACT = gauge(
    "trainer_resume_exact",
    "1 where the attempt goes on bit for bit; 0 where it does not, as on another number of ranks",
)
DAMAGED_CHECKPOINTS = gauge(
    "trainer_damaged_checkpoints", "damaged checkpoints that were skipped when the attempt resumed"
)
USEFUL_SECONDS = gauge(
    "trainer_useful_seconds",
    "time in the phases `training`, `validating` and `testing` that is in the result, earlier "
    "attempts included",
    unit="seconds",
)
MONITOR = gauge("trainer_monitor", "1 for the metric that picks the best checkpoint", "split", "name")

RANK_HEARTBEAT = gauge(
    "trainer_rank_heartbeat_timestamp_seconds",
    "last movement of the rank, as for rank 0 above",
    "rank",
    unit="Unix seconds",
)
RANK_GLOBAL_STEP = gauge(
    "trainer_rank_global_step", "optimizer steps that the rank has taken", "rank", unit="steps"
)
RANK_PHASE = gauge("trainer_rank_phase", "1 for what the rank is doing, 0 for the others", "rank", "phase")
RANK_STOPPED = gauge(
    "trainer_rank_stopped", "1 while the rank's process is stopped, stuck in the kernel or dead", "rank"
)
RANK_DATA_WAIT_SECONDS = counter(
    "trainer_rank_data_wait_seconds_total",
    "time that the rank waited for batches of training",
    "rank",
    unit="seconds",
)
RANK_STEP_SECONDS = counter(
    "trainer_rank_step_seconds_total",
    "time of the rank's own part of training steps, up to the backward pass, in which ranks wait for others",
    "rank",
    unit="seconds",
)


class TrainerPhase(StrEnum):
    """What the trainer is doing, in order."""

    STARTING = "starting"
    PREPARING_DATA = "preparing-data"
    WARMING_UP = "warming-up"
    """Until the first optimizer step is taken, compilation included."""
    TRAINING = "training"
    VALIDATING = "validating"
    CHECKPOINTING = "checkpointing"
    TESTING = "testing"
    REPORTING = "reporting"
    """Pictures, report and exports, once the results are written."""
    FINISHED = "finished"
