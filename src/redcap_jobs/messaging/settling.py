"""A person's word on a text that nobody knows about, or that Twilio refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redcap_jobs.errors import UsageError
from redcap_jobs.messaging.delivery import SID
from redcap_jobs.messaging.text_names import short_name

if TYPE_CHECKING:
    from redcap_jobs.open_study import OpenStudy
    from redcap_jobs.state.journal_entry import Entry
    from redcap_jobs.state.scope import ProjectKey

RUN = "settled by hand"


def settle_text(
    opened: OpenStudy, project: ProjectKey, name: str, sid: str | None, by: str
) -> Entry:
    """Record that a text went out under ``sid``, or (None) that it did not; return its entry.

    Raises:
        UsageError: No such text, nothing about it to settle, or a SID that is none or another's.

    """
    from redcap_jobs.state.journal import Journal
    from redcap_jobs.state.journal_entry import IllegalTransition
    from redcap_jobs.state.journal_evidence import settle
    from redcap_jobs.state.text_lists import entry_called, text_with_sid

    if sid is not None and not SID.fullmatch(sid):
        raise UsageError(
            "--sent: a message's SID is SM or MM and 32 hexadecimal digits; copy it from Twilio's "
            "console"
        )
    journal = Journal(opened.store, RUN)
    journal.recover()
    entry = entry_called(opened.store, project, name)
    owner = text_with_sid(opened.store, sid) if sid else None
    if owner is not None and owner.key != entry.key:
        raise UsageError(f"{sid} is the text {short_name(owner)} already; look it up again")
    try:
        return settle(journal, entry.key, "sent" if sid else "not_sent", by, sid or "")
    except IllegalTransition as error:
        raise UsageError(
            f"{name} {standing(entry, sid)}; nothing was changed: only a text that nobody knows "
            "about can be settled, or one that was refused as not sent; see redcap-jobs messages"
        ) from error


def standing(entry: Entry, sid: str | None) -> str:
    """Say how a text stands that is not to be settled so."""
    if entry.state == "sent":
        same = sid is not None and sid == entry.reference
        under = "" if same else f", under {entry.reference or 'no SID'}"
        return f"counts as sent already{under}"
    if entry.state == "rejected" and entry.not_sent:
        return "counts as not sent already"
    if entry.state == "rejected":
        return f"was refused by Twilio ({entry.code or 'without a code'}), so it was not sent"
    if entry.state in ("claimed", "posting"):
        return "is being sent at this moment"
    return "was not posted at all"
