"""What is promised to participants, each judged at the phone's end: what Twilio accepted."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from study_home import DEV, PROD
from texting import MIDDAY, Texting, texting

from redcap_jobs.errors import ExitCode
from redcap_jobs.request import RunRequest, Terminal
from redcap_jobs.run import run_job
from redcap_jobs.sandbox.store import RowKey

OURS = "+12025550199"
"""The phone of a developer."""


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Texting]:
    with texting(tmp_path, participants=120, seed=5) as made:
        yield made


def make_due(study: Texting, count: int, start: int = 1001) -> list[str]:
    """Enter ``count`` clean participants whose two-month survey is due today."""
    anchor = (MIDDAY.date().replace(day=24) - timedelta(days=61)).isoformat()
    rows = []
    for number in range(count):
        record = f"T{start + number}"
        rows.append(
            {
                "record_id": record,
                "redcap_event_name": "baseline_arm_1",
                "consent___1": "1",
                "consent___3": "1",
                "part_first_name": f"Parent{number}",
                "part_mobile_number": f"(617) 555-{100 + number // 100:03d}{number % 10}"
                if number >= 90
                else f"(617) 555-01{number + 10 if number < 90 else number}",
                "part_language": "1",
                "anchor_date": anchor,
                "rand_group": "1",
            }
        )
    study.home.enter(3041, *rows)
    return [row["record_id"] for row in rows]


def only(study: Texting, records: list[str]) -> None:
    """Delete everybody else, so that only what a test entered can be due."""
    store = study.home.sandbox.project(3041).store
    with store.writing(MIDDAY.replace(tzinfo=None)) as draft:
        for record in list(store.current.records):
            if record not in records:
                draft.delete(record)


def test_three_bad_of_sixty_stop_nobody_else(study: Texting) -> None:
    """57 sent, 3 explained, exit 1, all of it in REDCap's log; the run after that sends nothing."""
    records = make_due(study, 60)
    only(study, records)
    baseline = {"redcap_event_name": "baseline_arm_1"}
    study.home.enter(
        3041,
        {"record_id": records[0], **baseline, "part_mobile_number": "(555) 555-0123"},
        {"record_id": records[1], **baseline, "part_language": "1", "part_first_name": " "},
    )
    landline = study.home.sandbox.twilio
    landline.set_fate("+16175550112", "landline")
    run = study.run()
    assert run.exit_code == ExitCode.PARTLY_FAILED
    assert len(study.accepted) == 57
    explained = {problem.split(":")[0].removeprefix("record ") for problem in run.problems}
    assert {records[0], records[1], records[2]} <= explained, run.problems
    study.clock.pass_by(timedelta(minutes=20))
    study.run()
    logged = {row["record"]: row["sms_status"] for row in study.log_rows()}
    assert len(logged) == 58
    assert Counter(logged.values()) == {"delivered": 57, "rejected": 1}
    assert len(study.accepted) == 57


@pytest.mark.parametrize("consent", ["1", "0"])
def test_a_phone_that_opted_out_under_one_record_is_not_texted_under_another(
    study: Texting, consent: str
) -> None:
    """Nor by a run for that other record alone, nor where the first takes part no more."""
    records = make_due(study, 2)
    only(study, records)
    out = {"part_mobile_number": "617-555-0111", "sms_opted_out": "1", "consent___1": consent}
    study.home.enter(3041, {"record_id": records[0], "redcap_event_name": "baseline_arm_1", **out})
    for options in ({}, {"records": (records[1],)}):
        run = study.run(**options)
        assert study.accepted == []
        assert run.skip_reasons[f"its phone is that of record {records[0]}, which opted out"] == 1


def test_a_weekend_without_runs_ends_in_one_text_on_monday(study: Texting) -> None:
    """An invitation and two reminders fell into an outage: one text, the others superseded."""
    study.home.edit_study("remind = { days_apart = 3", "remind = { days_apart = 1")
    records = make_due(study, 4)
    only(study, records)
    study.clock.pass_by(timedelta(days=2))
    run = study.run()
    assert Counter(text.to for text in study.accepted).most_common(1)[0][1] == 1
    assert len(study.accepted) == 4
    assert run.skip_reasons["superseded by a later text"] == 8
    study.run()
    study.clock.pass_by(timedelta(days=1))
    study.run()
    assert len(study.accepted) == 4


def test_a_survey_switched_on_in_mid_trial_reaches_nobody_from_before(study: Texting) -> None:
    """Whose date lies before starts_on is never asked, however late ``latest`` is."""
    study.home.edit_study("latest = { days = 21 }", "latest = { days = 999 }")
    study.home.edit_study("starts_on = 2026-01-01", f"starts_on = {MIDDAY.date() + timedelta(1)}")
    study.run()
    assert study.accepted == []


@pytest.mark.parametrize("what", ["survey", "state", "study file"])
def test_nobody_is_texted_again_by(study: Texting, what: str, tmp_path: Path) -> None:
    """A renamed survey, a restored older state, a second study file of the same project."""
    records = make_due(study, 5)
    only(study, records)
    state = study.home.folder / "state.db"
    empty = state.read_bytes()
    study.run()
    assert len(study.accepted) == 5
    if what == "survey":
        study.home.edit_study(
            'id = "m2-survey"                         # never changes; a new id would text everybody again\n',
            'id = "month-two"\nformerly = ["m2-survey"]\n',
        )
        study.home.edit_study('order = ["m2-survey"', 'order = ["month-two"')
    elif what == "state":
        for path in state_files(study):
            path.unlink()
        state.touch(mode=0o600)
        state.write_bytes(empty)
    else:
        second = study.home.folder / "second.toml"
        text = study.home.study.read_text(encoding="utf-8")
        second.write_text(text.replace('name = "ISMILE"', 'name = "The same"'), encoding="utf-8")
        study.home.study.unlink()
        second.rename(study.home.study)
    study.run()
    assert len(study.accepted) == 5


