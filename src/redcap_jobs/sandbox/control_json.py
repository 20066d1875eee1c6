"""What people send to the sandbox's own addresses: a JSON body, the id of a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from werkzeug.exceptions import NotFound

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.api import Api
from redcap_jobs.sandbox.project import SandboxProject

WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dict: "{}"}


def posted_json() -> Any:
    """Return the JSON value that was posted; None where it cannot be read.

    Raises:
        UsageError: It is not said to be JSON.

    """
    if not request.is_json:
        raise UsageError("the body must be sent as JSON (Content-Type: application/json)")
    return request.get_json(silent=True)


def checked(body: Any, keys: Mapping[str, type], example: str) -> dict[str, Any]:
    """Return a JSON object that has known keys with values of the right type only.

    Raises:
        UsageError: It is no object, has unknown keys or values of the wrong type.

    """
    if not isinstance(body, dict):
        raise UsageError(f"send a JSON object such as {example}")
    for key, value in body.items():
        kind = keys.get(key)
        if kind is None:
            raise UsageError(f"no key {key!r}; there are {', '.join(keys)}")
        fits = isinstance(value, (int, float) if kind is float else kind)
        if not fits or (isinstance(value, bool) and kind is not bool):
            raise UsageError(f"{key} must be {WORDS[kind]}")
    return body


def project_of(api: Api, pid: int) -> SandboxProject:
    """Return the project that an address names.

    Raises:
        NotFound: There is none.

    """
    for project in api.projects:
        if project.pid == pid:
            return project
    raise NotFound(f"no project {pid}; there are {', '.join(str(one.pid) for one in api.projects)}")
