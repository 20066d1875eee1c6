"""What a study file says about texts: sender, hours, surveys, log, development recipients.

Every rule that protects a participant is here or in code, never in a default that a study could
lower by accident: sending hours lie within 08-21, spacing has a floor, ``starts_on`` and
``latest`` must be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    model_validator,
)

from redcap_jobs.messaging.hours import Hours, parse_hours
from redcap_jobs.redcap.records import EventPlace
from redcap_jobs.study.addresses import is_loopback_url, mail_address, service_address
from redcap_jobs.study.values import (
    Day,
    Offset,
    Output,
    Part,
    Place,
    Text,
    When,
    WholeFromOne,
    WholeFromZero,
    problem,
)

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)?$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")]
"""The name of an environment variable, never its value: in capitals, as hardly any secret is."""

ONLY_LANGUAGE = ""
"""Stands for every language where a value is given without one."""
TWILIO = "https://api.twilio.com"
FLOOR_SECONDS = 1.05
"""No study file spaces the segments of one number closer than this."""
MOST_REMINDERS = 5


def to_hours(written: object) -> Hours:
    """Parse the allowed hours: one span for all days, or a table by weekday."""
    if isinstance(written, Hours):
        return written
    table = {"every_day": written} if isinstance(written, str) else written
    if not isinstance(table, Mapping) or not all(isinstance(v, str) for v in table.values()):
        raise problem('must be hours "09:00-20:00", or a table { every_day = "09:00-20:00" }')
    try:
        return parse_hours({str(key): str(value) for key, value in table.items()})
    except ValueError as error:
        raise problem(str(error)) from error


AllowedHours = Annotated[
    Hours, PlainValidator(to_hours), PlainSerializer(lambda hours: dict(hours.written))
]


def by_language(written: object) -> dict[str, Any]:
    """Let a value without a language stand for all of them."""
    return dict(written) if isinstance(written, Mapping) else {ONLY_LANGUAGE: written}


def to_texts(written: object) -> dict[str, tuple[str, ...]]:
    """Parse texts by language; each one text, or a list of variants."""
    texts = {}
    for language, given in by_language(written).items():
        variants = tuple(given) if isinstance(given, list | tuple) else (given,)
        if not variants or not all(isinstance(each, str) and each.strip() for each in variants):
            raise problem(f"{language or 'the text'} must be a text in quotes, or a list of texts")
        texts[language] = variants
    if not texts:
        raise problem("holds no text")
    return texts


def to_instruments(written: object) -> dict[str, str]:
    """Parse an instrument, or one per language."""
    instruments = by_language(written)
    if not instruments or not all(isinstance(each, str) and each for each in instruments.values()):
        raise problem('must be an instrument "parent_survey", or one per language { en = "..." }')
    return instruments


def write_texts(texts: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Give texts back as they can be written."""
    return {language: list(variants) for language, variants in texts.items()}


Texts = Annotated[
    dict[str, tuple[str, ...]], PlainValidator(to_texts), PlainSerializer(write_texts)
]
Instruments = Annotated[dict[str, str], PlainValidator(to_instruments)]


class Sender(Part):
    """``[sender]``: who sends, by the names of the variables that hold it; one per study.

    ``auth_token``, or ``api_key`` with ``api_secret`` (which can be revoked alone);
    ``number``, or ``messaging_service``.
    """

    account_sid: Variable
    auth_token: Variable | None = None
    api_key: Variable | None = None
    api_secret: Variable | None = None
    number: Variable | None = None
    messaging_service: Variable | None = None
    url: Annotated[str, AfterValidator(service_address)] = TWILIO

    @model_validator(mode="after")
    def whole(self) -> Sender:
        """Refuse half a credential, two of them, and two senders."""
        if (self.auth_token is None) == (self.api_key is None):
            raise problem("needs auth_token, or api_key with api_secret")
        if (self.api_key is None) != (self.api_secret is None):
            raise problem("api_key and api_secret belong together")
        if (self.number is None) == (self.messaging_service is None):
            raise problem("needs number or messaging_service, one of them")
        return self

    @property
    def is_loopback(self) -> bool:
        """Tell whether texts go to a sandbox on this machine."""
        return is_loopback_url(self.url)

    @property
    def variables(self) -> tuple[str, ...]:
        """Name every variable that must be set."""
        named = (self.account_sid, self.auth_token, self.api_key, self.api_secret)
        return tuple(each for each in (*named, self.number, self.messaging_service) if each)


