"""What only a real connection to the partner shows: answers that drip, stop, or come packed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from threading import Event

import pytest
from partner_doubles import PAYLOAD, TOKEN, HandClock, member, new_client, page
from tests.odd_server import Serve, dripping, server

from redcap_jobs.partner.agile import ATTEMPTS, Access, PartnerUnreachable


@contextmanager
def partner(serve: Serve, done: Event | None = None) -> Iterator[tuple[Access, list[str]]]:
    """Run a partner that answers by ``serve``; yield how to reach it, and the methods called."""
    with server(serve, done) as (url, calls):
        yield Access(url, token=TOKEN), calls


class MinuteClock(HandClock):
    """A clock on which a minute goes by whenever somebody looks."""

    def now(self) -> datetime:
        self.instant += timedelta(minutes=1)
        return self.instant


def head(handler: BaseHTTPRequestHandler, *headers: tuple[str, str]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    for header in headers:
        handler.send_header(*header)
    handler.end_headers()


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_that_drips_for_ever_is_given_up(*, chunked: bool) -> None:
    """A byte now and then keeps the time-out between bytes away: nobody waits on it for ever.

    Of an enrolment nobody knows then; a question is asked again, and no more often than others.
    """
    done = Event()

    with partner(dripping(done, chunked=chunked), done) as (access, calls):
        posted = new_client(MinuteClock(), access).enrol(PAYLOAD)
        assert (posted.state, posted.note) == ("unknown", "the answer was lost (ReadTimeout)")
        with pytest.raises(PartnerUnreachable, match=r"no answer \(ReadTimeout\)"):
            new_client(MinuteClock(), access).all_members()
        assert calls == ["POST", *["GET"] * ATTEMPTS]


def test_an_answer_that_breaks_off_is_no_shorter_list() -> None:
    """Fewer bytes than announced: asked again, then an error."""
    body = json.dumps(page([member(1)])).encode()

    def cut(handler: BaseHTTPRequestHandler) -> None:
        head(handler, ("Content-Length", str(len(body) + 10)))
        handler.wfile.write(body)
        handler.close_connection = True

    with partner(cut) as (access, calls):
        with pytest.raises(PartnerUnreachable, match="no answer"):
            new_client(access=access).all_members()
        assert calls == ["GET"] * ATTEMPTS
        assert new_client(access=access).enrol(PAYLOAD).state == "unknown"


def test_an_answer_may_come_packed() -> None:
    """Gzip is unpacked; letters beyond a-z are read as UTF-8."""
    body = gzip.compress(json.dumps(page([member(1, city="Zürich")]), ensure_ascii=False).encode())

    def pack(handler: BaseHTTPRequestHandler) -> None:
        head(handler, ("Content-Length", str(len(body))), ("Content-Encoding", "gzip"))
        handler.wfile.write(body)

    with partner(pack) as (access, _):
        assert new_client(access=access).all_members() == [member(1, city="Zürich")]
