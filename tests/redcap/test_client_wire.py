"""What only a real connection shows: time-outs, answers that stop, gzip, a server that is gone."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from threading import Event

import pytest
from client_doubles import HandClock, new_client
from tests.odd_server import Serve, dripping, server

from redcap_jobs.redcap.errors import RedcapError, ServerOverloaded, Unreachable, UnusableAnswer

CSV = b"record_id,name\n" + b"".join(b"%d,someone\n" % number for number in range(1, 2001))


@contextmanager
def redcap(serve: Serve, done: Event | None = None) -> Iterator[str]:
    """Run a server that answers by ``serve``; yield the address of its API."""
    with server(serve, done) as (url, _):
        yield f"{url}/api/"


def send(
    handler: BaseHTTPRequestHandler, body: bytes, *, length: int | None = None, packed: bool = False
) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/csv; charset=utf-8")
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    if packed:
        handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    handler.wfile.write(body)
    handler.close_connection = length is not None


def export(url: str, clock: HandClock | None = None) -> int:
    with new_client(url, clock, read_seconds=0.2, connect_seconds=2) as client:
        return len(client.export_rows(["name"], record_id_field="record_id"))


def test_a_packed_answer_is_unpacked() -> None:
    """Gzip is asked for, and what comes so is read."""

    def serve(handler: BaseHTTPRequestHandler) -> None:
        assert handler.headers["Accept-Encoding"] == "gzip"
        send(handler, gzip.compress(CSV), packed=True)

    with redcap(serve) as url:
        assert export(url) == 2000


def test_a_server_that_does_not_answer_is_overloaded() -> None:
    """Nothing within the read time-out: the server is asked for less, not the same again."""
    done = Event()

    def serve(handler: BaseHTTPRequestHandler) -> None:
        done.wait(5)
        handler.close_connection = True

    with redcap(serve, done) as url, pytest.raises(ServerOverloaded, match="no answer within"):
        export(url)


def test_an_answer_that_stops_coming_is_overloaded() -> None:
    """A server that goes silent in the middle of an answer is treated like one that never began."""
    done = Event()

    def serve(handler: BaseHTTPRequestHandler) -> None:
        send(handler, CSV[:5000], length=len(CSV))
        handler.wfile.flush()
        done.wait(5)

    with redcap(serve, done) as url, pytest.raises(ServerOverloaded):
        export(url)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_that_drips_for_ever_is_overloaded(*, chunked: bool) -> None:
    """A byte now and then keeps every time-out between bytes away: the whole answer has one, too."""
    done = Event()

    class MinuteClock(HandClock):
        """A clock on which a minute goes by whenever somebody looks."""

        def now(self) -> datetime:
            self.instant += timedelta(minutes=1)
            return self.instant

    drip = dripping(done, chunked=chunked, content_type="text/csv")
    with redcap(drip, done) as url, pytest.raises(ServerOverloaded, match="too slowly"):
        export(url, MinuteClock())


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_connection_that_breaks_off_is_no_short_export(share: float) -> None:
    """Fewer bytes than announced is an error after five attempts, never a frame of fewer rows.

    The roster, which would say how to ask for less, gets five attempts of its own.
    """
    clock = HandClock()
    with (
        redcap(lambda handler: send(handler, CSV[: int(len(CSV) * share)], length=len(CSV))) as url,
        pytest.raises(Unreachable, match="broke off"),
    ):
        export(url, clock)
    assert clock.pauses == [2, 4, 8, 16] * 2


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ends", ["whole", "in a chunk", "between chunks", "in a size"])
def test_chunks_are_put_together_or_the_answer_is_none(ends: str, *, packed: bool) -> None:
    """PHP sends chunks without a length: the last, empty one alone says that all has come."""
    body = gzip.compress(CSV) if packed else CSV
    parts = [body[start : start + 700] for start in range(0, len(body), 700)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    tail = {
        "whole": b"0\r\n\r\n",
        "in a chunk": b"ff\r\nx",
        "between chunks": b"",
        "in a size": b"f",
    }

    def serve(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/csv; charset=utf-8")
        handler.send_header("Transfer-Encoding", "chunked")
        if packed:
            handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(chunks + tail[ends])
        handler.close_connection = True

    with redcap(serve) as url:
        if ends == "whole":
            assert export(url) == 2000
        else:
            with pytest.raises(RedcapError, match=r"broke off|unpacked"):
                export(url)


def test_a_broken_packing_is_no_answer() -> None:
    """Bytes that are called gzip and are none: an error without a trace of them."""
    with (
        redcap(lambda handler: send(handler, b"no gzip, Ms Example", packed=True)) as url,
        pytest.raises(RedcapError, match="unpacked") as failed,
    ):
        export(url)
    assert "Example" not in str(failed.value)


@pytest.mark.parametrize("end", [b'7,"open', b"7", b"7,a,b\n"])
def test_a_body_cut_by_the_server_itself_is_no_short_export(end: bytes) -> None:
    """A text that ends within quotes or with a row of another width is no answer."""
    with (
        redcap(lambda handler: send(handler, CSV + end)) as url,
        pytest.raises(UnusableAnswer, match="cut off, or no CSV"),
    ):
        export(url)


def test_a_server_that_is_gone_is_unreachable() -> None:
    """No server at that port: told with the host, after the usual attempts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clock = HandClock()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        export(f"http://127.0.0.1:{port}/api/", clock)
    assert len(clock.pauses) == 4


def test_one_connection_serves_many_calls() -> None:
    """A session keeps its connection: a run's calls do not shake hands anew each time."""
    ports: list[int] = []

    def serve(handler: BaseHTTPRequestHandler) -> None:
        ports.append(handler.client_address[1])
        send(handler, b"14.9.1")

    with redcap(serve) as url, new_client(url) as client:
        for _ in range(3):
            assert client.version() == "14.9.1"
    assert len(set(ports)) == 1
