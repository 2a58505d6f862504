"""What rank 0 serves on its metrics port: the names that the trainer writes and the operator reads.

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
"""Gauge: mean wall seconds of an epoch of this attempt, validation included; absent before it is known."""
LEARNING_RATE = "trainer_learning_rate"
"""Gauge: learning rate of the first parameter group."""
SAMPLES_PER_SECOND = "trainer_samples_per_second"
"""Gauge: images that all ranks together trained on each second in the last epoch."""
DATA_WAIT_SECONDS = "trainer_data_wait_seconds"
"""Counter (with the suffix _total): seconds that rank 0 waited for batches."""
PHASE = "trainer_phase"
"""Gauge {phase}: 1 for what the trainer is doing now, 0 for the rest."""
HEARTBEAT = "trainer_heartbeat_timestamp_seconds"
"""Gauge: Unix time of rank 0's last step or change of phase."""
CHECKPOINT_SECONDS = "trainer_checkpoint_seconds"
"""Histogram: seconds that writing a checkpoint held training up."""
LAST_CHECKPOINT_TIMESTAMP = "trainer_last_checkpoint_timestamp_seconds"
"""Gauge: Unix time of the newest complete checkpoint."""
LAST_CHECKPOINT_STEP = "trainer_last_checkpoint_step"
"""Gauge: optimizer steps in the newest complete checkpoint."""
MONITOR = "trainer_monitor"
"""Gauge {split, name}: 1 for the metric that picks the best checkpoint."""


class TrainerPhase(StrEnum):
    """What the trainer is doing, in order."""

    STARTING = "starting"
    PREPARING_DATA = "preparing-data"
    TRAINING = "training"
    VALIDATING = "validating"
    CHECKPOINTING = "checkpointing"
    TESTING = "testing"
    FINISHED = "finished"
