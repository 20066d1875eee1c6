"""What only a real connection to Twilio shows: answers that drip, break off, or come packed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from threading import Event

import pytest
from tests.odd_server import Serve, dripping, server

from redcap_jobs.messaging.twilio import Account, TwilioClient
from redcap_jobs.messaging.twilio_answers import TwilioUnreachable
from redcap_jobs.state.throttle import OUT_OF_SIGHT

SID, SECRET = "AC" + "a1" * 16, "correct-horse-battery"
NUMBER, PHONE = "+12025550100", "+12025550123"
HOUR, TODAY = timedelta(hours=1), date(2026, 11, 24)


class PassingClock:
    """A clock on which so much goes by whenever somebody looks."""

    def __init__(self, step: timedelta) -> None:
        self.time = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
        self.step = step

    def now(self) -> datetime:
        self.time += self.step
        return self.time

    def sleep(self, pause: timedelta) -> None:
        raise AssertionError(f"nothing is waited for here, nor {pause}")


@contextmanager
def twilio(
    serve: Serve, clock: PassingClock | None = None, done: Event | None = None
) -> Iterator[tuple[TwilioClient, list[str]]]:
    """Run a Twilio that answers by ``serve``; yield a client of it, and the methods called."""
    account = Account(SID, SID, SECRET, NUMBER)
    with server(serve, done) as (url, calls):
        yield TwilioClient(account, url, lambda text, kind: kind, clock), calls


def answer(body: bytes, *headers: tuple[str, str], status: int = 200, length: int = 0) -> Serve:
    """Make answers with one body, of which ``length`` bytes more are announced."""

    def serve(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) + length))
        for header in headers:
            handler.send_header(*header)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return serve


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_that_drips_for_ever_is_given_up(*, chunked: bool) -> None:
    """Nobody holds the sender's lease that long; of the text nobody knows then.

    It is over before other hosts would take the lease for a dead one's.
    """
    done, clock = Event(), PassingClock(timedelta(seconds=20))
    began = clock.time
    with twilio(dripping(done, chunked=chunked), clock, done) as (client, calls):
        posted = client.send(PHONE, "Hello", HOUR)
        assert clock.time - began < OUT_OF_SIGHT
        assert (posted.state, posted.note) == ("unknown", "ReadTimeout")
        with pytest.raises(TwilioUnreachable, match="ReadTimeout"):
            client.outbound(TODAY)
        assert calls == ["POST", "GET"]


def test_an_answer_that_breaks_off_is_no_answer() -> None:
    """Fewer bytes than announced: the text may have gone out, and a list is never a shorter one."""
    made = json.dumps({"sid": "SM" + "0" * 32, "status": "queued"}).encode()
    with twilio(answer(made, status=201, length=10)) as (client, calls):
        posted = client.send(PHONE, "Hello", HOUR)
        assert (posted.state, posted.note) == ("unknown", "ConnectionError")
        assert calls == ["POST"]
    with (
        twilio(answer(b'{"messages": []}', length=10)) as (client, _),
        pytest.raises(TwilioUnreachable, match="ConnectionError"),
    ):
        client.outbound(TODAY)


def test_an_answer_may_come_packed_and_in_its_time() -> None:
    """Gzip is unpacked; half a minute between looks at the clock is no reason to give up."""
    made = gzip.compress(json.dumps({"sid": "SM" + "0" * 32, "status": "queued"}).encode())
    serve = answer(made, ("Content-Encoding", "gzip"), status=201)
    with twilio(serve, PassingClock(timedelta(seconds=30))) as (client, _):
        assert client.send(PHONE, "Hello", HOUR).state == "sent"
