"""``POST Messages.json``: what is refused, what is accepted, and the way the accepted ones take.

With a sender of one's own, errors are told at once; with a Messaging Service the message is
accepted and fails afterwards (Twilio's support article on errors of Messaging Services). What is
refused because of the recipient leaves a failed message in the list either way, as that article
says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zlib import crc32

import phonenumbers

from redcap_jobs.sandbox.twilio_account import E164, MessagingService, TwilioAccount, new_sid
from redcap_jobs.sandbox.twilio_errors import TwilioRefusal, masked
from redcap_jobs.sandbox.twilio_fates import MAGIC_FROM, MAGIC_TO
from redcap_jobs.sandbox.twilio_listing import FEW_DIGITS
from redcap_jobs.sandbox.twilio_messages import Message, Step, way
from redcap_jobs.sandbox.twilio_segments import segments_of
from redcap_jobs.sandbox.twilio_switchboard import OUT_OF_FUNDS, Switchboard

LONGEST_BODY = 1600
LONGEST_VALIDITY = LONGEST_QUEUE = 36_000
SOONEST, LATEST = 15 * 60, 35 * 86_400
"""Seconds from now between which a message may be scheduled."""


@dataclass(frozen=True)
class Wanted:
    """A creation whose form makes sense: whom, what, through what, and when."""

    to: str
    body: str
    sender: str
    service: MessagingService | None
    validity: float
    send_at: float | None


def create(
    board: Switchboard, form: Mapping[str, str], *, arrived: float, fault: str = ""
) -> Message:
    """Accept a message and return it.

    Args:
        board: The account at work.
        form: Twilio's parameters: To, From or MessagingServiceSid, Body, ValidityPeriod, ….
        arrived: When the request arrived (:func:`~.twilio_switchboard.arrival`).
        fault: What befalls the answer; it is noted with what was accepted.

    Raises:
        TwilioRefusal: Twilio would refuse it.

    """
    with board.lock:
        if board.status == OUT_OF_FUNDS:
            raise TwilioRefusal(20005)
        wanted = wanted_by(board.account, form, board.now())
        code = recipient_refused(board, wanted)
        message = Message(
            number=board.next_number(),
            sid=new_sid("SM"),
            sender=wanted.sender,
            to=wanted.to,
            body=wanted.body,
            segments=segments_of(wanted.body),
            steps=steps_of(board, wanted, code),
            service_sid=None if wanted.service is None else wanted.service.sid,
        )
        board.add(message)
        if code and wanted.service is None:
            words = {"to": wanted.to, "from": wanted.sender, "masked": masked(wanted.to)}
            raise TwilioRefusal(code, **words)
        board.note(message, arrived=arrived, code=code or None, fault=fault)
        return message


def wanted_by(account: TwilioAccount, form: Mapping[str, str], now: float) -> Wanted:
    """Return what a form asks for.

    Raises:
        TwilioRefusal: It lacks something, or the sender cannot be used.

    """
    to, body = form.get("To", "").strip(), form.get("Body", "")
    sender, service_sid = form.get("From", "").strip(), form.get("MessagingServiceSid", "")
    if sender.startswith("MG") and not service_sid:  # as Twilio's error page 21603 allows
        sender, service_sid = "", sender
    if not to:
        raise TwilioRefusal(21604)
    if not sender and not service_sid:
        raise TwilioRefusal(21603)
    if not body:
        raise TwilioRefusal(21602)
    if len(body) > LONGEST_BODY:
        raise TwilioRefusal(21617)
    validity = validity_of(form.get("ValidityPeriod", ""))
    service = service_of(account, service_sid) if service_sid else None
    if service is not None and not sender:
        sender = service.numbers[crc32(to.encode()) % len(service.numbers)]
    refuse_sender(account, sender)
    return Wanted(to, body, sender, service, validity, scheduled(form, service, now))


def validity_of(text: str) -> float:
    """Return the validity period in seconds; TwilioRefusal if it is out of range."""
    if not text:
        return LONGEST_VALIDITY
    if not FEW_DIGITS.fullmatch(text) or not 1 <= int(text) <= LONGEST_VALIDITY:
        raise TwilioRefusal(90007)
    return int(text)


def service_of(account: TwilioAccount, sid: str) -> MessagingService:
    """Return a Messaging Service; TwilioRefusal if there is none, or it has no numbers."""
    service = account.service(sid)
    if service is None:
        raise TwilioRefusal(21701)
    if not service.numbers:
        raise TwilioRefusal(21704)
    return service


def refuse_sender(account: TwilioAccount, sender: str) -> None:
    """Refuse a sender that is no number, is not the account's, or cannot send texts."""
    code = MAGIC_FROM.get(sender)
    if code is None and sender not in account.numbers:
        code = 21659 if E164.fullmatch(sender) else 21212
    elif sender in account.voice_only:
        code = 21606
    if code:
        raise TwilioRefusal(code, **{"from": sender})


