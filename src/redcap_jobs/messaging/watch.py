"""What became of the texts, and which replies came: asked of Twilio, kept in the state.

There is no webhook: everything is learnt by asking. One list of what was sent since the oldest
open text brings them all up to date; only what the list lacks is fetched by itself, a few at a
time. One list of replies tells who wants no more texts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from redcap_jobs.messaging import delivery
from redcap_jobs.messaging.reply_words import meaning
from redcap_jobs.messaging.statuses import DELIVERY_UNKNOWN, NEVER_ARRIVED, is_open
from redcap_jobs.messaging.twilio_codes import reaction
from redcap_jobs.plan import Problem

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.messaging.twilio import InboundText, TwilioClient
    from redcap_jobs.state.inbound import Reply
    from redcap_jobs.state.journal_entry import Entry
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store

log = logging.getLogger(__name__)

CORRECTED_FOR = timedelta(days=3)
"""So long a final word may be corrected, and a refused request stand in the list as failed."""
PAUSES = tuple(timedelta(seconds=each) for each in (3, 6, 12, 24))
"""Between the looks at the end of a run: under a minute together."""
YOUNG = timedelta(minutes=10)
FETCHED_AT_ONCE = 20
"""So many messages that the list lacks are looked up one by one in a look; the rest next time."""
FIRST_REPLIES = timedelta(days=7)
"""How far back replies are read where none is known, if no text is older: a lost state forgot."""
OVERLAP = timedelta(days=1)
ANSWERED_FOR = timedelta(days=400)
"""So long replies to a number before are read, too: as long as Twilio keeps its log."""
TOLD_FOR = timedelta(days=1)
MEETS_OTHERS = ("fix_account", "content")
"""Kinds of codes whose cause lies with the study, not with one phone."""
RESEND = "to send it again once that is mended: redcap-jobs messages resend STUDY"
STOP_STATE = {"stop": "stopped", "unclear": "held", "start": "allowed"}
REASON = {
    "stopped": "replied with a word such as STOP",
    "held": "an unclear reply waits to be read",
    "allowed": "replied with a word such as START",
}


@dataclass
class Seen:
    """What one look found: counts, and what a person must be told."""

    updated: int = 0
    found: int = 0
    replies: int = 0
    problems: list[Problem] = field(default_factory=list)
    still_open: int = 0


class Watch:
    """Looks after one project's texts; ``keyed`` makes the hashes that phones are known by.

    Studies may share a sending number: each looks after its own texts, and each reads the replies.
    """

    def __init__(
        self,
        store: Store,
        study: str,
        project: ProjectKey,
        client: TwilioClient,
        keyed: Callable[[str, str], str],
        clock: Clock,
    ) -> None:
        self._store = store
        self._study = study
        self._project = project
        self._client = client
        self._keyed = keyed
        self._clock = clock

    def look(self) -> Seen:
        """Bring open texts up to date and read the replies; keep what was learnt.

        Raises what the client raises; what was learnt before stays.
        """
        seen = Seen()
        self.read_replies(seen)
        self.look_up(seen)
        self.tell_lost(seen)
        return seen

    def follow(self) -> Seen:
        """Look a few times with growing pauses, as long as a text of the last minutes is open.

        What is not settled by then is the next run's: nobody waits for a phone that is off.
        """
        seen = Seen()
        self.look_up(seen)
        for pause in PAUSES:
            if not self.something_is_young():
                break
            self._clock.sleep(pause)
            seen = Seen()
            self.look_up(seen)
        self.tell_lost(seen)
        return seen

    def tell_lost(self, seen: Seen) -> None:
        """Say which texts of the last day came to nothing for a reason that meets others as well.

        A number that is not registered, or a wording that carriers filter, shows only after Twilio
        took the texts; nobody else would be told before all have lost theirs.
        """
        from redcap_jobs.state.messages import to_look_up

        since = self._clock.now() - TOLD_FOR
        for entry in to_look_up(self._store, self._project, self._client.sender_hash, since):
            known = reaction(entry.code)
            lost = entry.state == "sent" and entry.status in NEVER_ARRIVED
            if lost and known.kind in MEETS_OTHERS:
                what = f"did not arrive (Twilio's code {entry.code}): {known.sentence}"
                seen.problems.append(Problem(entry.record, f"text {entry.message}", what, RESEND))

    def comes_to_nothing(self) -> str:
        """Return why this sender's texts do not arrive, '' where nothing says so.

        The newest text speaks whose end is known, or that was handed on so long ago that an end
        for a reason of the account's would be known.
        """
        from redcap_jobs.state.messages import to_look_up

        now = self._clock.now()
        entries = to_look_up(
            self._store, self._project, self._client.sender_hash, now - CORRECTED_FOR
        )
        newest = None
        for entry in entries:
            handed_on = entry.status == "sent" and now - entry.last_sign >= sum(PAUSES, timedelta())
            if entry.state == "sent" and (handed_on or not is_open(entry.status)):
                newest = entry
        if newest is None or newest.status not in NEVER_ARRIVED:
            return ""
        known = reaction(newest.code)
        return known.sentence if known.kind == "fix_account" else ""

    def something_is_young(self) -> bool:
        """Tell whether a text that was posted in the last minutes is open still."""
        from redcap_jobs.state.messages import is_unsettled, to_look_up

        now = self._clock.now()
        entries = to_look_up(self._store, self._project, self._client.sender_hash, now)
        return any(
            entry.state == "sent" and is_unsettled(entry) and now - entry.last_sign < YOUNG
            for entry in entries
        )

    def look_up(self, seen: Seen) -> None:
        """Bring every text that is not settled up to date, whichever number it was sent from.

        A list by date lacks what was not sent yet or never will be; where something is not found
        in it, the newest messages are listed whatever their date.
        """
        from redcap_jobs.state.journal_entry import IllegalTransition
        from redcap_jobs.state.messages import is_unsettled, owned_references, to_look_up

        now = self._clock.now()
        entries = to_look_up(self._store, self._project, None, now - CORRECTED_FOR)
        asked_for = [entry for entry in entries if is_unsettled(entry)]
        if not asked_for:
            return
        sender = self._client.sender_hash
        listed_since = [entry.last_sign for entry in asked_for if entry.sender == sender]
        since = min(listed_since, default=now) - OVERLAP
        listed = self._client.outbound(since.date())
        owned = owned_references(self._store)
        evidence = delivery.reconcile(entries, listed, owned, now)
        if any(isinstance(each, delivery.StillUnknown | delivery.Missing) for each in evidence):
            listed = [*listed, *self._client.newest()]
            evidence = delivery.reconcile(entries, listed, owned, now)
        missing = [each for each in evidence if isinstance(each, delivery.Missing)]
        if missing:
            fetched, gone = self.fetch(missing[:FETCHED_AT_ONCE])
            evidence = delivery.reconcile(entries, [*listed, *fetched], owned, now, gone=gone)
        by_key = {(entry.key, entry.attempt): entry for entry in entries}
        for each in evidence:
            try:
                self.keep(each, by_key[each.key, each.attempt], seen)
            except IllegalTransition:
                log.debug("%s: another run, or a person, has noted it meanwhile", each.key)

    def fetch(
        self, missing: Sequence[delivery.Missing]
    ) -> tuple[list[delivery.TwilioMessage], set[str]]:
        """Look up messages that the list lacks, one by one; those Twilio has nothing of are gone.

        Where it does not answer (429, say) the rest is asked for next time.
        """
        from redcap_jobs.messaging.twilio_answers import TwilioUnreachable

        fetched, gone = [], set()
        for each in missing:
            try:
                message = self._client.fetch(each.sid)
            except TwilioUnreachable as error:
                log.debug("%s was not learnt: %s", each.sid, error)
                break
            if message is None:
                gone.add(each.sid)
            else:
                fetched.append(message)
        return fetched, gone

    def keep(self, each: delivery.Evidence, entry: Entry, seen: Seen) -> None:
        """Write one piece of evidence into the journal, and what follows from its code."""
        from redcap_jobs.state import journal_evidence

        key, attempt = each.key, each.attempt
        match each:
            case delivery.Found():
                journal_evidence.found(self._store, key, attempt, each.sid, each.status)
                if each.code:
                    journal_evidence.set_status(self._store, key, attempt, each.status, each.code)
                seen.found += 1
            case delivery.StatusIs():
                if each.correction:
                    log.debug("%s: %s was corrected to %s", key, entry.status, each.status)
                journal_evidence.set_status(self._store, key, attempt, each.status, each.code)
                seen.updated += 1
            case delivery.NotSentAfterAll():
                journal_evidence.not_sent_after_all(
                    self._store, key, attempt, each.status, each.code
                )
                seen.updated += 1
            case delivery.DeliveryUnknown():
                journal_evidence.set_status(self._store, key, attempt, DELIVERY_UNKNOWN)
                seen.updated += 1
            case delivery.StillUnknown():
                self.tell_unknown(each, entry, seen)
            case delivery.Missing():
                seen.still_open += 1
        self.follow_code(getattr(each, "code", ""), entry)

    def tell_unknown(self, each: delivery.StillUnknown, entry: Entry, seen: Seen) -> None:
        """Say that somebody must settle a text that looking up again will not settle."""
        if not each.ask_person:
            seen.still_open += 1
            return
        what = (
            "several messages fit this text, so nobody knows which it is"
            if each.several
            else "nobody knows whether this text went out, and Twilio's list does not show it"
        )
        hint = "look it up in Twilio's console, then: redcap-jobs messages settle STUDY"
        seen.problems.append(Problem(entry.record, f"text {entry.message}", what, hint))

    def follow_code(self, code: str, entry: Entry) -> None:
        """Stop a phone that Twilio names as opted out."""
        from redcap_jobs.state.stops import Stop, say

        if code and entry.phone_hash and reaction(code).kind == "opted_out":
            stop = Stop("phone", entry.phone_hash, "stopped", "twilio", f"Twilio's code {code}")
            say(self._store, self._study, stop)

    def read_replies(self, seen: Seen, first: datetime | None = None) -> None:
        """Read what came in, stop who asked for it, hold what is unclear.

        Since ``first`` where that is given, else since the newest reply that is known, by Twilio's clock: this machine's may have run ahead
        when replies were last read, and those in between would never be asked for.
        """
        from redcap_jobs.state.inbound import newest_reply, note_replies, unheard
        from redcap_jobs.state.messages import former_senders
        from redcap_jobs.state.stops import Stop, say

        sender = self._client.sender_hash
        newest = newest_reply(self._store, self._study, sender) or self.first_replies(sender)
        since = (first or min(newest, self._clock.now())) - OVERLAP
        former = former_senders(
            self._store, self._project, sender, self._clock.now() - ANSWERED_FOR
        )
        replies = [self.understood(text) for text in self._client.inbound(since.date(), former)]
        new_to_us = unheard(self._store, self._study, replies)
        for reply in sorted(replies, key=lambda each: each.received_at):
            state = STOP_STATE.get(reply.meaning)
            if state is not None:  # before the reply is noted: a crash between reads it again
                word = Stop("phone", reply.phone_hash, state, "reply", REASON[state])  # type: ignore[arg-type]  # the table's words are those of Stop
                unknown = state != "allowed" and reply.sid in new_to_us
                say(self._store, self._study, word, at=reply.received_at, unheard=unknown)
        new = note_replies(self._store, self._study, self._client.sender_hash, replies)
        seen.replies += len(new)
        seen.problems += [
            Problem(
                ", ".join(reply.records) or "-",
                "reply",
                "an unclear reply waits to be read; this phone gets no text until then",
                f"read it in Twilio's console ({reply.sid}), then: redcap-jobs messages read STUDY",
            )
            for reply in self.waiting()
        ]

    def first_replies(self, sender: str) -> datetime:
        """Return since when replies are read where none is known: the first text, or a week ago."""
        from redcap_jobs.state.text_lists import first_posted

        week_ago = self._clock.now() - FIRST_REPLIES
        first = first_posted(self._store, sender)
        return min(first, week_ago) if first else week_ago

    def waiting(self) -> list[Reply]:
        """Return the replies that a person must read."""
        from redcap_jobs.state.inbound import replies_to_read

        return replies_to_read(self._store, self._study)

    def understood(self, text: InboundText) -> Reply:
        """Turn a reply into what is kept of it."""
        from redcap_jobs.state.inbound import Reply
        from redcap_jobs.state.messages import records_of_phone

        phone_hash = self._keyed(text.sender, "phone")
        records = records_of_phone(self._store, self._project, phone_hash)
        return Reply(text.sid, phone_hash, text.received_at, meaning(text.body), records)

    def replies_are_fresh(self, within: timedelta) -> bool:
        """Tell whether the replies were read within the last so many minutes."""
        from redcap_jobs.state.inbound import last_read

        last = last_read(self._store, self._study, self._client.sender_hash)
        if last is None:
            return False
        return timedelta(0) <= self._clock.now() - last <= within  # a clock may have been set back
