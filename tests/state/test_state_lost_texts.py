"""Texts that came to nothing: which of them are told, and when a sender is in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from tests.state.conftest import StillClock
from tests.state.journal_steps import a_text, posted

from redcap_jobs.messaging.watch import Seen, Watch
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_evidence import set_status
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store

SENDER = "hash of the sender"
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@dataclass
class Twilio:
    """Stands in for the client, of which only the sender is asked."""

    sender_hash: str


class Texts:
    """Puts texts and their ends into a journal, one after the other."""

    def __init__(self, journal: Journal, store: Store, project: ProjectKey) -> None:
        self.journal, self.store, self.project = journal, store, project

    def end(self, key: str, status: str, code: str = "", *, sender: str = "") -> None:
        intent = a_text(self.project, key, sender=sender or SENDER)
        claim = posted(self.journal, intent)
        self.journal.sent(claim, f"SM{key}", "queued")
        set_status(self.store, key, 1, status, code)


@pytest.fixture
def texts(journal: Journal, store: Store, project: ProjectKey) -> Texts:
    return Texts(journal, store, project)


@pytest.fixture
def watch(store: Store, project: ProjectKey, clock: StillClock) -> Watch:
    client = Twilio(SENDER)
    return Watch(store, "small", project, client, str, clock)  # type: ignore[arg-type] # a stand-in


def told(watch: Watch) -> list[str]:
    """Return what the watch tells of lost texts."""
    seen = Seen()
    watch.tell_lost(seen)
    return [str(each) for each in seen.problems]


@pytest.mark.parametrize(
    ("status", "code", "is_told"),
    [
        ("undelivered", "30034", True),
        ("failed", "30002", True),
        ("undelivered", "30007", True),
        ("undelivered", "30003", False),
        ("undelivered", "30005", False),
        ("failed", "21610", False),
        ("undelivered", "99999", False),
        ("sent", "30034", False),
        ("delivered", "30034", False),
    ],
)
def test_what_meets_others_as_well_is_told_for_a_day(
    texts: Texts, watch: Watch, clock: StillClock, status: str, code: str, *, is_told: bool
) -> None:
    """Account, registration, wording; not one phone's trouble, nor a code left on a good end."""
    texts.end("k1", status, code)
    clock.sleep(23 * HOUR)
    assert len(told(watch)) == is_told
    if is_told:
        assert f"code {code}" in told(watch)[0]
        assert "messages resend" in told(watch)[0]
    clock.sleep(2 * HOUR)
    assert told(watch) == []


def test_a_sender_is_in_doubt_after_an_end_by_the_account(
    texts: Texts, watch: Watch, clock: StillClock
) -> None:
    """The newest known end speaks: a text that arrived ends the doubt, one under way does not yet."""
    assert watch.comes_to_nothing() == ""
    texts.end("k1", "undelivered", "30034")
    assert "not registered" in watch.comes_to_nothing()
    clock.sleep(SECOND)
    texts.end("k2", "sent")
    assert "not registered" in watch.comes_to_nothing()
    clock.sleep(44 * SECOND)
    assert "not registered" in watch.comes_to_nothing()
    clock.sleep(SECOND)
    assert watch.comes_to_nothing() == ""
    texts.end("k3", "failed", "30002")
    assert "suspended" in watch.comes_to_nothing()
    clock.sleep(SECOND)
    texts.end("k4", "delivered")
    assert watch.comes_to_nothing() == ""


@pytest.mark.parametrize("code", ["30003", "30005", "30007", "30008", "99999", ""])
def test_other_ends_put_no_sender_in_doubt(texts: Texts, watch: Watch, code: str) -> None:
    """A phone that is off, a wording, a code nobody knows: the next person's text may arrive."""
    texts.end("k1", "undelivered", code)
    assert watch.comes_to_nothing() == ""


def test_doubt_ends_by_itself_and_is_the_senders_own(
    texts: Texts, watch: Watch, clock: StillClock
) -> None:
    """After three days nothing is known any more; another sender's failures say nothing of this."""
    texts.end("k1", "undelivered", "30034", sender="another")
    assert watch.comes_to_nothing() == ""
    texts.end("k2", "undelivered", "30034")
    clock.sleep(73 * HOUR)
    assert watch.comes_to_nothing() == ""
