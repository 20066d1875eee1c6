"""A state that an earlier release filled is brought up to this one with everything in it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, select, text
from tests.state.conftest import StillClock

from redcap_jobs.state import migrate, schema
from redcap_jobs.state.backup import restore
from redcap_jobs.state.engine import make_engine
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import AlreadyDone, Claimed, Intent
from redcap_jobs.state.partner_calls import member_of
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store


def as_at_first(engine: Engine) -> None:
    """Take away what revisions 0003 and 0002 brought, in the reverse order."""
    with engine.begin() as connection:
        for table in ("source_reads", "confirmations"):
            connection.execute(text(f"drop table {table}"))
        for table in ("senders", "stops", "inbound", "inbound_reads", "alarms"):
            connection.execute(text(f"drop table {table}"))
        connection.execute(text("alter table journal drop column log_instance"))
        connection.execute(text(f"update {migrate.VERSION_TABLE} set version_num = '0001'"))


def of_before(url: str, clock: StillClock, project: ProjectKey) -> None:
    """Make a state at revision 0001 in which one text was sent."""
    with Store.create(url, clock=clock) as store:
        journal = Journal(store, "run-1")
        claim = journal.claim(intent(project))
        journal.begin_posting(claim)  # type: ignore[arg-type]  # the first claim of a key is given
        journal.sent(claim, "SM1", "queued")  # type: ignore[arg-type]  # as above
        engine = make_engine(store.address)
    as_at_first(engine)
    engine.dispose()


def intent(project: ProjectKey) -> Intent:
    return Intent("k1", "text", project, "send-surveys", "1001", "m2", sender="s")


def test_a_filled_state_is_brought_forward_with_what_it_knows(
    url: str, clock: StillClock, project: ProjectKey
) -> None:
    """What was sent counts as sent, and the new tables are there."""
    of_before(url, clock, project)
    with Store.open(url, clock=clock) as store:
        with store.read() as connection:
            assert migrate.revision_of(connection) == schema.REVISION
            rows = connection.execute(select(schema.journal.c.log_instance)).scalars().all()
            assert rows == [None]
            assert connection.execute(select(schema.stops)).all() == []
        assert isinstance(Journal(store, "run-2").claim(intent(project)), AlreadyDone)


def test_calls_of_before_were_made_to_the_one_partner_there_was(
    url: str, clock: StillClock, project: ProjectKey
) -> None:
    """A member enrolled before partners had names is a member still; texts keep their sender."""
    with Store.create(url, clock=clock) as store:
        journal = Journal(store, "run-1")
        call = Intent("k2", "partner", project, "poll-participants", "1001", "enrol")
        for each in (call, intent(project)):
            claim = journal.claim(each)
            assert isinstance(claim, Claimed)
            journal.begin_posting(claim)
            journal.sent(claim, "AH-1" if each is call else "SM1", "")
        engine = make_engine(store.address)
    with engine.begin() as connection:
        connection.execute(text(f"update {migrate.VERSION_TABLE} set version_num = '0003'"))
    engine.dispose()
    with Store.open(url, clock=clock) as store:
        assert member_of(store, project, "agile", "1001") == "AH-1"
        with store.read() as connection:
            query = select(schema.journal.c.sender).order_by(schema.journal.c.key)
            assert connection.execute(query).scalars().all() == ["s", "agile"]


def test_a_backup_of_before_is_brought_forward_when_restored(
    url: str, clock: StillClock, project: ProjectKey, tmp_path: Path
) -> None:
    """A backup is an SQLite file of revision 0001; the state it goes to is of today."""
    source = tmp_path / "before" / "state.db"
    of_before(f"sqlite:///{source}", clock, project)
    with restore(source, url, clock=clock) as store:
        assert isinstance(Journal(store, "run-2").claim(intent(project)), AlreadyDone)
