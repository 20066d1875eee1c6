"""Forms as PDF. What is on the pages is our own answer; names and type of the file are recorded."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pdf_text import text_of
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox import pdf_pages
from redcap_jobs.sandbox.members import Rights, User
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import RowKey

START = {"record": "10", "event": "start_arm_1", "instrument": "enrolment"}


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox([trial()], now=datetime(2026, 11, 22, 12, tzinfo=UTC)) as sandbox:
        yield sandbox


@pytest.fixture
def caller(server: Sandbox) -> Caller:
    return Caller(server.url, server.project(901).token)


def text(caller: Caller, **parameters: str) -> str:
    answer = caller.post(content="pdf", **parameters)
    assert answer.status_code == 200, answer.text
    return text_of(answer.content)


def put(server: Sandbox, event: str, **values: str) -> None:
    with server.project(901).store.writing(None) as draft:
        draft.row("10", RowKey(event)).update(values)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({}, "SmallTrial_blank.pdf"),
        ({"instrument": "visit"}, "visit_blank.pdf"),
        ({"record": "10", "event": "start_arm_1", "instrument": "visit"}, "visit_record_10.pdf"),
        ({"record": "10"}, "SmallTrial_record_10.pdf"),
        ({"allRecords": "true"}, "SmallTrial_all_records.pdf"),
    ],
)
def test_the_file_says_what_it_is(caller: Caller, parameters: dict[str, str], name: str) -> None:
    """Kind and name stand in the content type; how the names end is recorded by redcapAPI."""
    answer = caller.post(content="pdf", **parameters)
    assert answer.content.startswith(b"%PDF-")
    assert answer.content.rstrip().endswith(b"%%EOF")
    assert answer.headers["Content-Type"] == f'application/pdf; name="{name}";charset=UTF-8'


def test_values_are_in_words(caller: Caller) -> None:
    """Labels of choices, the record's name, the form's status."""
    lines = text(caller, **START).splitlines()
    assert lines[0] == "Enrolment, record 10, Start (Arm 1: Drug A)"
    shown = dict(zip(lines[1::2], lines[2::2], strict=False))
    assert shown["Record ID"] == "10"
    assert shown["Sex"] == "Female"
    assert shown["Consent"] == "Not asked"
    assert shown["Complete?"] == "Incomplete"


def test_a_blank_form_offers_its_choices(caller: Caller) -> None:
    """Without a record: no values."""
    shown = text(caller, instrument="enrolment")
    assert "Female / Male" in shown
    assert "1990-01-31" not in shown


def test_the_compact_display_leaves_out_what_is_blank(caller: Caller) -> None:
    """``compactDisplay`` (API help)."""
    assert "Weight" in text(caller, **START)
    assert "Weight" not in text(caller, compactDisplay="true", **START)


def test_an_instance_can_be_named(caller: Caller) -> None:
    """``repeat_instance`` (API help); without it all instances are there."""
    drugs = {"record": "10", "event": "week_1_arm_1", "instrument": "drugs"}
    assert text(caller, **drugs).count("#") == 2
    second = text(caller, repeat_instance="2", **drugs)
    assert "#2" in second
    assert "#1" not in second


def test_a_form_that_nobody_filled_in_yet_is_there(caller: Caller) -> None:
    """Record, event and instrument name it: its labels, no values."""
    shown = text(caller, record="2", event="start_arm_1", instrument="visit")
    assert "Visit, record 2" in shown
    assert "Seen on" in shown


def test_all_records_of_the_users_group(server: Sandbox) -> None:
    """``allRecords`` (API help) shows no other group's records."""
    token = server.project(901).add_user(User("nurse", dag="north_clinic"))
    shown = text(Caller(server.url, token), allRecords="true")
    assert "record 10" in shown
    assert "record 2" not in shown


def test_what_may_not_be_exported_is_in_no_pdf(server: Sandbox) -> None:
    """Identifiers and whole forms, by the rights of record exports."""
    put(server, "start_arm_1", phone="(212) 555-0123")
    rights = Rights(forms_export={"enrolment": 3, "visit": 0})
    token = server.project(901).add_user(User("reader", rights=rights))
    shown = text(Caller(server.url, token), record="10")
    assert "1990-01-31" in shown
    assert "555-0123" not in shown
    assert "Visit" not in shown


def test_other_letters_than_latin_are_readable(server: Sandbox, caller: Caller) -> None:
    """Cyrillic and Greek, in values and labels; signs of the font's lack are marked."""
    put(server, "start_arm_1", weight="Привет, Ελλάδα 漢")
    assert "Привет, Ελλάδα \N{REPLACEMENT CHARACTER}" in text(caller, **START)


def test_without_the_font_a_pdf_still_comes(
    server: Sandbox, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Latin letters stay, others are question marks."""
    put(server, "start_arm_1", weight="Привет")
    monkeypatch.setattr(pdf_pages, "font_folder", lambda: None)
    answer = caller.post(content="pdf", **START)
    assert answer.status_code == 200
    assert b"/BaseFont /Helvetica" in answer.content


def test_signs_of_values_are_in_no_log(
    server: Sandbox, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """A drawing library that warns of signs it cannot show would quote a participant's answer."""
    put(server, "start_arm_1", weight="漢字 \x07")
    with caplog.at_level(logging.WARNING), warnings.catch_warnings(record=True) as warned:
        text(caller, **START)
    assert (caplog.records, warned) == ([], [])


def test_labels_written_in_the_editor_lose_their_tags(server: Sandbox, caller: Caller) -> None:
    """REDCap's editor writes labels as HTML."""
    project = server.project(901)
    label = '<div class="rich-text-field-label"><p>Age &lt; 5</p></div>'
    fields = tuple(
        replace(one, label=label) if one.name == "sex" else one for one in project.structure.fields
    )
    project.change(structure=replace(project.structure, fields=fields))
    assert "Age < 5" in text(caller, **START).splitlines()


def test_many_lines_take_many_pages(server: Sandbox, caller: Caller) -> None:
    """A long answer breaks into lines, and pages."""
    put(server, "start_arm_1", weight="word " * 2000)
    content = caller.post(content="pdf", **START).content
    assert len(re.findall(rb"/Type /Page\b", content)) > 2
    assert text_of(content).split().count("word") == 2000


def test_threads_do_not_mix_their_pages(caller: Caller) -> None:
    """Eight PDFs at once are byte for byte the one that was made alone: time stands still here."""
    alone = caller.post(content="pdf", record="10").content
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: caller.post(content="pdf", record="10").content, range(8)))
    assert set(drawn) == {alone}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"instrument": "nothing"}, "instrument"),
        ({"record": "-1"}, 'The record "-1" does not exist'),
        ({"event": "nowhere"}, "invalid event"),
        ({"record": "2", "instrument": "diary"}, "not designated"),
    ],
)
def test_what_is_not_there_is_refused(caller: Caller, wrong: dict[str, str], said: str) -> None:
    """Own answers; the words for records and events are recorded from other calls."""
    answer = caller.post(content="pdf", **{**START, **wrong}, returnFormat="json")
    assert answer.status_code == 400
    assert said in answer.json()["error"]
