"""Uploads as a multipart form, for tests that need no client."""

from __future__ import annotations

import requests
from sandbox_projects import TIMEOUT, Caller


def upload(caller: Caller, name: str = "new.txt", **parameters: str) -> requests.Response:
    """Post a file with ``action=import`` and these parameters."""
    return requests.post(
        caller.url,
        data={"token": caller.token, "action": "import", **parameters},
        files={"file": (name, b"new bytes", "text/plain")},
        timeout=TIMEOUT,
    )