def test_stop_ends_all_texts_to_a_phone(study: Texting) -> None:
    """ALTO, whatever its case: no reminder, no other survey; REDCap is told where configured."""
    records = make_due(study, 3)
    only(study, records)
    study.run()
    stopped = study.accepted[0].to
    study.home.sandbox.twilio.receive(stopped, "+12025550100", " alto! ")
    study.clock.pass_by(timedelta(days=3))
    run = study.run()
    assert Counter(text.to for text in study.accepted)[stopped] == 1
    assert len(study.accepted) == 5, run
    held = study.home.sandbox.project(3041).store.current.records
    ticked = [name for name in records if "sms_opted_out" in str(held[name].rows)]
    assert len(ticked) == 1


def test_a_survey_that_was_submitted_is_not_asked_for_again(study: Texting) -> None:
    """REDCap's time stamp of it counts, though somebody set the form back to incomplete since."""
    records = make_due(study, 3)
    only(study, records)
    event = RowKey("month_2_arm_1")
    stamps = ("2026-11-24 09:00:00", "[not completed]")
    with study.home.sandbox.project(3041).store.writing(None) as draft:
        for record, stamp in zip(records, stamps, strict=False):
            draft.row(record, event)["parent_survey_timestamp"] = stamp
    study.run()
    texted = {row["record"] for row in study.log_rows()}
    assert texted == set(records[1:])


def test_what_changes_between_plan_and_send_counts(study: Texting) -> None:
    """Completed, withdrawn or opted out after the plan was made: the text is withheld."""
    records = make_due(study, 3)
    only(study, records)
    sandbox = study.home.sandbox
    late = [
        {
            "record_id": records[0],
            "redcap_event_name": "month_2_arm_1",
            "parent_survey_complete": "2",
        },
        {"record_id": records[1], "redcap_event_name": "baseline_arm_1", "off_study": "1"},
    ]
    asked = study.run

    class Meddling(Terminal):
        pass

    def confirm(question: str) -> bool:
        study.home.enter(3041, *late)
        return True

    request = RunRequest(
        "send-surveys", study.home.study, PROD, PROD, study.home.env_file, yes=False
    )
    terminal = Meddling(True, False, Console(file=StringIO()), confirm)
    outcome = run_job(request, terminal, study.clock)
    assert len(study.accepted) == 1, outcome
    assert outcome.counts["actions withheld"] == 2
    asked()
    assert len(study.accepted) == 1
    assert sandbox is study.home.sandbox


def test_outside_the_hours_nothing_goes_out(study: Texting) -> None:
    """At 21:30 in Los Angeles: everybody waits; at 10 the next morning it goes out."""
    records = make_due(study, 3)
    only(study, records)
    study.clock.pass_by(timedelta(hours=11, minutes=30))
    run = study.run()
    assert study.accepted == []
    assert any("sending hours" in reason for reason in run.skip_reasons)
    study.clock.pass_by(timedelta(hours=12, minutes=30))
    study.run()
    assert len(study.accepted) == 3


@pytest.mark.parametrize("recipients", ["", '"TEXTS_TO_ME"'])
def test_whatever_the_options_a_development_run_reaches_no_participant(
    study: Texting, recipients: str
) -> None:
    """Every combination of options, from the development copy and from production's export."""
    study.home.edit_study("recipients = []", f"recipients = [{recipients}]")
    study.home.write(**study.home.sandbox.variables, TEXTS_TO_ME=OURS)
    record = next(iter(study.home.sandbox.project(3042).store.current.records))
    later = MIDDAY + timedelta(days=30)
    combinations = itertools.product(
        ("send-surveys", "poll-messages"),
        (DEV, PROD),
        (None, later),
        ((), (record,)),
        ({"yes": True}, {"yes": False, "dry_run": True}),
        ({}, {"texts": "900", "rows": "99999"}),
    )
    for job, export, as_of, records, way, allow in combinations:
        request = RunRequest(
            job, study.home.study, export, DEV, study.home.env_file,
            as_of=as_of, records=records, allow=allow, verbose=True, **way,
        )  # fmt: skip
        quiet = Console(file=StringIO())
        run_job(request, Terminal(False, False, quiet, lambda question: False), study.clock)
        study.clock.pass_by(timedelta(minutes=11))
    reached = {text.to for text in study.accepted}
    assert reached == ({OURS} if recipients else set())
    bodies = " ".join(message.body for message in study.home.sandbox.twilio.messages())
    assert "/surveys/?s=" not in bodies


def state_files(study: Texting) -> list[Path]:
    """Return the state's file, and those SQLite keeps beside it."""
    return [path for path in study.home.folder.glob("state.db*") if path.is_file()]


def test_a_development_run_that_hears_a_reply_first_does_not_hide_whose_it_is(
    study: Texting,
) -> None:
    """It knows no record of the phone; the next run of production's names the one to look at."""
    records = make_due(study, 1)
    only(study, records)
    study.run()
    (text,) = study.accepted
    study.home.sandbox.twilio.receive(text.to, text.sender, "who is this")
    study.clock.pass_by(timedelta(minutes=15))
    study.run("poll-messages", token=DEV)
    (problem,) = study.run("poll-messages").problems
    assert problem.startswith(f"record {records[0]}: reply")
