"""The first tables: runs, decisions, ownership, locks, journal.

The texts of this file are frozen: a later change of the tables is a revision of its own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OLDEST_RELEASE = "0.1.0"


def instant(name: str, *, nullable: bool = False) -> sa.Column[str]:
    """Return a column for UTC text such as ``2026-11-22T21:44:55.000000Z``."""
    return sa.Column(name, sa.String(27), nullable=nullable)


def words(name: str) -> sa.Column[str]:
    """Return a text column that is '' where nothing is known."""
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def must(name: str) -> sa.Column[str]:
    """Return a text column that has to be given."""
    return sa.Column(name, sa.Text, nullable=False)


def number(name: str, default: str) -> sa.Column[int]:
    """Return a counting column with a default."""
    return sa.Column(name, sa.Integer, nullable=False, server_default=default)


def run() -> sa.Column[str]:
    """Return the column that names the run behind a row."""
    return sa.Column("run_id", sa.String(40), nullable=False)


def upgrade() -> None:
    """Create everything."""
    meta = op.create_table(
        "meta",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.bulk_insert(meta, [{"name": "oldest_release", "value": OLDEST_RELEASE}])
    create_runs()
    create_decisions_and_ownership()
    create_journal()


def create_runs() -> None:
    """Create the run records and the holders of the job locks."""
    op.create_table(
        "runs",
        sa.Column("id", sa.String(40), primary_key=True),
        *(must(name) for name in ("study", "job", "project", "export_token", "import_token")),
        instant("as_of"),
        instant("started_at"),
        instant("ended_at", nullable=True),
        must("host"),
        sa.Column("pid", sa.Integer, nullable=False),
        *(must(name) for name in ("process_start", "unix_user", "version")),
        words("redcap_version"),
        must("study_file_hash"),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        *(
            sa.Column(name, sa.JSON, nullable=False)
            for name in ("counts", "skip_reasons", "problems")
        ),
        number("problem_count", "0"),
        words("error_class"),
        words("error_code"),
        sa.Column("exit_code", sa.Integer),
        words("message"),
    )
    op.create_index("runs_by_job", "runs", ["project", "job", "started_at"])
    op.create_table(
        "locks",
        sa.Column("name", sa.Text, primary_key=True),
        run(),
        must("host"),
        sa.Column("pid", sa.Integer, nullable=False),
        must("process_start"),
        must("unix_user"),
        instant("since"),
    )


def create_decisions_and_ownership() -> None:
    """Create the last decisions and the fields that were written."""
    op.create_table(
        "decisions",
        *(
            sa.Column(name, sa.Text, primary_key=True)
            for name in ("project", "job", "record", "subject")
        ),
        *(must(name) for name in ("decision", "reasons", "facts", "rules")),
        run(),
        instant("changed_at"),
    )
    op.create_table(
        "ownership",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("project", "field")),
        run(),
        instant("claimed_at"),
    )


def create_journal() -> None:
    """Create the table of intents for what cannot be taken back."""
    op.create_table(
        "journal",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        *(must(name) for name in ("project", "job", "record", "message")),
        words("occurrence"),
        sa.Column("sender", sa.Text),
        number("units", "1"),
        sa.Column("state", sa.String(16), nullable=False),
        run(),
        must("holder_host"),
        sa.Column("holder_pid", sa.Integer, nullable=False),
        must("holder_start"),
        instant("claimed_at"),
        instant("posting_at", nullable=True),
        instant("posted_at", nullable=True),
        instant("counted_at"),
        sa.Column("reference", sa.Text),
        words("code"),
        words("status"),
        instant("status_at", nullable=True),
        sa.Column("not_sent", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("phone_hash", sa.Text),
        sa.Column("body_hash", sa.Text),
        words("settled_by"),
        words("note"),
        number("version", "1"),
        number("written_back_version", "0"),
        instant("written_back_at", nullable=True),
        sa.CheckConstraint(
            "state in ('claimed', 'posting', 'sent', 'rejected', 'unknown', 'released', 'withheld')",
            name="journal_state_known",
        ),
    )
    op.create_index("journal_by_state", "journal", ["state", "kind"])
    op.create_index("journal_by_record", "journal", ["project", "record"])
    op.create_index("journal_by_phone", "journal", ["phone_hash", "counted_at"])
    op.create_index("journal_by_project", "journal", ["project", "counted_at"])
    op.create_index("journal_by_run", "journal", ["run_id"])
    op.create_index(
        "journal_text_reference",
        "journal",
        ["reference"],
        unique=True,
        sqlite_where=sa.text("kind = 'text'"),
        postgresql_where=sa.text("kind = 'text'"),
    )
