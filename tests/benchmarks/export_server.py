"""A server process that answers one large export, and the few calls PyCap makes before it.

``python export_server.py FILE.csv [gzip]`` prints its port and serves until it is ended.
"""

from __future__ import annotations

import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

BODY = Path(sys.argv[1]).read_bytes()
PACKED = gzip.compress(BODY, 6) if "gzip" in sys.argv[2:] else None
COLUMNS = BODY.partition(b"\n")[0].decode().split(",")
STRUCTURE = {
    "metadata": [
        {
            "field_name": name,
            "form_name": "all",
            "field_type": "text",
            "select_choices_or_calculations": "",
        }
        for name in COLUMNS
        if not name.startswith("redcap_")
    ],
    "arm": [{"arm_num": 1, "name": "Arm 1"}],
    "event": [{"unique_event_name": "baseline_arm_1", "event_name": "Baseline", "arm_num": 1}],
    "formEventMapping": [{"arm_num": 1, "unique_event_name": "baseline_arm_1", "form": "all"}],
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        content = form["content"][0]
        records = content == "record"
        body = BODY if records else json.dumps(STRUCTURE[content]).encode()
        self.send_response(200)
        kind = "text/csv" if records else "application/json"
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        if records and PACKED is not None:
            body = PACKED
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Say nothing."""


if __name__ == "__main__":
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(http.server_port, flush=True)  # noqa: T201 - how its caller learns the port
    http.serve_forever()
