"""Texts of a number that the study sends from no more, and of other studies, when Twilio is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from tests.state.conftest import StillClock
from tests.state.journal_steps import a_text, posted

from redcap_jobs.messaging.delivery import TwilioMessage
from redcap_jobs.messaging.twilio_answers import TwilioUnreachable
from redcap_jobs.messaging.watch import Seen, Watch
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import Claimed
from redcap_jobs.state.journal_evidence import entries_of_record
from redcap_jobs.state.scope import ProjectKey

SID = "SM" + "1" * 32
SENT_BEFORE, NOW_SENDS = "hash of the number before", "hash of the new number"
PHONE, BODY = "hash of a phone", "hash of a text"


@dataclass
class Twilio:
    """Stands in for the client of the new number: what it lists, and what it has by SID."""

    listed: list[TwilioMessage] = field(default_factory=list)
    by_sid: dict[str, TwilioMessage] = field(default_factory=dict)
    busy: bool = False
    sender_hash: str = NOW_SENDS

    def outbound(self, since: date) -> list[TwilioMessage]:
        return self.listed

    def newest(self) -> list[TwilioMessage]:
        return self.listed

    def fetch(self, sid: str) -> TwilioMessage | None:
        if self.busy:
            raise TwilioUnreachable("Twilio answered HTTP 429")
        return self.by_sid.get(sid)


@dataclass
class Desk:
    """A study that changed its number, and its journal."""

    journal: Journal
    project: ProjectKey
    clock: StillClock
    twilio: Twilio = field(default_factory=Twilio)

    def look(self) -> Seen:
        seen = Seen()
        store, client = self.journal.store, self.twilio
        Watch(store, "small", self.project, client, str, self.clock).look_up(seen)  # type: ignore[arg-type] # a stand-in
        return seen

    def posted(self, key: str, sender: str, project: ProjectKey | None = None) -> Claimed:
        """Begin to post the one text that all have, from a sender."""
        hashes = {"sender": sender, "phone_hash": PHONE, "body_hash": BODY}
        return posted(self.journal, a_text(project or self.project, key, **hashes))

    def message(self, status: str) -> TwilioMessage:
        """Give that text as the client of the new number reads it."""
        now = self.clock.now()
        hashes = (PHONE, NOW_SENDS, BODY)
        return TwilioMessage(SID, *hashes, "outbound-api", status, created_at=now, sent_at=now)

    def mine(self) -> tuple[str, str]:
        """Return what the journal says of the study's own text."""
        (entry,) = entries_of_record(self.journal.store, self.project, "1001")
        return entry.state, entry.status


@pytest.fixture
def desk(journal: Journal, project: ProjectKey, clock: StillClock) -> Desk:
    return Desk(journal, project, clock)


def test_an_open_text_of_the_number_before_is_followed(desk: Desk) -> None:
    """The new number's list lacks it: it is asked for by its SID, and closed in its time."""
    desk.journal.sent(desk.posted("k1", SENT_BEFORE), SID, "queued")
    desk.twilio.by_sid[SID] = desk.message("sent")
    desk.look()
    assert desk.mine() == ("sent", "sent")
    desk.clock.sleep(timedelta(hours=72))
    desk.look()
    assert desk.mine() == ("sent", "delivery_unknown")


def test_one_message_that_cannot_be_had_keeps_nothing_else_back(desk: Desk) -> None:
    """What the list told is kept, and no run ends by it; the message is asked for next time."""
    lacking = "SM" + "2" * 32
    desk.journal.sent(desk.posted("k2", SENT_BEFORE), lacking, "queued")
    desk.journal.sent(desk.posted("k1", NOW_SENDS), SID, "queued")
    desk.twilio.listed = [desk.message("delivered")]
    desk.twilio.busy = True
    assert desk.look().still_open == 1
    entries = entries_of_record(desk.journal.store, desk.project, "1001")
    assert {entry.key: entry.status for entry in entries} == {"k1": "delivered", "k2": "queued"}


def test_an_unknown_text_of_the_number_before_is_shown_to_a_person(desk: Desk) -> None:
    """No list of the new number's can hold it, so that after a day somebody must settle it."""
    desk.journal.unknown(desk.posted("k1", SENT_BEFORE))
    desk.twilio.listed = [desk.message("delivered")]
    assert desk.look().problems == []
    desk.clock.sleep(timedelta(hours=24))
    (problem,) = desk.look().problems
    assert (problem.record, desk.mine()[0]) == ("1001", "unknown")


def test_a_message_of_another_study_is_nobody_elses(desk: Desk) -> None:
    """A study that sends through a Messaging Service owns what the number's own list shows, too."""
    elsewhere = ProjectKey(desk.project.url, 9, "production")
    desk.journal.sent(desk.posted("k9", "hash of a service", elsewhere), SID, "queued")
    desk.journal.unknown(desk.posted("k1", NOW_SENDS))
    desk.twilio.listed = [desk.message("delivered")]
    desk.look()
    assert desk.mine() == ("unknown", "")
