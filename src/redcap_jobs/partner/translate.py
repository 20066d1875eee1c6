"""Names and values both ways between REDCap and the partner, by the study file's table.

A value that has no translation is never passed on: it is :class:`Untranslatable`, with the reason.
Blank stands for blank on both sides. Phones are E.164 at the partner, dates ISO in REDCap.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from redcap_jobs.messaging.phone import BadPhone, e164
from redcap_jobs.partner.answers import as_text

if TYPE_CHECKING:
    from redcap_jobs.study.partner_config import PartnerField

ISO_DAY = "%Y-%m-%d"
DAY_WIDTH = len("2026-11-23")
WHOLE = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Untranslatable:
    """Why a value has no counterpart on the other side; the value itself is not told."""

    reason: str

    def __str__(self) -> str:
        return self.reason


def to_partner(field: PartnerField, value: str, region: str) -> str | Untranslatable:
    """Give REDCap's value as the partner writes it; ``region`` is that of phones without ``+``."""
    value = value.strip()
    if not value:
        return ""
    if field.values is not None:
        return field.values.get(value, Untranslatable("holds a choice that has no translation"))
    if field.kind == "phone":
        phone = e164(value, region)
        return Untranslatable(phone.reason) if isinstance(phone, BadPhone) else phone.e164
    if field.kind == "date":
        return in_format(value[:DAY_WIDTH], ISO_DAY, field.date)
    if field.kind == "whole" and not WHOLE.fullmatch(value):
        return Untranslatable("holds no whole number")
    return value


def to_redcap(field: PartnerField, value: str, region: str) -> str | Untranslatable:
    """Give the partner's value as REDCap writes it."""
    value = value.strip()
    if not value:
        return ""
    if field.values is not None:
        return field.back.get(value, Untranslatable("the partner has a word without translation"))
    if field.kind == "phone":
        phone = e164(value, region)
        return Untranslatable(phone.reason) if isinstance(phone, BadPhone) else phone.e164
    if field.kind == "date":
        written = value[:DAY_WIDTH] if field.date == ISO_DAY else value
        return in_format(written, field.date, ISO_DAY)
    if field.kind == "whole" and not WHOLE.fullmatch(value):
        return Untranslatable("the partner has no whole number")
    return value


def in_format(written: str, of: str, to: str) -> str | Untranslatable:
    """Write a date in another format."""
    try:
        return datetime.strptime(written, of).strftime(to)  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return Untranslatable("holds no date")


def same(field: PartnerField, here: str, there: str, region: str) -> bool:
    """Tell whether the partner's value means what is expected there, whatever its notation.

    ``here`` is REDCap's value in the partner's words.
    """
    if field.kind == "text":
        return " ".join(here.split()) == " ".join(there.split())
    if field.kind in ("choice", "whole"):
        return here == there.strip()
    one, other = to_redcap(field, here, region), to_redcap(field, there, region)
    return not isinstance(other, Untranslatable) and one == other


def member_row(member: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """Give a member as one row of a members frame; ``names``: column → name in the answer."""
    return {column: as_text(member.get(name)) for column, name in names.items()}
