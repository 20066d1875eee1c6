"""Who carries texts out: caps, the sender's turn, the last look at the clock, one POST.

Everything that is judged here is judged on the real clock, whatever instant was planned for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from redcap_jobs.couriers import NothingMore, Verdict
from redcap_jobs.errors import StateError
from redcap_jobs.messaging.twilio_codes import reaction
from redcap_jobs.plan import Action, Posted, Stands, Text, Withhold
from redcap_jobs.state.journal_entry import Cap, Intent
from redcap_jobs.state.stops import Stop, hindrance, say

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.messaging.twilio import TwilioClient
    from redcap_jobs.messaging.watch import Watch
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.state.throttle import Slot, Throttle
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.texts_config import Messages

log = logging.getLogger(__name__)

MARGIN = timedelta(minutes=1)
"""A text lapses at Twilio so long before the allowed hours end."""
SHORTEST = timedelta(minutes=5)
"""Nothing is sent that would lapse sooner: it might still be waiting in Twilio's queue."""
TOO_SLOW = (
    "the state was written so slowly that the sending hours are over; nothing was sent, and it is "
    "tried again while it is not too late"
)
LOOKED_AT_AFTER = timedelta(seconds=15)
"""So long after its first text a run looks whether they arrive: Twilio knows within seconds."""
REPLIES_READ_EVERY = timedelta(minutes=10)
REPLIES_READ_WITHIN = timedelta(minutes=15)
"""Nothing is sent where the last look at the replies is older: a STOP may lie in between."""


