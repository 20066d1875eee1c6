"""The fields of a partner's member: their names, what fits into each, and how a refusal reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
REQUIRED = ("studyId", "firstName", "mobilePhone", "language")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "language": ("en", "es"),
    "childGender": ("F", "M", "X"),
    "arm": ("OHT", "CWT"),
    "status": ("enrolled", "active", "completed", "opted_out", "withdrawn"),
}
TEXTS = ("studyId", "firstName", "lastName", "mobilePhone", "childName", "childDob")
WHOLE = ("brushDays",)
GIVEN = (*TEXTS, *WHOLE, *CHOICES)
"""What a client may send; all else is the partner's own."""
STAMP_OF = {
    "active": "activatedAt",
    "opted_out": "optedOutAt",
    "completed": "completedAt",
    "withdrawn": "withdrawnAt",
}
FIELDS = ("memberId", *GIVEN, "programWeek", "enrolledAt", *STAMP_OF.values(), "updatedAt")
MOST_CHARACTERS = 100


class PartnerRefusal(Exception):
    """A request is refused: the HTTP status, a code, the field it is about and a message."""

    def __init__(self, status: int, code: str, message: str, about: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.about = status, code, message, about

    def as_json(self) -> dict[str, object]:
        """Return the body of the answer."""
        error = {"code": self.code, "message": self.message}
        return {"error": error | ({"field": self.about} if self.about else {})}


def blank_member(member_id: str, now: str) -> dict[str, Any]:
    """Return a member of whom nothing is known yet but that it was enrolled now."""
    known = {"memberId": member_id, "status": "enrolled", "enrolledAt": now, "updatedAt": now}
    return dict.fromkeys(FIELDS) | known


def for_enrolment(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an enrolment sets.

    Raises:
        PartnerRefusal: A field is unknown, malformed or missing, or is set elsewhere.

    """
    fields = well_formed(given)
    for name in ("arm", "status"):
        if name in fields:
            raise invalid(name, "cannot be set by an enrolment")
    for name in REQUIRED:
        if fields.get(name) is None:
            raise PartnerRefusal(422, "missing_field", f"{name} is required", name)
    return fields


def for_update(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an update sets; None erases.

    Raises:
        PartnerRefusal: A field is unknown, malformed, required and erased, or is set elsewhere.

    """
    fields = well_formed(given)
    if "arm" in fields:
        raise invalid("arm", "has an address of its own")
    if fields.get("status", "withdrawn") != "withdrawn":
        raise invalid("status", "can only be set to withdrawn")
    for name in REQUIRED:
        if name in fields and fields[name] is None:
            raise invalid(name, "cannot be erased")
    return fields


def for_assignment(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an arm assignment sets.

    Raises:
        PartnerRefusal: There is another field than the arm, or no arm, or an unknown one.

    """
    fields = well_formed(given)
    for name in fields:
        if name != "arm":
            raise invalid(name, "cannot be set with the arm")
    if fields.get("arm") is None:
        raise PartnerRefusal(422, "missing_field", "arm is required", "arm")
    return fields


def well_formed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields as they are kept: '' is None, whole numbers are numbers.

    Raises:
        PartnerRefusal: A field is unknown or malformed.

    """
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if name not in GIVEN:
            raise PartnerRefusal(422, "unknown_field", "there is no such field", name)
        if value is None or value == "":
            fields[name] = None
            continue
        wrong = fault_in(name, value)
        if wrong:
            raise invalid(name, wrong)
        fields[name] = int(value) if name in WHOLE else value
    return fields


def fault_in(name: str, value: object) -> str:
    """Say what is wrong with a value; '' for nothing."""
    if name in WHOLE:
        is_whole = isinstance(value, str | int) and not isinstance(value, bool)
        fits = is_whole and re.fullmatch("[0-7]", str(value))
        return "" if fits else "must be a whole number, 0 to 7"
    if not isinstance(value, str):
        return "must be a text"
    if len(value) > MOST_CHARACTERS:
        return f"must have {MOST_CHARACTERS} characters at most"
    if name in CHOICES and value not in CHOICES[name]:
        return f"must be one of {', '.join(CHOICES[name])}"
    if name == "mobilePhone" and not E164.fullmatch(value):
        return "must be in E.164"
    if name == "childDob" and not is_american_date(value):
        return "must be MM/DD/YYYY"
    return ""


def invalid(name: str, why: str) -> PartnerRefusal:
    """Return the refusal of a field that cannot be taken."""
    return PartnerRefusal(422, "invalid_field", why, name)


def is_american_date(value: str) -> bool:
    """Tell whether a value is a date in the partner's notation."""
    try:
        return datetime.strptime(value, "%m/%d/%Y").strftime("%m/%d/%Y") == value  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return False


def stamp(instant: datetime) -> str:
    """Return an instant as the partner writes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
