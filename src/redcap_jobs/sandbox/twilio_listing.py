"""``GET Messages.json``: filters, order and pages.

Filters by date are by the day on which a message was sent, in GMT; what was not sent yet has no
such day and is not found by them. A page token names the message after which (``PA``) or before
which (``PB``) a page begins, so that messages that come or are deleted in between shift nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from urllib.parse import urlencode

from redcap_jobs.sandbox.faults import FaultRule
from redcap_jobs.sandbox.twilio_errors import TwilioRefusal
from redcap_jobs.sandbox.twilio_messages import VERSION, Message, as_json
from redcap_jobs.sandbox.twilio_switchboard import Switchboard

PAGE_SIZE, LARGEST_PAGE = 50, 1000
FEW_DIGITS = re.compile("[0-9]{1,9}")
"""A whole number in digits that everybody reads, too short to be a burden."""
SECONDS_OF_DAY = 86_400
FIRST_DAY = date(1970, 1, 1)
DATE_FILTERS: Mapping[str, Callable[[int, int], bool]] = {
    "DateSent": lambda day, asked: day == asked,
    "DateSent<": lambda day, asked: day <= asked,
    "DateSent>": lambda day, asked: day >= asked,
}
"""Twilio writes ``DateSent>=2026-11-22``: name ``DateSent>``, on that day or later."""
FILTERS = ("To", "From", *DATE_FILTERS)
Row = tuple[float, int, Message, int]
"""When sent (or else created), number, message, step reached: sorted backwards, newest first."""


@dataclass(frozen=True)
class Page:
    """What a request asks for: filters, size, number, and the token of where it begins."""

    filters: Mapping[str, str]
    size: int
    number: int
    token: str


def page_of(query: Mapping[str, str]) -> Page:
    """Read a request's parameters.

    Raises:
        TwilioRefusal: The size is too large, or a page is named by its number alone.

    """
    filters = {name: query[name] for name in FILTERS if query.get(name)}
    size, number = whole(query, "PageSize", PAGE_SIZE), whole(query, "Page", 0)
    token = query.get("PageToken", "")
    if size > LARGEST_PAGE:
        raise TwilioRefusal(20007)
    if number and not token:
        raise TwilioRefusal(20006)
    return Page(filters, max(size, 1), number, token)


def whole(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a whole number of a query; TwilioRefusal if it is none."""
    text = query.get(name) or str(default)
    if not FEW_DIGITS.fullmatch(text):
        raise TwilioRefusal(20001, parameter=name)
    return int(text)


def listed(board: Switchboard, page: Page, fault: FaultRule | None) -> dict[str, object]:
    """Return one page of messages with the addresses of its neighbours."""
    with board.lock:
        now = board.now()
        youngest = now - fault.seconds if fault and fault.name == "twilio-list-lag" else now
        rows = found(board.messages(), page.filters, now, youngest)
        begin, end = span(rows, page, place_of(board, page.token[2:], now))
        shown = rows[begin:end]
        back = fault if fault and fault.name == "twilio-out-of-order" else None
        random = Random(back.chance if back else 0)  # noqa: S311 - bad luck, no secret
        sid = board.account.sid
        messages = [
            as_json(message, sid, max(place - random.randrange(2), 0) if back else place)
            for _, _, message, place in shown
        ]
    base = f"/{VERSION}/Accounts/{sid}/Messages.json"
    before = f"PB{shown[0][2].sid}" if shown and begin else ""
    after = f"PA{shown[-1][2].sid}" if shown and end < len(rows) else ""
    return {
        "end": page.number * page.size + max(len(shown) - 1, 0),
        "first_page_uri": address(base, page, 0, ""),
        "messages": messages,
        "next_page_uri": address(base, page, page.number + 1, after) if after else None,
        "page": page.number,
        "page_size": page.size,
        "previous_page_uri": (
            address(base, page, max(page.number - 1, 0), before) if before else None
        ),
        "start": page.number * page.size,
        "uri": address(base, page, page.number, page.token),
    }


def found(
    messages: Sequence[Message], filters: Mapping[str, str], now: float, youngest: float
) -> list[Row]:
    """Return the messages that pass the filters and are old enough, newest first."""
    days = [
        (DATE_FILTERS[name], day_of(name, filters[name]))
        for name in DATE_FILTERS
        if name in filters
    ]
    to, sender = filters.get("To"), filters.get("From")
    rows: list[Row] = []
    for message in messages:
        if message.created > youngest or (to is not None and message.to != to):
            continue
        place = message.place(now)
        if sender is not None and message.shown_sender(place) != sender:
            continue
        if days:
            sent = message.sent_at(place)
            if sent is None:
                continue
            day = int(sent // SECONDS_OF_DAY)
            if not all(passes(day, asked) for passes, asked in days):
                continue
        rows.append((*order(message, place), message, place))
    rows.sort(key=lambda row: row[:2], reverse=True)
    return rows


def order(message: Message, place: int) -> tuple[float, int]:
    """Return what lists are sorted by, backwards: when it was sent (or else created), its number."""
    sent = message.sent_at(place)
    return message.created if sent is None else sent, message.number


def place_of(board: Switchboard, sid: str, now: float) -> tuple[float, int] | None:
    """Return where in the order a message stands, or stood before it was deleted."""
    message = board.message(sid) or board.deleted(sid)
    return None if message is None else order(message, message.place(now))


def day_of(name: str, text: str) -> int:
    """Return the number of a day since 1970; a time of day is passed over.

    Raises:
        TwilioRefusal: It is no date.

    """
    try:
        return (date.fromisoformat(text[: len("2026-11-22")]) - FIRST_DAY).days
    except ValueError:
        raise TwilioRefusal(20001, parameter=name) from None


def span(rows: Sequence[Row], page: Page, named: tuple[float, int] | None) -> tuple[int, int]:
    """Return between which places a page's rows lie; ``named`` is where the token's message stands.

    Raises:
        TwilioRefusal: The token names no message.

    """
    if not page.token:
        return 0, page.size
    side = page.token[:2]
    if named is None or side not in ("PA", "PB"):
        raise TwilioRefusal(20006)
    if side == "PA":
        begin = bisect_right(rows, (-named[0], -named[1]), key=backwards)
        return begin, begin + page.size
    end = bisect_left(rows, (-named[0], -named[1]), key=backwards)
    return max(end - page.size, 0), end


def backwards(row: Row) -> tuple[float, int]:
    """Return what grows from one row of a list to the next."""
    return -row[0], -row[1]


def address(base: str, page: Page, number: int, token: str) -> str:
    """Return the address of a page."""
    query = {**page.filters, "PageSize": str(page.size), "Page": str(number)}
    return f"{base}?{urlencode(query | ({'PageToken': token} if token else {}))}"