class TextCourier:
    """Carries texts for one run; ``only_to`` are the phones a development run may reach."""

    def __init__(
        self,
        study: Study,
        messages: Messages,
        project: ProjectKey,
        job: str,
        store: Store,
        client: TwilioClient,
        throttle: Throttle,
        watch: Watch,
        keyed: Callable[[str, str], str],
        clock: Clock,
        only_to: frozenset[str] | None,
    ) -> None:
        self._study = study
        self._messages = messages
        self._project = project
        self._job = job
        self._store = store
        self._client = client
        self._throttle = throttle
        self._watch = watch
        self._keyed = keyed
        self._clock = clock
        self._only_to = only_to
        self._slot: Slot | None = None
        self._verified = False
        self._first: datetime | None = None
        self._looked = False

    def intent(self, action: Action) -> tuple[Intent, Sequence[Cap]]:
        """Return what the journal is to claim, and the caps of phone and day.

        How many a run may send is judged by a guard, before the first of them.
        """
        text = as_text(action)
        intent = Intent(
            key=text.key,
            kind="text",
            project=self._project,
            job=self._job,
            record=text.record,
            message=text.message,
            occurrence=text.occurrence,
            sender=self._client.sender_hash,
            units=text.segments,
            phone_hash=self._keyed(text.to, "phone"),
            body_hash=self._keyed(text.body, "body"),
        )
        now = self._clock.now()
        caps = [
            Cap(
                "texts per day",
                self._messages.per_day,
                ("project",),
                midnight(now, self._study.study.time_zone),
            ),
        ]
        if self._only_to is None:
            limit = self._messages.per_phone_per_day
            caps.insert(0, Cap("per phone", limit, ("phone_hash",), midnight(now, text.zone)))
        return intent, caps

    @contextmanager
    def turn(self, action: Action) -> Iterator[Verdict]:
        """Wait for the sender's slot and look once more, on the clock that everybody lives by."""
        text = as_text(action)
        self.be_ready()
        with self._throttle.slot(text.segments) as slot:
            self._slot = slot
            try:
                self.read_replies_again()  # a slot may be an hour away
                yield self.verdict(text)
            finally:
                self._slot = None

    def be_ready(self) -> None:
        """Verify the sender once, and read the replies again before they are too old.

        Raises:
            NothingMore: The replies could not be read, or the sender's texts come to nothing.

        """
        if not self._verified:
            self._client.verify()
            self._throttle.share(self._client.number_hashes())
            self._verified = True
        self.read_replies_again()
        self.look_whether_they_arrive()

    def read_replies_again(self) -> None:
        """Read the replies before they are too old.

        Raises:
            NothingMore: They could not be read; what was sent before is written back all the same.

        """
        from redcap_jobs.messaging.twilio_answers import TwilioUnreachable
        from redcap_jobs.messaging.watch import Seen

        if self._watch.replies_are_fresh(REPLIES_READ_EVERY):
            return
        try:
            self._watch.read_replies(Seen())
        except TwilioUnreachable as error:
            raise NothingMore(f"replies could not be read ({error}), so nothing is sent") from None

    def look_whether_they_arrive(self) -> None:
        """Look once, after the first texts of a run, whether what this sender sends comes to nothing.

        Where its last text did, the end of this run's first is waited for before the second is
        begun: one person loses a text to a sender that is not registered, not all who are due.

        Raises:
            NothingMore: The sender's newest text did not arrive, for a reason that meets all.

        """
        from redcap_jobs.messaging.twilio_answers import TwilioUnreachable
        from redcap_jobs.messaging.watch import Seen

        if self._first is None or self._looked:
            return
        in_doubt = bool(self._watch.comes_to_nothing())
        if not in_doubt and self._clock.now() - self._first < LOOKED_AT_AFTER:
            return
        self._looked = True
        try:
            if in_doubt:
                self._watch.follow()
            else:
                self._watch.look_up(Seen())
        except TwilioUnreachable as error:
            log.debug("not looked whether texts arrive: %s", error)
            return
        reason = self._watch.comes_to_nothing()
        if reason:
            raise NothingMore(f"this sender's last text did not arrive: {reason}")

    def verdict(self, text: Text) -> Verdict:
        """Say whether a text may go out at this very moment.

        Raises:
            NothingMore: No text of this run may: the replies were not read lately.

        """
        now = self._clock.now()
        if not self._watch.replies_are_fresh(REPLIES_READ_WITHIN):
            raise NothingMore("replies were not read within 15 minutes, so nothing is sent")
        if self._only_to is not None and text.to not in self._only_to:
            return Withhold("a development run reaches development recipients only")
        if text.latest is not None and now >= text.latest:
            return Withhold("it is too late for this text")
        if self.validity(text, now) < SHORTEST:
            return Withhold("outside the sending hours, or too near to their end")
        for pause in self._study.pauses:
            if pause.from_ <= now.astimezone(ZoneInfo(text.zone)).date() <= pause.until:
                return Withhold(f"paused until {pause.until}: {pause.why}")
        phone = self._keyed(text.to, "phone")
        reason = hindrance(self._store, self._study.study.id, phone, text.record)
        return Withhold(reason) if reason else Stands()

    def validity(self, text: Text, now: datetime) -> timedelta:
        """Return how long Twilio may hold a text back: not into the night, not past its latest."""
        closes = self._messages.hours.closes_at(now, text.zone)
        if closes is None:
            return timedelta(0)
        ends = closes if text.latest is None else min(closes, text.latest)
        return ends - now - MARGIN

    def post(self, action: Action) -> Posted:
        """Post it, once; a phone that Twilio names as opted out is stopped for good.

        Where the sender's next slot cannot be committed, or so slowly that the hours are over by
        then, nothing is posted, and that is known.
        """
        text = as_text(action)
        if self._slot is None:
            raise RuntimeError("a text is posted in its turn only")
        try:
            self._slot.posting()
        except StateError as error:
            return Posted("rejected", not_sent=True, stops=str(error), sentence=str(error))
        validity = self.validity(text, self._clock.now())
        if validity < MARGIN:
            return Posted("rejected", not_sent=True, sentence=TOO_SLOW)
        posted = self._client.send(text.to, text.body, validity)
        if posted.state == "rejected" and reaction(posted.code).kind == "opted_out":
            reason = f"Twilio's code {posted.code}"
            stop = Stop("phone", self._keyed(text.to, "phone"), "stopped", "twilio", reason)
            say(self._store, self._study.study.id, stop)
        if posted.state == "sent" and self._first is None:
            self._first = self._clock.now()
        return posted


def as_text(action: Action) -> Text:
    """Return the action as the text it must be."""
    if not isinstance(action, Text):
        raise TypeError(f"{action.kind} {action.key} is no text")
    return action


def midnight(now: datetime, zone: str) -> datetime:
    """Return the aware instant at which today began in a zone."""
    local = now.astimezone(ZoneInfo(zone))
    return datetime.combine(local.date(), time(), ZoneInfo(zone))
