"""Survey links and codes: whoever holds one can answer in a participant's name.

None of them is logged, quoted in an error or kept; they go from REDCap's answer to the caller.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from redcap_jobs.redcap.answers import Answer, read_json
from redcap_jobs.redcap.errors import RequestRefused, TokenRefused
from redcap_jobs.redcap.plain_text import read_text

if TYPE_CHECKING:
    from redcap_jobs.redcap.transport import Transport

log = logging.getLogger(__name__)
T = TypeVar("T")

SURVEY_LINK = re.compile(r"https?://[^\s<>\"'?]+\?(?:[^\s<>\"']*&)?s=[A-Za-z0-9]{4,}")
QUEUE_LINK = re.compile(r"https?://[^\s<>\"'?]+\?(?:[^\s<>\"']*&)?sq=[A-Za-z0-9]{4,}")
RETURN_CODE = re.compile(r"[A-Za-z0-9]{4,20}")
UNKNOWN_RECORD = re.compile(r"The record .* does not exist")


class Surveys:
    """What one project's token may learn of its surveys.

    ``listable`` is False once the server refused the participant list: that needs a right of its
    own ("Manage Survey Participants"), and is not tried again.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.listable = True

    def links(self, instrument: str, event: str, records: Sequence[str]) -> dict[str, str]:
        """Return record → survey link; see :meth:`RedcapClient.survey_links`."""
        wanted = list(dict.fromkeys(records))
        listed = self.listed(instrument, event) if len(wanted) > 1 and self.listable else {}
        found = {record: listed[record] for record in wanted if record in listed}
        missing = [record for record in wanted if record not in found]
        if missing and len(wanted) > 1:
            log.debug("%d of %d links are asked for one by one", len(missing), len(wanted))
        for record in missing:
            link = self.link(instrument, event, record)
            if link:
                found[record] = link
        return {record: found[record] for record in wanted if record in found}

    def listed(self, instrument: str, event: str) -> dict[str, str]:
        """Return record → link from the participant list; {} if the server refuses the list.

        Left out is whoever has no link in it, or several (instances of a repeating survey, which
        the list does not tell apart).
        """
        place = {"instrument": instrument, **({"event": event} if event else {})}
        try:
            return self._post("participantList", place, read_participants, format="json")
        except RequestRefused as error:
            log.debug("no participant list of %s (HTTP %d)", instrument, error.status)
            self.listable = not isinstance(error, TokenRefused)
            return {}

    def link(self, instrument: str, event: str, record: str) -> str:
        """Return one record's link; '' where REDCap has no such record."""
        try:
            return self._post("surveyLink", at(record, instrument, event), one(SURVEY_LINK))
        except RequestRefused as error:
            if UNKNOWN_RECORD.search(error.reason):
                return ""
            raise

    def queue_link(self, record: str) -> str:
        """Return the link of one record's survey queue."""
        return self._post("surveyQueueLink", at(record), one(QUEUE_LINK))

    def return_code(self, record: str, instrument: str, event: str, repeat_instance: str) -> str:
        """Return the code with which a begun answer is gone on with."""
        place = at(record, instrument, event, repeat_instance)
        return self._post("surveyReturnCode", place, one(RETURN_CODE))

    def _post(
        self, content: str, place: Mapping[str, str], read: Callable[[Answer], T], **more: str
    ) -> T:
        return self._transport.post(content, {**place, **more}, read, repeatable=True)


def at(
    record: str, instrument: str = "", event: str = "", repeat_instance: str = ""
) -> dict[str, str]:
    """Return the form variables of one place; what does not apply is left out."""
    named = {
        "record": record,
        "instrument": instrument,
        "event": event,
        "repeat_instance": repeat_instance,
    }
    return {name: value for name, value in named.items() if value}


def one(shape: re.Pattern[str]) -> Callable[[Answer], str]:
    """Return a reader of a plain text of one shape: half a link must not reach a participant."""

    def read(answer: Answer) -> str:
        text = read_text(answer)
        if not text:
            raise answer.call.overloaded("an empty answer came where a link or code must be")
        if not shape.fullmatch(text):
            raise answer.call.unusable("the answer is no link or code")
        return text

    return read


def read_participants(answer: Answer) -> dict[str, str]:
    """Read a participant list: record → link of those with a record and exactly one link.

    E-mail addresses, names and access codes of the list are dropped here.
    """
    raw = read_json(answer)
    if not isinstance(raw, list) or not all(isinstance(row, dict) for row in raw):
        raise answer.call.unusable("the answer has another shape than documented")
    if any(not {"record", "survey_link"} <= row.keys() for row in raw):
        raise answer.call.unusable("the participant list has no record or link", transient=False)
    return unambiguous((row["record"], row["survey_link"]) for row in raw)


def unambiguous(pairs: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Return record → link of the records that stand with one link only."""
    links: dict[str, set[str]] = {}
    for record, link in pairs:
        if record not in (None, "") and SURVEY_LINK.fullmatch(str(link or "")):
            links.setdefault(str(record), set()).add(str(link))
    return {record: found.pop() for record, found in links.items() if len(found) == 1}
