"""The tables as the history reads and writes them; how they are made stands in migrations.

`run` and `run_metrics` are shared with trainers, which know fewer columns and upsert only those. What a
trainer does not write (namespace, name, phase) the database derives itself, in generated columns: a run that
only a trainer told of is found, filtered and sorted like any other.
"""

import sqlalchemy as sa

from trainingrun_console.history.columns import Json, Number, Text, Time

SCORES = (
    "train_loss", "train_accuracy", "train_f1",
    "val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1", "val_auroc",
)  # fmt: skip
"""Metrics with columns of their own; `metrics` holds all of them."""
MEASURES = ("learning_rate", "seconds", "samples_per_second")
"""Of an epoch, beside global_step and the scores."""

METADATA = sa.MetaData()

RUN = sa.Table(
    "run",
    METADATA,
    # the trainer's
    sa.Column("run_id", Text, primary_key=True),
    sa.Column("run_description", Text),
    sa.Column("training_mode", Text, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("started_at", Time),
    sa.Column("completed_at", Time),
    sa.Column("total_epochs_run", sa.Integer),
    sa.Column("training_time", Number),
    sa.Column("early_stopped", sa.Boolean),
    sa.Column("results", Json),
    # the console's: of the TrainingRun
    sa.Column("object_namespace", Text),
    sa.Column("object_name", Text),
    sa.Column("object_phase", Text),
    sa.Column("uid", Text),
    sa.Column("reason", Text),
    sa.Column("message", Text),
    sa.Column("project", Text),
    sa.Column("task", Text),
    sa.Column("client_id", Text),
    sa.Column("round_id", sa.Integer),
    sa.Column("deleted_at", Time),
    sa.Column("attempt", sa.Integer),
    sa.Column("restarts", sa.Integer),
    sa.Column("epoch", sa.Integer),
    sa.Column("total_epochs", sa.Integer),
    sa.Column("percent", sa.Integer),
    sa.Column("estimated_completion_time", Time),
    sa.Column("monitor", Text),
    sa.Column("monitor_value", Number),
    sa.Column("best_value", Number),
    sa.Column("best_epoch", sa.Integer),
    sa.Column("searchable", Text),
    sa.Column("sparkline", Json),
    sa.Column("updated_at", Time),
    # the database's own
    sa.Column("namespace", Text, sa.FetchedValue()),
    sa.Column("name", Text, sa.FetchedValue()),
    sa.Column("phase", Text, sa.FetchedValue()),
)

RUN_DETAIL = sa.Table(
    "run_detail",
    METADATA,
    sa.Column("run_id", Text, sa.ForeignKey(RUN.c.run_id), primary_key=True),
    sa.Column("artifacts", Json),
    sa.Column("provenance", Json),
    sa.Column("object", Json),
)
"""What would make the rows of `run` long: pages of many runs are read without it."""

RUN_METRICS = sa.Table(
    "run_metrics",
    METADATA,
    sa.Column("run_id", Text, sa.ForeignKey(RUN.c.run_id), primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("client_id", Text),
    sa.Column("round_id", sa.Integer),
    sa.Column("time", Time),
    sa.Column("global_step", sa.Integer),
    *(sa.Column(name, Number) for name in (*MEASURES, *SCORES)),
    sa.Column("metrics", Json),
)

RUN_ATTEMPT = sa.Table(
    "run_attempt",
    METADATA,
    sa.Column("run_id", Text, sa.ForeignKey(RUN.c.run_id), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("outcome", Text, nullable=False),
    sa.Column("reason", Text, nullable=False),
    sa.Column("message", Text, nullable=False),
    sa.Column("pod", Text),
    sa.Column("node", Text),
    sa.Column("started_at", Time),
    sa.Column("ended_at", Time),
    sa.Column("from_step", sa.BigInteger),
    sa.Column("to_step", sa.BigInteger),
    sa.Column("lost_steps", sa.BigInteger),
)

RUN_EVENT = sa.Table(
    "run_event",
    METADATA,
    sa.Column("run_id", Text, sa.ForeignKey(RUN.c.run_id), primary_key=True),
    sa.Column("uid", Text, primary_key=True),
    sa.Column("time", Time, nullable=False),
    sa.Column("type", Text, nullable=False),
    sa.Column("reason", Text, nullable=False),
    sa.Column("message", Text, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
)

OF_A_RUN = (RUN_EVENT, RUN_ATTEMPT, RUN_METRICS, RUN_DETAIL)
"""What goes with a run, in the order in which it may be deleted."""
