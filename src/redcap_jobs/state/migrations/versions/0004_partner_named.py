"""Calls to a partner say whom they were made to: a study may change its partner.

The texts of this file are frozen: a later change of the tables is a revision of its own.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Name the one partner there was."""
    op.execute("update journal set sender = 'agile' where kind = 'partner' and sender is null")
