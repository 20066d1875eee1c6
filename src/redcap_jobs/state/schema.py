"""The tables of the state, as this release knows them; ``migrations/`` builds the same.

All instants are UTC, kept as text of one fixed width (``2026-11-22T21:44:55.000000Z``), which
sorts and compares alike on SQLite and PostgreSQL. No table holds a token, phone, name, address,
message body or field value: what must be compared later is a keyed hash.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect

REVISION = "0004"
"""The newest revision in ``migrations/versions``; a test compares."""
OLDEST_RELEASE = "0.1.0"
"""The oldest release of this package that may use a state made by this one."""

INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
INSTANT_WIDTH = 27


class Instant(TypeDecorator[datetime]):
    """An aware datetime in Python, sortable UTC text in the database."""

    impl = String(INSTANT_WIDTH)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Turn an aware datetime into text; ``ValueError`` for a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value.astimezone(UTC).strftime(INSTANT_FORMAT)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Turn text back into an aware UTC datetime."""
        if value is None:
            return None
        return datetime.strptime(value, INSTANT_FORMAT).replace(tzinfo=UTC)


metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("study", Text, nullable=False),
    Column("job", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("export_token", Text, nullable=False),
    Column("import_token", Text, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_start", Text, nullable=False),
    Column("unix_user", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("redcap_version", Text, nullable=False, server_default=""),
    Column("study_file_hash", Text, nullable=False),
    Column("options", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("counts", JSON, nullable=False),
    Column("skip_reasons", JSON, nullable=False),
    Column("problems", JSON, nullable=False),
    Column("problem_count", Integer, nullable=False, server_default="0"),
    Column("error_class", Text, nullable=False, server_default=""),
    Column("error_code", Text, nullable=False, server_default=""),
    Column("exit_code", Integer),
    Column("message", Text, nullable=False, server_default=""),
    Index("runs_by_job", "project", "job", "started_at"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("project", Text, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("record", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("decision", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("changed_at", Instant, nullable=False),
)

ownership = Table(
    "ownership",
    metadata,
    Column("project", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("claimed_at", Instant, nullable=False),
)

locks = Table(
    "locks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_start", Text, nullable=False),
    Column("unix_user", Text, nullable=False),
    Column("since", Instant, nullable=False),
)

JOURNAL_STATES = ("claimed", "posting", "sent", "rejected", "unknown", "released", "withheld")

journal = Table(
    "journal",
    metadata,
    Column("key", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("project", Text, nullable=False),
    Column("job", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("occurrence", Text, nullable=False, server_default=""),
    Column("sender", Text),
    Column("units", Integer, nullable=False, server_default="1"),
    Column("state", String(16), nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("holder_host", Text, nullable=False),
    Column("holder_pid", Integer, nullable=False),
    Column("holder_start", Text, nullable=False),
    Column("claimed_at", Instant, nullable=False),
    Column("posting_at", Instant),
    Column("posted_at", Instant),
    Column("counted_at", Instant, nullable=False),
    Column("reference", Text),
    Column("code", Text, nullable=False, server_default=""),
    Column("status", Text, nullable=False, server_default=""),
    Column("status_at", Instant),
    Column("not_sent", Boolean, nullable=False, server_default=text("false")),
    Column("phone_hash", Text),
    Column("body_hash", Text),
    Column("settled_by", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("written_back_version", Integer, nullable=False, server_default="0"),
    Column("written_back_at", Instant),
    Column("log_instance", Integer),
    CheckConstraint(f"state in {JOURNAL_STATES!r}", name="journal_state_known"),
    Index("journal_by_state", "state", "kind"),
    Index("journal_by_record", "project", "record"),
    Index("journal_by_phone", "phone_hash", "counted_at"),
    Index("journal_by_project", "project", "counted_at"),
    Index("journal_by_run", "run_id"),
    Index(
        "journal_text_reference",
        "reference",
        unique=True,
        sqlite_where=text("kind = 'text'"),
        postgresql_where=text("kind = 'text'"),
    ),
)

senders = Table(
    "senders",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder_host", Text, nullable=False, server_default=""),
    Column("holder_pid", Integer, nullable=False, server_default="0"),
    Column("holder_start", Text, nullable=False, server_default=""),
    Column("run_id", Text, nullable=False, server_default=""),
    Column("taken_at", Instant),
    Column("free_at", Instant, nullable=False),
    Column("gap_seconds", Float, nullable=False),
    Column("boot", Text, nullable=False, server_default=""),
    Column("free_monotonic", Float, nullable=False),
)

stops = Table(
    "stops",
    metadata,
    Column("study", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("settled_by", Text, nullable=False, server_default=""),
    Column("at", Instant, nullable=False),
    Column("until", Instant),
)

inbound = Table(
    "inbound",
    metadata,
    Column("study", Text, primary_key=True),
    Column("sid", Text, primary_key=True),
    Column("sender", Text, nullable=False),
    Column("phone_hash", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("meaning", String(16), nullable=False),
    Column("records", JSON, nullable=False),
    Column("settled_by", Text, nullable=False, server_default=""),
    Column("settled_at", Instant),
    Index("inbound_to_read", "study", "settled_at"),
)

inbound_reads = Table(
    "inbound_reads",
    metadata,
    Column("study", Text, primary_key=True),
    Column("sender", Text, primary_key=True),
    Column("read_at", Instant, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("study", Text, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("since", Instant, nullable=False),
    Column("told_at", Instant),
    Column("told", Text, nullable=False, server_default=""),
)

confirmations = Table(
    "confirmations",
    metadata,
    Column("project", Text, primary_key=True),
    Column("record", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("value_hash", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("settled_by", Text, nullable=False, server_default=""),
    Column("at", Instant, nullable=False),
)

source_reads = Table(
    "source_reads",
    metadata,
    Column("project", Text, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("read_at", Instant, nullable=False),
    Column("whole_at", Instant, nullable=False),
    Column("study_file_hash", Text, nullable=False),
)
