"""What texts need: the sender's lease, stops, replies seen, alarms, and rows of REDCap's log.

The texts of this file are frozen: a later change of the tables is a revision of its own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def instant(name: str, *, nullable: bool = False) -> sa.Column[str]:
    """Return a column for UTC text such as ``2026-11-22T21:44:55.000000Z``."""
    return sa.Column(name, sa.String(27), nullable=nullable)


def key(name: str) -> sa.Column[str]:
    """Return a part of a primary key."""
    return sa.Column(name, sa.Text, primary_key=True)


def must(name: str) -> sa.Column[str]:
    """Return a text column that has to be given."""
    return sa.Column(name, sa.Text, nullable=False)


def words(name: str) -> sa.Column[str]:
    """Return a text column that is '' where nothing is known."""
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def upgrade() -> None:
    """Add a column and five tables; nothing that stands is changed."""
    op.add_column("journal", sa.Column("log_instance", sa.Integer))
    op.create_table(
        "senders",
        key("name"),
        words("holder_host"),
        sa.Column("holder_pid", sa.Integer, nullable=False, server_default="0"),
        words("holder_start"),
        words("run_id"),
        instant("taken_at", nullable=True),
        instant("free_at"),
        sa.Column("gap_seconds", sa.Float, nullable=False),
        words("boot"),
        sa.Column("free_monotonic", sa.Float, nullable=False),
    )
    op.create_table(
        "stops",
        *(key(name) for name in ("study", "scope", "subject")),
        sa.Column("state", sa.String(16), nullable=False),
        must("source"),
        words("reason"),
        words("settled_by"),
        instant("at"),
        instant("until", nullable=True),
    )
    op.create_table(
        "inbound",
        key("study"),
        key("sid"),
        *(must(name) for name in ("sender", "phone_hash")),
        instant("received_at"),
        sa.Column("meaning", sa.String(16), nullable=False),
        sa.Column("records", sa.JSON, nullable=False),
        words("settled_by"),
        instant("settled_at", nullable=True),
    )
    op.create_index("inbound_to_read", "inbound", ["study", "settled_at"])
    op.create_table("inbound_reads", key("study"), key("sender"), instant("read_at"))
    op.create_table(
        "alarms",
        key("study"),
        key("job"),
        sa.Column("state", sa.String(16), nullable=False),
        instant("since"),
        instant("told_at", nullable=True),
        words("told"),
    )
