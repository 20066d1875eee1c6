"""Names and values both ways between REDCap and the partner, by the study file's table.

A value that has no translation is never passed on: it is :class:`Untranslatable`, with the reason.
Blank stands for blank on both sides. Phones are E.164 at the partner, dates ISO in REDCap.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from redcap_jobs.messaging.phone import BadPhone, e164
from redcap_jobs.partner.answers import NO_TEXT, as_text

if TYPE_CHECKING:
    from redcap_jobs.study.partner_config import PartnerField

ISO_DAY = "%Y-%m-%d"
DAY_WIDTH = len("2026-11-23")
FOUR_DIGITS = 1000
WHOLE = re.compile(r"-?[0-9]+")


@dataclass(frozen=True)
class Untranslatable:
    """Why a value has no counterpart on the other side, and how it is mended where it stands.

    The value itself is not told.
    """

    reason: str
    hint: str = "correct it in REDCap"

    def __str__(self) -> str:
        return self.reason


NO_TRANSLATION = Untranslatable(
    "holds a choice that has no translation",
    "correct it in REDCap, or add the choice to the values in [[partner.fields]]",
)
CORRECT_IT_THERE = "have the partner correct it"
NO_WORD = Untranslatable(
    "the partner has a word without translation",
    f"add it to the values in [[partner.fields]], or {CORRECT_IT_THERE}",
)
NO_VALUE = Untranslatable(
    "the partner has a list or an object instead of a value", CORRECT_IT_THERE
)
NO_NUMBER = Untranslatable("the partner has no whole number", CORRECT_IT_THERE)
NO_DAY = Untranslatable(
    "the partner has no date as [[partner.fields]] says it writes them",
    f"correct the format there, or {CORRECT_IT_THERE}",
)


def to_partner(field: PartnerField, value: str, region: str) -> str | Untranslatable:
    """Give REDCap's value as the partner writes it; ``region`` is that of phones without ``+``."""
    value = value.strip()
    if not value:
        return ""
    if field.values is not None:
        return field.values.get(value, NO_TRANSLATION)
    if field.kind == "phone":
        phone = e164(value, region)
        return Untranslatable(phone.reason) if isinstance(phone, BadPhone) else phone.e164
    if field.kind == "date":
        return in_format(day_of(value), ISO_DAY, field.date)
    if field.kind == "whole" and not WHOLE.fullmatch(value):
        return Untranslatable("holds no whole number")
    return value


def to_redcap(
    field: PartnerField, value: str, region: str, zone: tzinfo | None = None
) -> str | Untranslatable:
    """Give the partner's value as REDCap writes it; an instant as its day in ``zone``."""
    value = value.strip()
    if not value:
        return ""
    if NO_TEXT in value:
        return NO_VALUE
    if field.values is not None:
        return field.back.get(value, NO_WORD)
    if field.kind == "phone":
        phone = e164(value, region)
        if isinstance(phone, BadPhone):
            return Untranslatable(phone.reason, CORRECT_IT_THERE)
        return phone.e164
    if field.kind == "date":
        written = day_of(value, zone) if field.date == ISO_DAY else value
        day = in_format(written, field.date, ISO_DAY)
        return NO_DAY if isinstance(day, Untranslatable) else day
    if field.kind == "whole" and not WHOLE.fullmatch(value):
        return NO_NUMBER
    return value


def day_of(written: str, zone: tzinfo | None = None) -> str:
    """Return the day of a date, or of an ISO 8601 time; '' for anything else.

    A time with an offset is an instant: its day is that of ``zone``, where one is given.
    """
    if len(written) <= DAY_WIDTH:
        return written
    try:
        at = datetime.fromisoformat(written)
        return (at.astimezone(zone) if at.tzinfo and zone else at).date().isoformat()
    except (ValueError, OverflowError):
        return ""


def in_format(written: str, of: str, to: str) -> str | Untranslatable:
    """Write a date in another format; a year before 1000 is a slip, and would lose its zeros."""
    try:
        day = datetime.strptime(written, of)  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return Untranslatable("holds no date")
    return day.strftime(to) if day.year >= FOUR_DIGITS else Untranslatable("holds no date")


def same(field: PartnerField, here: str, there: str, region: str) -> bool:
    """Tell whether the partner's value means what is expected there, whatever its notation.

    ``here`` is REDCap's value in the partner's words.
    """
    if field.kind == "text":
        return plain(here) == plain(there)
    if field.kind in ("choice", "whole"):
        return here == there.strip()
    one, other = to_redcap(field, here, region), to_redcap(field, there, region)
    return not isinstance(other, Untranslatable) and one == other


def plain(text: str) -> str:
    """Give a text with single blanks, and each accent in one way of writing it."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def member_row(member: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """Give a member as one row of a members frame; ``names``: column → name in the answer."""
    return {column: as_text(member.get(name)) for column, name in names.items()}
