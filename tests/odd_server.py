"""A server on this machine that answers as a test says: late, in pieces, without an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

Serve = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(serve: Serve, done: Event | None = None) -> Iterator[tuple[str, list[str]]]:
    """Answer GETs and POSTs by ``serve``; yield the address, and the methods called so far.

    ``done`` is set at the end: what still waits for it goes home.
    """
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
        yield f"http://127.0.0.1:{http.server_port}", calls
    finally:
        if done:
            done.set()
        http.shutdown()
        http.server_close()
        thread.join()


def dripping(done: Event, *, chunked: bool, content_type: str = "application/json") -> Serve:
    """Make answers of one byte now and then, each well within a time-out between bytes."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        how = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "100000")
        handler.send_header(*how)
        handler.end_headers()
        byte = b"1\r\n \r\n" if chunked else b" "
        with suppress(OSError):
            while not done.wait(0.002):
                handler.wfile.write(byte)
        handler.close_connection = True

    return drip
