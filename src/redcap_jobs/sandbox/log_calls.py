"""``content=log``: the project's own log, newest first, filtered as the API help says."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from redcap_jobs.sandbox.activity_log import Activity
from redcap_jobs.sandbox.answers import Answer, Table
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.structure_log import MANAGE

COLUMNS = ["timestamp", "username", "action", "details", "record"]
KINDS = {
    "export": {"export"},
    "manage": {"manage"},
    "user": {"user"},
    "record": {"record_add", "record_edit", "record_delete"},
    "record_add": {"record_add"},
    "record_edit": {"record_edit"},
    "record_delete": {"record_delete"},
    "lock_record": {"lock_record"},
    "page_view": {"page_view"},
}
"""``logtype`` → kinds of rows."""
LINE_BREAK = re.compile(r"\r\n|\r|\n")
BAD_TYPE = 'The value of the parameter "logtype" is not valid'
BAD_TIME = 'The value of the parameter "{}" must be in YYYY-MM-DD HH:MM format'
"""Own answers, as is that an unknown group has no rows."""


def export_log(context: Context) -> Answer:
    """Answer with the rows, then note that they were read."""
    keep = filters(context)
    rows = [
        row_of(one)
        for one in reversed(context.project.log.all())
        if all(test(one) for test in keep)
    ]
    context.note("manage", MANAGE, "Export Logging (API)")
    return Table(COLUMNS, rows)


def row_of(one: Activity) -> list[str]:
    """Return a row; details have a blank for each line break, as REDCapR's tests recorded them."""
    details = LINE_BREAK.sub(" ", one.details)
    return [one.at.strftime("%Y-%m-%d %H:%M"), one.username, one.action, details, one.record]


def filters(context: Context) -> list[Callable[[Activity], bool]]:
    """Return the tests that a row must pass.

    A user in a group sees the rows of its records only, whatever group is asked for.
    """
    text = context.parameters.text
    tests: list[Callable[[Activity], bool]] = []
    if kind := text("logtype"):
        if kind not in KINDS:
            raise Refusal(400, BAD_TYPE)
        tests.append(lambda one: one.kind in KINDS[kind])
    if user := text("user"):
        tests.append(lambda one: one.username == user)
    if record := text("record"):
        tests.append(lambda one: one.record == record)
    if named := text("dag"):
        asked = group_named(context, named)
        tests.append(lambda one: one.dag == asked)
    if own := context.user.dag:
        tests.append(lambda one: one.dag == own)
    if begin := server_time(context, "beginTime"):
        tests.append(lambda one: one.at >= begin)
    if end := server_time(context, "endTime"):
        tests.append(lambda one: one.at <= end)
    return tests


def group_named(context: Context, text: str) -> str:
    """Return the unique name of a group given by its number (as clients do) or unique name."""
    return next(
        (dag.unique_name for dag in context.structure.dags if str(dag.group_id) == text), text
    )


def server_time(context: Context, name: str) -> datetime | None:
    """Return a time of the server's clock, with or without seconds; None if it is not given."""
    text = context.parameters.text(name)
    if not text:
        return None
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"):
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the server's own time
        except ValueError:
            continue
    raise Refusal(400, BAD_TIME.format(name))
