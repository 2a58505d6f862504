"""The tables exactly as the trainer makes them, unless one was here first."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBERS = (
    "learning_rate", "seconds", "samples_per_second", "train_loss", "train_accuracy", "train_f1",
    "val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1", "val_auroc",
)  # fmt: skip


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "run",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("run_description", sa.Text),
        sa.Column("training_mode", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", time, nullable=False, server_default=sa.func.now()),
        sa.Column("started_at", time),
        sa.Column("completed_at", time),
        sa.Column("total_epochs_run", sa.Integer),
        sa.Column("training_time", sa.Double),
        sa.Column("early_stopped", sa.Boolean),
        sa.Column("results", sa.JSON),
        if_not_exists=True,
    )
    op.create_table(
        "run_metrics",
        sa.Column("run_id", sa.Text, sa.ForeignKey("run.run_id"), primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("client_id", sa.Text),
        sa.Column("round_id", sa.Integer),
        sa.Column("time", time),
        sa.Column("global_step", sa.Integer),
        *(sa.Column(name, sa.Double) for name in NUMBERS),
        sa.Column("metrics", sa.JSON),
        if_not_exists=True,
    )
