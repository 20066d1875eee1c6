"""Every refusal recorded from a real server, asked for raw (no client) in the three formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from xml.sax.saxutils import escape

import pytest
import refusal_import_rows
import refusal_rows
import requests
from refusal_rows import START, SUPER, Refused
from sandbox_projects import Caller, registry, trial

from redcap_jobs.sandbox.dictionary import Field
from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.project import SandboxProject, Settings
from redcap_jobs.sandbox.server import Sandbox

XML = '<?xml version="1.0" encoding="UTF-8" ?>'

ROWS = [*refusal_rows.ROWS, *refusal_import_rows.ROWS]


def project_for(row: Refused) -> SandboxProject:
    project = trial() if row.project == 901 else registry()
    forms = tuple(replace(form, survey=form.name == "visit") for form in project.structure.forms)
    fields = project.structure.fields
    if row.project == 901:
        fields += (Field("dose_1dp", "enrolment", "text", "Dose", validation="number_1dp"),)
    project.change(
        structure=replace(project.structure, forms=forms, fields=fields),
        settings=Settings(surveys_enabled=True),
    )
    if row.lock:
        with project.store.writing(None) as draft:
            draft.set_locks("10", frozenset({row.lock}))
    return project


def data_of(rows: list[dict[str, str]], format_: str) -> str:
    if format_ == "json":
        return json.dumps(rows)
    if format_ == "csv":
        lines = [list(rows[0]), *(list(row.values()) for row in rows)]
        return "\n".join(",".join(f'"{cell}"' for cell in line) for line in lines)
    items = (
        "".join(f"<{name}>{escape(value)}</{name}>" for name, value in row.items()) for row in rows
    )
    return f"<records>{''.join(f'<item>{item}</item>' for item in items)}</records>"


def envelope(text: str, format_: str) -> str:
    """Return the error as the API help writes it in each format."""
    if format_ == "json":
        return json.dumps({"error": text}, separators=(",", ":"))
    return (
        f"ERROR: {text}" if format_ == "csv" else f"{XML}<hash><error>{escape(text)}</error></hash>"
    )


CASES = [(row, format_) for row in ROWS for format_ in row.formats]


@pytest.mark.parametrize(("row", "format_"), CASES, ids=[f"{r.name}-{f}" for r, f in CASES])
def test_a_refusal_has_the_recorded_status_and_text(row: Refused, format_: str) -> None:
    """To the letter, whole body; and nothing of the data has changed."""
    project = project_for(row)
    somebody = user("somebody", dag=row.dag, **row.rights)
    if row.read_only:
        somebody = replace(somebody, rights=replace(somebody.rights, forms={row.read_only: 2}))
    token = row.token or project.add_user(somebody)
    with Sandbox([project], super_token=SUPER) as sandbox:
        if row.own == "behaviour":
            sandbox.api.behaviour = replace(sandbox.api.behaviour, strict_arrays=True)
        before = project.digest()
        form = {"token": token, "format": format_, "returnFormat": format_, **row.call}
        if row.rows:
            form["data"] = data_of(row.rows, format_)
        answer = requests.post(sandbox.url, data=form, timeout=10)
        assert (answer.status_code, answer.text) == (row.status, envelope(row.text, format_))
        assert project.digest() == before


def test_an_unknown_event_of_a_classic_project_is_ignored() -> None:
    """200 and the data: recorded by REDCapR issue 492."""
    with Sandbox([registry()]) as sandbox:
        caller = Caller(sandbox.url, sandbox.project(902).token)
        caller.send([{"id": "1", "name": "a"}])
        assert [row["id"] for row in caller.export(events=["nowhere"])] == ["1"]


@pytest.fixture
def caller() -> Iterator[Caller]:
    with Sandbox([trial(), registry()]) as sandbox:
        yield Caller(sandbox.url, sandbox.project(901).token)


def test_what_looks_like_a_mistake_and_is_none(caller: Caller) -> None:
    """200 each: an object instead of a list, no event name, only id and event (recorded)."""
    single = caller.post(content="record", format="json", data='{"record_id":"10","sex":"2"}')
    assert (single.status_code, single.text) == (200, '{"count":0}')
    assert caller.export(records=["10"], fields=["sex"])[0]["sex"] == "1"
    first = caller.send([{"record_id": "55", "sex": "2"}])
    assert (first.status_code, first.text) == (200, '{"count":1}')
    (row,) = caller.export(records=["55"], fields=["record_id", "sex"])
    assert (row["redcap_event_name"], row["sex"]) == (START, "2")
    keys = [{"record_id": "56", "redcap_event_name": START}]
    assert caller.send(keys, returnContent="ids").json() == ["56"]
    assert caller.export(records=["56"]) == []