def scheduled(
    form: Mapping[str, str], service: MessagingService | None, now: float
) -> float | None:
    """Return when a message is to be sent, None for at once; TwilioRefusal if that makes no sense."""
    kind, at = form.get("ScheduleType", ""), form.get("SendAt", "")
    if not kind and not at:
        return None
    if kind != "fixed":
        raise TwilioRefusal(35126)
    if service is None:
        raise TwilioRefusal(35118)
    if not at:
        raise TwilioRefusal(35111)
    try:
        instant = datetime.fromisoformat(at)
    except ValueError:
        raise TwilioRefusal(35114) from None
    seconds = instant.replace(tzinfo=instant.tzinfo or UTC).timestamp()
    if not SOONEST <= seconds - now <= LATEST:
        raise TwilioRefusal(35114)
    return seconds


def recipient_refused(board: Switchboard, wanted: Wanted) -> int:
    """Return the code with which a text to this recipient is refused, 0 if it is not.

    A full queue is the sender's fault and is raised at once (with a service: 30001 later).
    """
    to = wanted.to
    if to in MAGIC_TO:
        return MAGIC_TO[to]
    if to == wanted.sender:
        return 21266
    region = region_of(to)
    if not region:
        return 21211
    if region not in board.account.countries:
        return 21408
    fate = board.fate_of(to)
    if fate.refused:
        return fate.refused
    if board.is_opted_out(wanted.sender, to):
        return 21610
    if board.free_at(wanted.sender) - board.now() > LONGEST_QUEUE:
        if wanted.service is None:
            raise TwilioRefusal(21611)
        return 30001
    return 0


@lru_cache(maxsize=10_000)
def region_of(phone: str) -> str:
    """Return the country of a number in E.164, '' if it cannot be one."""
    if not E164.fullmatch(phone):
        return ""
    try:
        parsed = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(parsed):
        return ""
    return phonenumbers.region_code_for_number(parsed) or ""


def steps_of(board: Switchboard, wanted: Wanted, code: int) -> tuple[Step, ...]:
    """Lay out the way of a message, and take the number's time for it."""
    now, pace = board.now(), board.account.pace
    if wanted.service is None:
        begun = [Step(now, "failed", code)] if code else [Step(now, "queued")]
        queued = now
    else:
        begun = [] if wanted.send_at is None else [Step(now, "scheduled")]
        accepted = wanted.send_at or now
        queued = accepted + pace.accepting
        begun += [
            Step(accepted, "accepted"),
            Step(queued, "failed" if code else "queued", code or None),
        ]
    if code:
        return tuple(begun)
    at_once = wanted.send_at is None  # else its number's queue at that time is not known yet
    start = max(queued, board.free_at(wanted.sender)) if at_once else queued
    steps = way(begun, start, pace, board.fate_of(wanted.to), expires=queued + wanted.validity)
    if at_once and steps[-1].code != 30036:
        board.queue(wanted.sender, start, segments_of(wanted.body))
    return steps
