"""What one value must look like to be imported, and REDCap's words when it does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime

from redcap_jobs.sandbox.dictionary import STATUS_CHOICES, Column, Field
from redcap_jobs.sandbox.structure import Structure

BAD_FORMAT = (
    "The value you provided could not be validated because it does not follow the expected "
    "format. Please try again."
)
YMD = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DATE_ORDERS = {"YMD": ("y", "m", "d"), "MDY": ("m", "d", "y"), "DMY": ("d", "m", "y")}

Check = Callable[[str], str]
"""Take a non-blank value, return it as it is stored, or raise :class:`BadValue`."""


class BadValue(Exception):
    """A value that REDCap would refuse; the text is its reason."""


def import_date(value: str, order: str) -> str:
    """Return a date as YYYY-MM-DD; it comes in the import's ``dateFormat``.

    Raises:
        BadValue: It is no date of the calendar in that order.

    """
    parts = re.fullmatch(r"(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})", value, re.ASCII)
    if not parts:
        raise BadValue(BAD_FORMAT)
    given = dict(zip(DATE_ORDERS[order], parts.groups(), strict=True))
    if len(given["y"]) != 4 or (order == "YMD" and not YMD.fullmatch(value)):
        raise BadValue(BAD_FORMAT)
    try:
        return date(int(given["y"]), int(given["m"]), int(given["d"])).isoformat()
    except ValueError:
        raise BadValue(BAD_FORMAT) from None


def import_datetime(value: str, order: str, time_format: str) -> str:
    """Return a date and time as stored, with or without seconds.

    Raises:
        BadValue: The date or the time is not one.

    """
    day, _, clock = value.partition(" ")
    stored = import_date(day, order)
    try:
        time = datetime.strptime(clock, time_format)  # noqa: DTZ007 - a time of day, no instant
    except ValueError:
        raise BadValue(BAD_FORMAT) from None
    if not clock.isascii() or len(clock) != len(time.strftime(time_format)):
        raise BadValue(BAD_FORMAT)
    return f"{stored} {clock}"


PATTERNS = {
    "integer": r"[-+]?\d+",
    "number": r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?",
    "number_1dp": r"-?\d+\.\d",
    "number_2dp": r"-?\d+\.\d{2}",
    "number_3dp": r"-?\d+\.\d{3}",
    "number_4dp": r"-?\d+\.\d{4}",
    "number_comma_decimal": r"[-+]?\d+(,\d+)?",
    "phone": r"(\+?1[ .-]?)?(\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-]?)[2-9]\d{2}[ .-]?\d{4}"
    r"( ?(x|ext\.?) ?\d{1,6})?",
    "email": r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}",
    "zipcode": r"\d{5}(-\d{4})?",
    "ssn": r"\d{3}-\d{2}-\d{4}",
    "time": r"([01]\d|2[0-3]):[0-5]\d",
    "time_hh_mm_ss": r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d",
    "time_mm_ss": r"[0-5]\d:[0-5]\d",
    "alpha_only": r"[A-Za-z]+",
}
"""Validation type → pattern of the whole value. A type that is not listed takes anything."""


def column_check(column: Column, structure: Structure, order: str) -> Check:
    """Return the check for one column's values; ``order`` is the import's ``dateFormat``."""
    if column.kind == "status":
        return choice_check(column.name, STATUS_CHOICES)
    field = structure.field_by_name[column.field]
    if column.kind == "checkbox":
        return choice_check(column.name, {"0": "", "1": ""})
    check = choice_check(field.name, field.labels) if field.labels else text_check(field, order)
    return allowing(structure.missing_data_codes, check)


def allowing(codes: Mapping[str, str], check: Check) -> Check:
    """Let a project's missing-data codes pass, whatever the field's type."""
    if not codes:
        return check
    return lambda value: value if value in codes else check(value)


def choice_check(name: str, codes: Mapping[str, str]) -> Check:
    """Return the check of a field that offers choices."""

    def check(value: str) -> str:
        if value not in codes:
            raise BadValue(f"The value is not a valid category for {name}")
        return value

    return check


def text_check(field: Field, order: str) -> Check:
    """Return the check of a text, notes or slider field."""
    validation = "integer" if field.type == "slider" else field.validation
    if validation.startswith("datetime_seconds"):
        return lambda value: import_datetime(value, order, "%H:%M:%S")
    if validation.startswith("datetime"):
        return lambda value: import_datetime(value, order, "%H:%M")
    if validation.startswith("date"):
        return lambda value: import_date(value, order)
    pattern = re.compile(PATTERNS.get(validation, r"(?s).*"), re.ASCII)

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise BadValue(BAD_FORMAT)
        return value

    return check
