"""What a training pod serves: the names that the trainer writes and the operator reads.

Rank 0 serves the whole run's on its metrics port. The main process of every pod serves the heartbeats of its
ranks on a port of their own, and answers when they hang.

Prometheus conventions: https://prometheus.io/docs/practices/naming/.
An epoch, step, path or image is never a label.
"""

from enum import StrEnum

METRIC = "trainer_metric"
"""Gauge {split, name}: last value of a metric; split is train, val or test."""
BEST_METRIC = "trainer_best_metric"
"""Gauge {split, name}: best value so far of the monitored metric."""
BEST_EPOCH = "trainer_best_epoch"
"""Gauge: epoch of the best value, counted from 1."""
EPOCH = "trainer_epoch"
"""Gauge: epochs finished."""
EPOCHS_PLANNED = "trainer_epochs_planned"
"""Gauge: epochs that training takes at most."""
GLOBAL_STEP = "trainer_global_step"
"""Gauge: optimizer steps taken."""
STEPS_PLANNED = "trainer_steps_planned"
"""Gauge: optimizer steps that training takes at most."""
SECONDS_PER_EPOCH = "trainer_seconds_per_epoch"
"""Gauge: mean wall seconds of an epoch, validation included; absent before the first one ends."""
LEARNING_RATE = "trainer_learning_rate"
"""Gauge: learning rate of the first parameter group."""
SAMPLES_PER_SECOND = "trainer_samples_per_second"
"""Gauge: images that all ranks together trained on each second in the last epoch."""
DATA_WAIT_SECONDS = "trainer_data_wait_seconds"
"""Counter (with the suffix _total): seconds that rank 0 waited for batches."""
PHASE = "trainer_phase"
"""Gauge {phase}: 1 for what the trainer is doing now, 0 for the rest."""
HEARTBEAT = "trainer_heartbeat_timestamp_seconds"
"""Gauge: Unix time at which rank 0 last moved: a step, a batch, an image, bytes written, another phase."""
CHECKPOINT_SECONDS = "trainer_checkpoint_seconds"
"""Histogram: seconds that writing a checkpoint held training up."""
LAST_CHECKPOINT_TIMESTAMP = "trainer_last_checkpoint_timestamp_seconds"
"""Gauge: Unix time of the newest complete checkpoint."""
LAST_CHECKPOINT_STEP = "trainer_last_checkpoint_step"
"""Gauge: optimizer steps in the newest complete checkpoint."""
CHECKPOINT_FAILURES = "trainer_checkpoint_failures"
"""Counter (with the suffix _total): checkpoints that could not be written; training went on."""
CHECKPOINT_BLOCKED = "trainer_checkpoint_blocked"
"""Gauge: 1 while the newest checkpoint that is due could not be written, as on a full volume."""
RESUMED_STEP = "trainer_resumed_step"
"""Gauge: step of the checkpoint that this attempt went on from; 0 for a fresh start."""
RESUME_EXACT = "trainer_resume_exact"
"""Gauge: 1 where the attempt goes on bit for bit, 0 where it does not, as on another number of ranks."""
DAMAGED_CHECKPOINTS = "trainer_damaged_checkpoints"
"""Gauge: damaged checkpoints that were skipped when this attempt resumed."""
USEFUL_SECONDS = "trainer_useful_seconds"
"""Gauge: seconds of training, validation and testing that are in the result, earlier attempts included."""
MONITOR = "trainer_monitor"
"""Gauge {split, name}: 1 for the metric that picks the best checkpoint."""

RANK_HEARTBEAT = "trainer_rank_heartbeat_timestamp_seconds"
"""Gauge {rank}: Unix time at which the rank last moved. Served by its pod's main process."""
RANK_GLOBAL_STEP = "trainer_rank_global_step"
"""Gauge {rank}: optimizer steps that the rank has taken. Served by its pod's main process."""
RANK_PHASE = "trainer_rank_phase"
"""Gauge {rank, phase}: 1 for what the rank is doing now, 0 for the rest. Served by its pod's main process."""


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
    FINISHED = "finished"
