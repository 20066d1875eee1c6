"""Stand-ins for the client's tests: a clock that does not wait, a budget that does not count."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import requests
import responses

from redcap_jobs.redcap.client import RedcapClient

URL = "https://redcap.example.edu/api/"
TOKEN = "0123456789ABCDEF0123456789ABCDEF"
LABEL = "REDCAP_API_SNOW"

Reply = tuple[int, dict[str, str], str | bytes]


class HandClock:
    """A clock moved by sleeping; remembers each pause in seconds."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.pauses: list[float] = []

    def now(self) -> datetime:
        return self.instant

    def sleep(self, pause: timedelta) -> None:
        self.pauses.append(pause.total_seconds())
        self.instant += max(pause, timedelta(0))


class FreeBudget:
    """A budget without bounds that counts what was taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.silent = False

    def take(self) -> None:
        self.taken += 1

    def silent_until(self) -> datetime | None:
        return datetime(2026, 3, 1, 13, tzinfo=UTC) if self.silent else None

    def keep_silent(self) -> None:
        self.silent = True


def new_client(
    url: str = URL,
    clock: HandClock | None = None,
    token: str = TOKEN,
    budget: FreeBudget | None = None,
    **settings: Any,
) -> RedcapClient:
    counted: Any = budget or FreeBudget()
    return RedcapClient(url, token, LABEL, budget=counted, clock=clock or HandClock(), **settings)


def form_of(request: requests.PreparedRequest) -> dict[str, str]:
    body = request.body or ""
    text = body.decode() if isinstance(body, bytes) else str(body)
    return dict(parse_qsl(text, keep_blank_values=True))


def forms() -> list[dict[str, str]]:
    """Return the forms of all requests made so far."""
    return [form_of(call.request) for call in responses.calls]


def listed(form: Mapping[str, str], name: str) -> list[str]:
    """Return the values of one array parameter, in order."""
    found = {int(key[len(name) + 1 : -1]): form[key] for key in form if key.startswith(f"{name}[")}
    return [found[number] for number in sorted(found)]


def json_reply(data: object, status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(data)


def csv_reply(rows: Iterable[Sequence[str]]) -> Reply:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return 200, {"Content-Type": "text/csv; charset=utf-8"}, text.getvalue()


def memory_reply() -> Reply:
    text = "REDCap ran out of server memory. The request cannot be processed."
    return json_reply({"error": text}, 500)


def answer_with(answer: Callable[[dict[str, str]], Reply]) -> None:
    """Let every request be answered by a function of its form."""
    responses.add_callback(
        responses.POST, URL, callback=lambda request: answer(form_of(request)), content_type=None
    )


def answer_always(reply: Reply) -> None:
    """Let every request be answered the same."""
    answer_with(lambda _: reply)


class Rows:
    """A server's rows as they are exported: header, then one tuple per row."""

    def __init__(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self.header = list(header)
        self.rows = [list(row) for row in rows]

    def reply(self, form: Mapping[str, str]) -> Reply:
        fields, events = listed(form, "fields"), listed(form, "events")
        records = listed(form, "records")
        keep = [
            place
            for place, name in enumerate(self.header)
            if name.partition("___")[0] in fields
            or (name.startswith("redcap_") and name != "redcap_data_access_group")
            or (name == "redcap_data_access_group" and "exportDataAccessGroups" in form)
        ]
        event = self.header.index("redcap_event_name") if "redcap_event_name" in self.header else -1
        rows = [
            row
            for row in self.rows
            if (not records or row[0] in records) and (not events or row[event] in events)
        ]
        if form["format"] == "json":
            return json_reply([{self.header[at]: row[at] for at in keep} for row in rows])
        if not rows:
            return 200, {"Content-Type": "text/csv; charset=utf-8"}, ""
        table = [self.header, *rows]
        return csv_reply([row[place] for place in keep] for row in table)
