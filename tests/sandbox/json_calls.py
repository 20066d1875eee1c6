"""Calls in JSON about structure and people, for tests that need no client."""

from __future__ import annotations

import json
from typing import Any

from sandbox_projects import Caller

Rows = list[dict[str, Any]]


def get(caller: Caller, content: str, **parameters: Any) -> Rows:
    """Export rows."""
    response = caller.post(content=content, format="json", **parameters)
    assert response.status_code == 200, response.text
    rows: Rows = response.json()
    return rows


def put(caller: Caller, content: str, rows: Any, **parameters: Any) -> str:
    """Import rows and return the answer's text, which must be of a success."""
    response = caller.post(content=content, format="json", data=json.dumps(rows), **parameters)
    assert response.status_code == 200, response.text
    return response.text


def refused(caller: Caller, content: str, rows: Any, **parameters: Any) -> str:
    """Import rows that must be refused with 400, and return the text."""
    response = caller.post(content=content, format="json", data=json.dumps(rows), **parameters)
    assert response.status_code == 400, response.text
    return str(response.json()["error"])


def info(caller: Caller) -> dict[str, Any]:
    """Return the project's information."""
    answer: dict[str, Any] = caller.post(content="project", format="json").json()
    return answer


def one_user(caller: Caller, username: str) -> dict[str, Any]:
    """Return one user's row."""
    (found,) = [row for row in get(caller, "user") if row["username"] == username]
    return found


COMMON_RIGHTS = [
    *("design", "alerts", "user_rights", "data_access_groups", "reports", "stats_and_charts"),
    *("manage_survey_participants", "calendar", "data_import_tool", "data_comparison_tool"),
    *("logging", "email_logging", "file_repository", "data_quality_create"),
    *("data_quality_execute", "api_export", "api_import", "api_modules", "mobile_app"),
    *("mobile_app_download_data", "record_create", "record_rename", "record_delete"),
]
"""Rights of users and roles, in the order recorded from 14.x servers."""
