"""What an answer of Twilio's means that is no message: refused, lost, not to be had.

Of a POST it must be known whether a text went out; where that is not documented, nobody knows.
"""

from __future__ import annotations

import json
import re

from redcap_jobs.errors import CredentialsError, RedcapJobsError
from redcap_jobs.messaging.twilio_codes import CODES, reaction
from redcap_jobs.plan import Posted

SERVER_ERROR = 500
REQUEST_TIMEOUT = 408
TOO_MANY_REQUESTS = 429
NOT_FOUND = 20404
CODE = re.compile(r"[1-9][0-9]{2,6}")


class TwilioUnreachable(RedcapJobsError):
    """Twilio gave no usable answer to a question; nothing was sent by it."""


class NotFound(TwilioUnreachable):
    """Twilio has nothing of that name."""


def refused(status: object, code: str) -> Posted:
    """Say what a refused POST means: the table's word for its code, unknown for server errors.

    Unknown, too, for 408: something on the way had no patience, and may have passed it on. With 429
    nothing was processed (Twilio's error page 20429), but its code may say that more would not be
    either: a full queue (21611) and the daily limit (63038) come with it (recorded in twilio-php's
    issue 661 and in public tests against Twilio).

    Either may come from a body that is not Twilio's: what is no number is not believed, nor kept.
    """
    if not isinstance(status, int):
        return Posted("unknown", note="HTTP status not told")
    code = code if CODE.fullmatch(code) else str(status)
    if status >= SERVER_ERROR or status == REQUEST_TIMEOUT:
        return Posted("unknown", code=code, note=f"HTTP {status}")
    if code == str(status) != str(TOO_MANY_REQUESTS):
        sentence = (
            f"HTTP {status} came without a code of Twilio's: something on the way answered in its "
            "place; look at [sender] url and the network"
        )
        return Posted("rejected", code=code, stops=sentence, sentence=sentence)
    busy = status == TOO_MANY_REQUESTS
    known = reaction("20429" if busy and code not in CODES else code)
    return Posted(
        "rejected",
        code=code,
        not_sent=busy or known.kind == "not_sent",
        stops=known.sentence if known.stops_run else "",
        sentence=known.sentence,
    )


def lost(error: Exception) -> Posted:
    """Tell a connection that was never made, which sent nothing, from an answer that was lost."""
    from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NewConnectionError | ConnectTimeoutError | NameResolutionError):
        sentence = "Twilio could not be reached, so nothing was sent; it is tried again"
        return Posted("rejected", code="", not_sent=True, stops=sentence, sentence=sentence)
    return Posted("unknown", note=type(error).__name__)


def explained(error: Exception) -> RedcapJobsError:
    """Turn twilio-python's error to a question into ours; its own text quotes numbers.

    A list's error has no status or code of its own, only the answer as its second argument.
    """
    answer = error.args[1] if len(error.args) > 1 else None
    status = getattr(error, "status", getattr(answer, "status_code", 0))
    code = getattr(error, "code", None) or code_in(str(getattr(answer, "text", "")))
    if status in (401, 403):
        return CredentialsError(
            f"Twilio refused the credentials (HTTP {status}, code {code or 'none'}): they are wrong, "
            "or the account is suspended. Correct the variables that [sender] names, or ask Twilio"
        )
    if code == NOT_FOUND:  # 404 without it is the word of something on the way
        return NotFound(f"Twilio knows nothing of that name (code {code})")
    return TwilioUnreachable(
        f"Twilio answered HTTP {status or '?'} (code {code or 'none'}); nothing was sent; the next "
        "run asks again"
    )


def code_in(answer: str) -> int | None:
    """Return Twilio's code out of an answer; None where it holds none."""
    try:
        code = json.loads(answer)["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return code if isinstance(code, int) and CODE.fullmatch(str(code)) else None