class Messages(Part):
    """``[messages]``: when texts may go out, how many, and in which order.

    ``order`` lists survey ids, first come first when a phone may get one text only; those not
    named follow in file order. ``seconds_between`` is per segment; below 1.05 it counts against a
    loopback address only.
    """

    hours: AllowedHours
    per_phone_per_day: WholeFromOne = 1
    per_run: WholeFromOne = 500
    per_day: WholeFromOne = 1000
    seconds_between: Annotated[float, Field(strict=True, gt=0, le=3600)] = FLOOR_SECONDS
    most_segments: Annotated[int, Field(strict=True, ge=1, le=10)] = 3
    order: tuple[Text, ...] = ()


class Latest(Part):
    """How many days after its due date a survey may still be asked for."""

    days: WholeFromZero


class Remind(Part):
    """``remind``: how often, and how many days after the text before it."""

    days_apart: WholeFromOne
    count: Annotated[int, Field(strict=True, ge=1, le=MOST_REMINDERS)]


class Survey(Part):
    """``[[surveys]]``: one survey that participants are asked for by text.

    ``due`` counts from an anchor of ``[participants.anchors]``. Nothing whose due date lies before
    ``starts_on`` is ever sent, nothing later than ``latest`` after it. ``formerly`` lists ids under
    which it was sent before.
    """

    id: Id
    formerly: tuple[Id, ...] = ()
    instrument: Instruments
    at: Place | None = None
    anchor: Text
    due: Offset
    arm: Text | None = None
    only_when: When | None = None
    starts_on: Day
    latest: Latest
    remind: Remind | None = None
    texts: Texts
    reminder_texts: Texts | None = None

    @model_validator(mode="after")
    def whole(self) -> Survey:
        """Refuse reminders without their texts, and a place that no survey link has."""
        if self.remind is not None and self.reminder_texts is None:
            raise problem("remind needs reminder_texts")
        if self.at is not None and not isinstance(self.at, EventPlace):
            raise problem("at must be an event, or one event per arm")
        return self

    @property
    def ids(self) -> tuple[str, ...]:
        """The id, and those it had before."""
        return (self.id, *self.formerly)


class MessageLog(Part):
    """``[message_log]``: the repeating instrument that remembers every text in REDCap.

    ``at`` is its event, or one per arm; ``write`` names its fields.
    """

    form: Text
    at: Place | None = None
    write: MessageLogWrite


class MessageLogWrite(Part):
    """``[message_log.write]``: the fields of the log; the key is required, it finds a row again."""

    message_key: Output
    message_kind: Output = ()
    occurrence: Output = ()
    sid: Output = ()
    status: Output = ()
    error: Output = ()
    posted_at: Output = ()
    updated_at: Output = ()


class Development(Part):
    """``[development]``: who gets the texts and mails of a development run: nobody else does.

    ``recipients`` names variables that hold a phone each; the texts name no participant.
    """

    recipients: tuple[Variable, ...] = ()


class Smtp(Part):
    """``[notify.smtp]``: the mail server; STARTTLS unless it is on this machine."""

    host: Text
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 587
    sender: Text
    user: Variable | None = None
    password: Variable | None = None

    @model_validator(mode="after")
    def whole(self) -> Smtp:
        """Refuse half a credential."""
        if (self.user is None) != (self.password is None):
            raise problem("user and password belong together")
        return self


MailAddress = Annotated[str, AfterValidator(mail_address)]


class Notify(Part):
    """``[notify]``: who is told when a job begins to fail, and when it is well again."""

    mail_to: tuple[MailAddress, ...] = ()
    smtp: Smtp | None = None

    @model_validator(mode="after")
    def can_be_sent(self) -> Notify:
        """Refuse addressees without a mail server."""
        if self.mail_to and self.smtp is None:
            raise problem("mail_to needs [notify.smtp]")
        return self


class Pause(Part):
    """``[[pauses]]``: days on which no text goes out; ``drop`` lets what is due then lapse."""

    from_: Annotated[Day, Field(alias="from")]
    until: Day
    why: Text
    texts: Literal["wait", "drop"] = "wait"

    @model_validator(mode="after")
    def in_order(self) -> Pause:
        """Refuse a pause that ends before it begins."""
        if self.until < self.from_:
            raise problem("until lies before from")
        return self


MessageLog.model_rebuild()
