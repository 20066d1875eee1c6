"""What the exchange with a partner needs: what a person confirmed, and when REDCap was last read.

The texts of this file are frozen: a later change of the tables is a revision of its own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def key(name: str) -> sa.Column[str]:
    """Return a part of a primary key."""
    return sa.Column(name, sa.Text, primary_key=True)


def must(name: str) -> sa.Column[str]:
    """Return a text column that has to be given."""
    return sa.Column(name, sa.Text, nullable=False)


def words(name: str) -> sa.Column[str]:
    """Return a text column that is '' where nothing is known."""
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def instant(name: str) -> sa.Column[str]:
    """Return a column for UTC text such as ``2026-11-22T21:44:55.000000Z``."""
    return sa.Column(name, sa.String(27), nullable=False)


def upgrade() -> None:
    """Add two tables; nothing that stands is changed."""
    op.create_table(
        "confirmations",
        *(key(name) for name in ("project", "record", "subject")),
        must("value_hash"),
        words("reason"),
        words("settled_by"),
        instant("at"),
    )
    op.create_table(
        "source_reads",
        key("project"),
        key("job"),
        instant("read_at"),
        instant("whole_at"),
        must("study_file_hash"),
    )
