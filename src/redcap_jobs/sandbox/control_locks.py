"""Locking forms and records, which REDCap does in its web pages only."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.activity_log import Activity
from redcap_jobs.sandbox.api import Api
from redcap_jobs.sandbox.control_json import checked, posted_json, project_of
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.store import RowKey
from redcap_jobs.sandbox.structure import Structure

EXAMPLE = '{"record": "1001", "event": "baseline_arm_1", "form": "visit"}'
KEYS = {"record": str, "event": str, "form": str, "instance": int}
WHO = "sandbox"
"""The user under which a lock stands in the project's log."""


def add_lock_routes(control: Blueprint, api: Api) -> None:
    """Add ``/projects/PID/locks``."""

    @control.get("/projects/<int:pid>/locks")
    def locks(pid: int) -> Response:
        """Return how many forms and records of a project are locked."""
        return jsonify({"locks": lock_count(project_of(api, pid))})

    @control.post("/projects/<int:pid>/locks")
    def lock(pid: int) -> Response:
        """Lock a form of a record, or without a form all of the record."""
        return set_lock(project_of(api, pid), locked=True)

    @control.delete("/projects/<int:pid>/locks")
    def unlock(pid: int) -> Response:
        """Unlock again what such a body locked."""
        return set_lock(project_of(api, pid), locked=False)

    def set_lock(project: SandboxProject, *, locked: bool) -> Response:
        given = checked(posted_json(), KEYS, EXAMPLE)
        record = given.get("record", "")
        place = place_of_lock(given, project.structure)
        with project.store.writing(None) as draft:
            if not draft.exists(record):
                raise UsageError("record is the name of a record of this project")
            held = draft.locks(record)
            draft.set_locks(record, held | {place} if locked else held - {place})
        project.log.add(lock_activity(api, record, place, locked=locked))
        return jsonify({"locks": lock_count(project)})


def lock_count(project: SandboxProject) -> int:
    """Return how many locks a project's records have."""
    return sum(len(record.locks) for record in project.store.current.records.values())


def place_of_lock(given: dict[str, Any], structure: Structure) -> tuple[RowKey, str]:
    """Return row and form of a lock; the whole record is form '' of no row.

    Raises:
        UsageError: There is no such event, form or instance.

    """
    event, form = given.get("event", ""), given.get("form", "")
    instance = given.get("instance", 0)
    if not form:
        if event or instance:
            raise UsageError("without a form all of the record is locked: name record alone")
        return RowKey(), ""
    if event not in structure.event_order:
        raise UsageError(f"event is one of {', '.join(structure.event_by_name) or 'none: classic'}")
    if form not in structure.forms_on(event):
        raise UsageError(f"form is one of {', '.join(structure.forms_on(event))}")
    repeats, event_repeats = structure.repeats(event, form), structure.event_repeats(event)
    if (repeats or event_repeats) != (instance > 0):
        raise UsageError("instance (1 or more) goes with what repeats, and with nothing else")
    return RowKey(event, form if repeats else "", instance), form


def lock_activity(api: Api, record: str, place: tuple[RowKey, str], *, locked: bool) -> Activity:
    """Return the row for the project's log, worded as recorded for the lock of a record."""
    verb = "Lock" if locked else "Unlock"
    what = f"{verb} instrument {place[1]}" if place[1] else f"{verb} entire record"
    return Activity(
        api.now(),
        WHO,
        "lock_record",
        f"Lock/Unlock Record {record}",
        f"Action: {what}",
        record,
    )
