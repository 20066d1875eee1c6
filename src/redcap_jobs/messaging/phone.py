"""Phone numbers as they stand in REDCap, as E.164, or why a text cannot go there.

Numbers are read and judged by the numbering plans of the phonenumbers library. It cannot know
whether somebody has a number, nor, in North America, whether it is a landline: Twilio says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType, ValidationResult

if TYPE_CHECKING:
    import pandas as pd

TOO_LITTLE = "has too few digits"
TOO_MUCH = "has too many digits"
NO_NUMBER = "is no phone number"

NO_TEXTS = {
    PhoneNumberType.FIXED_LINE: "is a landline",
    PhoneNumberType.TOLL_FREE: "is a toll-free number",
    PhoneNumberType.PREMIUM_RATE: "is a premium-rate number",
    PhoneNumberType.SHARED_COST: "is a shared-cost number",
    PhoneNumberType.PAGER: "is a pager",
    PhoneNumberType.UAN: "is a company's service number",
    PhoneNumberType.VOICEMAIL: "is a voicemail number",
}
IMPOSSIBLE = {
    ValidationResult.TOO_SHORT: TOO_LITTLE,
    ValidationResult.TOO_LONG: TOO_MUCH,
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "lacks its area code",
    ValidationResult.INVALID_COUNTRY_CODE: "has no country code that exists",
    ValidationResult.INVALID_LENGTH: "has the wrong number of digits",
}
UNREADABLE = {
    NumberParseException.INVALID_COUNTRY_CODE: "has no country code that exists",
    NumberParseException.NOT_A_NUMBER: NO_NUMBER,
    NumberParseException.TOO_SHORT_AFTER_IDD: TOO_LITTLE,
    NumberParseException.TOO_SHORT_NSN: TOO_LITTLE,
    NumberParseException.TOO_LONG: TOO_MUCH,
}
FICTION = "555"
"""No area code of North America; films use it."""
NORTH_AMERICA = 1


@dataclass(frozen=True)
class Phone:
    """A number that texts can go to, as ``+12025550123``; it never shows itself."""

    e164: str = field(repr=False)


@dataclass(frozen=True)
class BadPhone:
    """Why no text can go there; ``reason`` continues "the mobile number ..."."""

    reason: str

    def __str__(self) -> str:
        return self.reason


def e164(text: str, region: str) -> Phone | BadPhone:
    """Read one number as people write it; ``region`` (``US``) is that of numbers without ``+``.

    Raises:
        ValueError: The region is not one of the two-letter codes of ISO 3166.

    """
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f'"{region}" is no region with phone numbers; expected one like "US"')
    if not text.strip():
        return BadPhone("is blank")
    try:
        number = phonenumbers.parse(text, region, keep_raw_input=True)
    except NumberParseException as error:
        return BadPhone(UNREADABLE.get(error.error_type, NO_NUMBER))
    reason = _written_oddly(text, number) or _unfit(number)
    if reason:
        return BadPhone(reason)
    return Phone(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def phones(numbers: pd.Series, region: str) -> pd.DataFrame:
    """Read a column of numbers, each distinct one once.

    Returns ``e164`` and ``problem``, both ``str`` on the index of ``numbers``: '' in one of them.
    """
    import pandas as pd

    read = {each: e164(each, region) for each in numbers.unique()}
    good = {each: phone.e164 for each, phone in read.items() if isinstance(phone, Phone)}
    bad = {each: phone.reason for each, phone in read.items() if isinstance(phone, BadPhone)}
    columns = {
        name: numbers.map(lambda each, known=known: known.get(each, "")).astype("str")
        for name, known in (("e164", good), ("problem", bad))
    }
    return pd.DataFrame(columns, index=numbers.index)


def _written_oddly(text: str, number: phonenumbers.PhoneNumber) -> str:
    """Say what beside one plain number stands in the text: '' for nothing."""
    if number.extension:
        return "has an extension"
    return "has letters in it" if any(each.isalpha() for each in text) else ""


def _unfit(number: phonenumbers.PhoneNumber) -> str:
    """Say why a number that can be read cannot be texted: '' if it can."""
    national = phonenumbers.national_significant_number(number)
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != ValidationResult.IS_POSSIBLE:
        return IMPOSSIBLE.get(possible, NO_NUMBER)
    if number.country_code == NORTH_AMERICA and national.startswith(FICTION):
        return "is a number reserved for fiction"
    if not phonenumbers.is_valid_number(number):
        return "is not a number anyone can have"
    return NO_TEXTS.get(phonenumbers.number_type(number), "")
