"""``POST`` and ``DELETE`` of one message: redacting, canceling, deleting.

Only a scheduled message can be canceled (Twilio's error page 30409), never in one request with
redacting (30400), and none can be deleted before it is complete (20009).
"""

from __future__ import annotations

from collections.abc import Mapping

from redcap_jobs.sandbox.twilio_errors import TwilioRefusal
from redcap_jobs.sandbox.twilio_messages import Message
from redcap_jobs.sandbox.twilio_switchboard import Switchboard

CANCELED = "canceled"


def update(board: Switchboard, message: Message, form: Mapping[str, str]) -> None:
    """Redact or cancel a message.

    Raises:
        TwilioRefusal: It cannot be, or something else is asked for.

    """
    if "Body" in form and "Status" in form:
        raise TwilioRefusal(30400)
    if form.get("Body"):
        raise TwilioRefusal(20001, parameter="Body")
    if form.get("Status", CANCELED) != CANCELED:
        raise TwilioRefusal(20001, parameter="Status")
    with board.lock:
        now = board.now()
        if "Status" in form:
            if message.steps[message.place(now)].status != "scheduled":
                raise TwilioRefusal(30409)
            message.ends(now, CANCELED)
        elif "Body" in form:
            message.body = ""


def delete(board: Switchboard, message: Message) -> None:
    """Delete a message.

    Raises:
        TwilioRefusal: It is not over yet.

    """
    with board.lock:
        if not message.is_final(board.now()):
            raise TwilioRefusal(20009)
        board.delete(message.sid)
