"""Journal entries and listed messages to reconcile."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from redcap_jobs.messaging.delivery import TwilioMessage
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.state.journal_entry import Entry
from redcap_jobs.state.process import Holder
from redcap_jobs.state.scope import ProjectKey

PROJECT = ProjectKey("https://redcap.example.edu/api/", 3041, "production")
POSTED = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)
NOW = POSTED + timedelta(minutes=20)


def sid(number: int) -> str:
    """Return a message's SID as Twilio forms them."""
    return f"SM{number:032x}"


def entry(record: str = "1001", **changes: Any) -> Entry:
    """Return a text begun at POSTED of which nobody knows what became, with changes."""
    key = str(MessageKey(str(PROJECT), "parents_m2", record, "baseline_arm_1", "", "0"))
    unknown = Entry(
        key=key,
        attempt=1,
        kind="text",
        project=PROJECT,
        job="send-surveys",
        record=record,
        message="parents_m2",
        occurrence="0",
        sender="hash of the sender",
        units=1,
        state="unknown",
        run_id="run-1",
        holder=Holder("vm", 1, "boot"),
        claimed_at=POSTED - timedelta(seconds=5),
        posting_at=POSTED,
        posted_at=None,
        reference=None,
        code="",
        status="",
        status_at=None,
        not_sent=False,
        phone_hash=f"hash of the phone of {record}",
        body_hash=f"hash of the text to {record}",
        settled_by="",
        note="",
        version=3,
        written_back_version=0,
        written_back_at=None,
    )
    return replace(unknown, **changes)


def sent_entry(number: int, status: str = "queued", **changes: Any) -> Entry:
    """Return a text that Twilio accepted at POSTED under a SID."""
    fixed = {"state": "sent", "reference": sid(number), "status": status, "posted_at": POSTED}
    return entry(str(1000 + number), **(fixed | changes))


def message(number: int, of: Entry, status: str = "delivered", **changes: Any) -> TwilioMessage:
    """Return a listed message that agrees with an entry, created just after its post began."""
    fitting = TwilioMessage(
        sid=sid(number),
        to_hash=of.phone_hash or "",
        sender_hash=of.sender or "",
        body_hash=of.body_hash or "",
        direction="outbound-api",
        status=status,
        created_at=POSTED + timedelta(seconds=1),
    )
    return replace(fitting, **changes)
