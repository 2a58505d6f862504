"""What the console adds: the TrainingRun's side of a run, its attempts and events, and indexes for pages.

All columns of `run` are nullable or generated, so trainers go on writing theirs and know of none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
SORTS = ("created_at", "name", "phase", "project", "completed_at", "monitor_value", "percent")

DESCRIBED = {
    "sqlite": "CASE WHEN instr(run_description, '/') > 0"
    " THEN substr(run_description, 1, instr(run_description, '/') - 1) END",
    "postgresql": "CASE WHEN strpos(run_description, '/') > 0 THEN split_part(run_description, '/', 1) END",
}
"""The namespace in namespace/name, as a trainer describes its run."""
# a run_id may be shorter than a UID's 8 digits where others write: a negative length would fail their INSERT
NAMED = (
    "CASE WHEN length(run_id) > 9 AND substr(run_id, length(run_id) - 8, 1) = '-'"
    " THEN substr(run_id, 1, length(run_id) - 9) ELSE run_id END"
)
# an attempt that was interrupted is followed by another one
STATED = (
    "CASE status WHEN 'completed' THEN 'Completed' WHEN 'running' THEN 'Running'"
    " WHEN 'failed' THEN 'Failed' ELSE 'Pending' END"
)


def upgrade() -> None:
    for column in (
        sa.Column("object_namespace", sa.Text),
        sa.Column("object_name", sa.Text),
        sa.Column("object_phase", sa.Text),
        sa.Column("uid", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("project", sa.Text),
        sa.Column("task", sa.Text),
        sa.Column("client_id", sa.Text),
        sa.Column("round_id", sa.Integer),
        sa.Column("deleted_at", TIME),
        sa.Column("attempt", sa.Integer),
        sa.Column("restarts", sa.Integer),
        sa.Column("epoch", sa.Integer),
        sa.Column("total_epochs", sa.Integer),
        sa.Column("percent", sa.Integer),
        sa.Column("estimated_completion_time", TIME),
        sa.Column("monitor", sa.Text),
        sa.Column("monitor_value", sa.Double),
        sa.Column("best_value", sa.Double),
        sa.Column("best_epoch", sa.Integer),
        sa.Column("searchable", sa.Text),
        sa.Column("sparkline", sa.JSON),
        sa.Column("updated_at", TIME),
        generated("namespace", "object_namespace", DESCRIBED[op.get_context().dialect.name]),
        generated("name", "object_name", NAMED),
        generated("phase", "object_phase", STATED),
    ):
        op.add_column("run", column)
    for name in SORTS:
        op.create_index(f"run_by_{name}", "run", [name, "run_id"])
    op.create_index("run_by_namespace", "run", ["namespace", "created_at", "run_id"])
    detail()
    attempts()
    events()


def generated(name: str, told: str, derived: str) -> "sa.Column[str]":
    """What the TrainingRun says, or what follows from the trainer's columns."""
    # indexes need it stored in PostgreSQL; SQLite adds only virtual ones, and has indexes of them
    stored = op.get_context().dialect.name == "postgresql"
    return sa.Column(name, sa.Text, sa.Computed(f"coalesce({told}, {derived})", persisted=stored))


def run_id() -> "sa.Column[str]":
    return sa.Column("run_id", sa.Text, sa.ForeignKey("run.run_id"), primary_key=True)


def detail() -> None:
    op.create_table(
        "run_detail",
        run_id(),
        sa.Column("artifacts", sa.JSON),
        sa.Column("provenance", sa.JSON),
        sa.Column("object", sa.JSON),
    )


def attempts() -> None:
    op.create_table(
        "run_attempt",
        run_id(),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("pod", sa.Text),
        sa.Column("node", sa.Text),
        sa.Column("started_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("from_step", sa.BigInteger),
        sa.Column("to_step", sa.BigInteger),
        sa.Column("lost_steps", sa.BigInteger),
    )


def events() -> None:
    op.create_table(
        "run_event",
        run_id(),
        sa.Column("uid", sa.Text, primary_key=True),
        sa.Column("time", TIME, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
    )
