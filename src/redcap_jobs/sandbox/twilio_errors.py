"""What Twilio refuses, and in which words: ``{code, message, more_info, status}``.

Codes and titles are those of Twilio's error dictionary. Most sentences are quoted in public code
and issues as they came from Twilio; those of 20005, 20006, 20007, 20009, 21608, 21701, 21704,
30400, 351xx, 63038 and 90007 are the dictionary's titles. That 21611 comes with 429 is recorded in
public tests that ran against Twilio, that 63038 does in twilio-php's issue 661. ``{to}`` and
``{from}`` stand for phone numbers, as in Twilio's own answers: whoever logs such a message logs a
phone number.
"""

from __future__ import annotations

from collections.abc import Mapping

REFUSALS: Mapping[int, tuple[int, str]] = {
    20001: (400, "Invalid parameter: {parameter}"),
    20003: (401, "Authenticate"),
    20005: (401, "Account not active"),
    20006: (400, "Page number out of range"),
    20007: (400, "Page size too large"),
    20009: (409, "Cannot delete this resource before it is complete"),
    20404: (404, "The requested resource {path} was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    20503: (503, "Service is unavailable. Please try again"),
    21211: (400, "Invalid 'To' Phone Number: {masked}"),
    21212: (
        400,
        "The 'From' number {from} is not a valid phone number, shortcode, or alphanumeric sender ID.",
    ),
    21266: (400, "'To' and 'From' number cannot be the same: {to}"),
    21408: (
        400,
        "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}",
    ),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (
        400,
        "The From phone number {from} is not a valid, SMS-capable inbound phone number or short code for your account.",
    ),
    21608: (400, "The 'to' phone number provided is not yet verified for this account."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (429, "This 'From' number has exceeded the maximum number of queued messages"),
    21612: (
        400,
        "The 'To' phone number: {to}, is not currently reachable using the 'From' phone number: {from} via SMS.",
    ),
    21614: (400, "To number: {to}, is not a mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21635: (400, "'To' number: {to}, cannot be a landline"),
    21659: (400, "'From' {from} is not a Twilio phone number or Short Code country mismatch"),
    21701: (400, "The Messaging Service does not exist"),
    21704: (400, "The Messaging Service contains no phone numbers"),
    30400: (400, "This message cannot be canceled and updated in one request"),
    30409: (409, "This message cannot be canceled"),
    35111: (400, "SendAt timestamp is missing"),
    35114: (400, "Scheduling does not support this timestamp"),
    35118: (400, "MessagingServiceSid is required to schedule a message"),
    35126: (400, "The ScheduleType value provided is not supported for this channel"),
    63038: (429, "Account exceeded the daily messages limit"),
    90007: (400, "Invalid validity period value"),
}
"""Code → HTTP status and sentence."""

TITLES: Mapping[int, str] = {
    21211: "Invalid 'To' Phone Number",
    21266: "'To' and 'From' number cannot be the same",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
    21608: "The 'to' phone number provided is not yet verified for this account.",
    21610: "Attempt to send to unsubscribed recipient",
    21612: "Message cannot be sent with the current combination of 'To' and/or 'From' parameters",
    21614: "'To' number is not a valid mobile number",
    21635: "'To' number cannot be a landline",
    14107: "SMS send rate limit exceeded",
    30001: "Queue overflow",
    30002: "Account suspended",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
    30017: "Carrier network congestion",
    30022: "US A2P 10DLC - Rate Limits Exceeded",
    30034: "US A2P 10DLC - Message from an Unregistered Number",
    30036: "Validity Period Expired",
    30410: "Provider Timeout Error",
    30500: "Twilio Internal Error",
    63038: "Account exceeded the daily messages limit",
}
"""Code of a message that came to nothing → its ``error_message``."""


class TwilioRefusal(Exception):
    """A request that Twilio refuses.

    ``str()`` is the code alone: the sentence may quote a phone number.
    """

    def __init__(self, code: int, **words: str) -> None:
        super().__init__(str(code))
        self.code = code
        self.status, text = REFUSALS[code]
        self.message = text.format_map(words)

    def as_json(self) -> dict[str, object]:
        """Return the answer's body."""
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def error_message(code: int | None) -> str | None:
    """Return what the message resource says beside its ``error_code``."""
    return None if code is None else TITLES.get(code, "Unknown error")


def masked(number: str) -> str:
    """Return a number with its last four digits hidden, as answers with code 21211 quote it."""
    return f"{number[:-4]}XXXX" if len(number) > len("1234") else number
