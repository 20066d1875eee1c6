"""What only a real connection to the partner shows: answers that drip, stop, or come packed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from partner_doubles import PAYLOAD, TOKEN, HandClock, member, new_client, page

from redcap_jobs.partner.agile import ATTEMPTS, Access, PartnerUnreachable

Serve = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(serve: Serve) -> Iterator[tuple[Access, list[str]]]:
    """Run a partner on this machine that answers by ``serve``; yield how to reach it, and calls."""
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            calls.append(self.command)
            serve(self)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Access(f"http://127.0.0.1:{http.server_port}", token=TOKEN), calls
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


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

    def drip(handler: BaseHTTPRequestHandler) -> None:
        head(handler, ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "99999"))
        byte = b"1\r\n \r\n" if chunked else b" "
        with suppress(OSError):
            while not done.wait(0.002):
                handler.wfile.write(byte)
        handler.close_connection = True

    with server(drip) as (access, calls):
        posted = new_client(MinuteClock(), access).enrol(PAYLOAD)
        assert (posted.state, posted.note) == ("unknown", "the answer was lost (ReadTimeout)")
        with pytest.raises(PartnerUnreachable, match=r"no answer \(ReadTimeout\)"):
            new_client(MinuteClock(), access).all_members()
        assert calls == ["POST", *["GET"] * ATTEMPTS]
        done.set()


def test_an_answer_that_breaks_off_is_no_shorter_list() -> None:
    """Fewer bytes than announced: asked again, then an error."""
    body = json.dumps(page([member(1)])).encode()

    def cut(handler: BaseHTTPRequestHandler) -> None:
        head(handler, ("Content-Length", str(len(body) + 10)))
        handler.wfile.write(body)
        handler.close_connection = True

    with server(cut) as (access, calls):
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

    with server(pack) as (access, _):
        assert new_client(access=access).all_members() == [member(1, city="Zürich")]
