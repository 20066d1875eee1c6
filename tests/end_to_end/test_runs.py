"""A first run, a second run, and what each asks of the server."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import requests
from study_home import DEV, JOB, NOW, PROD, Home

from redcap_jobs.sandbox.store import Snapshot

STRUCTURE = Counter(
    {
        "project export": 1,
        "version export": 1,
        "metadata export": 1,
        "event export": 1,
        "formEventMapping export": 1,
        "repeatingFormsEvents export": 1,
    }
)
AS_OF = ("--as-of", NOW.isoformat())


def test_requests_of_a_first_and_of_an_unchanged_run(large_home: Home) -> None:
    """850 participants: a first run makes at most 12 requests, an unchanged one at most 8.

    Each is named, guards included: identity and structure (6), the roster, one export; the roster
    shows data access groups, so the token's own need not be asked for. Then imports of at most
    10,000 cells.
    """
    first = large_home.job(*AS_OF)
    assert first.code == 1, first.err
    assert large_home.calls() == STRUCTURE + Counter({"record export": 2, "record import": 3})
    before = large_home.sandbox.project(3042).digest()
    second = large_home.job(*AS_OF)
    assert second.code == 1, second.err
    assert large_home.calls() == STRUCTURE + Counter({"record export": 2})
    assert large_home.sandbox.project(3042).digest() == before


def test_only_the_outputs_change_and_only_in_the_project_that_was_named(home: Home) -> None:
    """A run writes visit_tracking fields of the import token's project, and nothing else."""
    development, production = home.sandbox.project(3042), home.sandbox.project(3041)
    records = list(development.store.current.records)
    before = {record: development.store.current.records[record] for record in records}
    untouched = production.digest()
    assert home.job(*AS_OF, token=DEV).code == 1
    assert production.digest() == untouched
    after = development.store.current.records
    assert sorted(after) == sorted(records)
    written = 0
    for record in records:
        for place, values in after[record].rows.items():
            old = before[record].rows.get(place, {})
            changed = {name for name in {*values, *old} if values.get(name) != old.get(name)}
            assert all(name.startswith("vt_") for name in changed), (record, place, changed)
            written += len(changed)
    assert written > 1000


def test_a_change_in_redcap_makes_exactly_its_own_cells(home: Home) -> None:
    """One corrected anchor date: one import, of that record's cells only; then nothing again."""
    home.job(*AS_OF)
    store = home.sandbox.project(3042).store
    record = next(
        name
        for name, found in store.current.records.items()
        for place, values in found.rows.items()
        if place.event == "baseline_arm_1" and values.get("vt_pending_visit") == "m12"
    )
    event = "baseline_arm_1"
    home.enter(3042, {"record_id": record, "redcap_event_name": event, "anchor_date": "2026-01-15"})
    others = {name: found for name, found in store.current.records.items() if name != record}
    home.calls()
    home.job(*AS_OF)
    assert home.calls()["record import"] >= 1
    now = store.current.records
    assert all(now[name] == found for name, found in others.items())
    assert home.sandbox.project(3042).values(record, event)["vt_target"] == "2026-01-15"
    home.job(*AS_OF)
    assert home.calls()["record import"] == 0


def test_a_run_without_a_terminal_is_silent_when_clean_and_one_line_when_not(home: Home) -> None:
    """Cron: nothing on stdout ever; one line with the run id on stderr when data have problems."""
    done = home.job(*AS_OF)
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert "partial" in done.err
    assert "[run 2" in done.err
    clean = next(iter(home.sandbox.project(3042).store.current.ordered))
    quiet = home.job(*AS_OF, "--record", clean)
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_dry_run_shows_and_does_nothing(home: Home) -> None:
    """--dry-run prints the plan, writes no cell, claims no field and moves no baseline."""
    before = home.sandbox.project(3041).digest()
    done = home.job("--dry-run", *AS_OF, token=PROD, yes=False)
    assert done.code == 1
    assert "Visits by state" in done.out
    assert home.sandbox.project(3041).digest() == before
    assert home.calls()["record import"] == 0
    runs = json.loads(home.call("runs", "--env-file", home.env_file, "--output", "json").out)
    assert [run["state"] for run in runs] == ["dry"]


def test_the_run_record_says_who_did_what_with_what(home: Home) -> None:
    """`runs` lists state, counts and skip reasons, and the tokens by name only."""
    home.job(*AS_OF)
    listed = home.call("runs", "--env-file", home.env_file, "--output", "json")
    (run,) = json.loads(listed.out)
    assert run["job"] == "compute-visit-windows"
    assert run["export_token"] == DEV
    assert run["state"] == "partial"
    assert run["exit_code"] == 1
    assert run["counts"]["records_read"] == 60
    assert run["counts"]["cells_written"] > 1000
    assert run["redcap_version"].startswith("14.")
    assert len(run["study_file_hash"]) == 64
    assert run["skip_reasons"]
    assert run["error_class"] == "", "it came to its end"
    for token in home.sandbox.tokens.values():
        assert token not in listed.out


def test_no_value_that_is_read_reaches_state_log_or_message(home: Home) -> None:
    """Odd values are planted in what the job reads; they are told by record and field only."""
    planted = {
        "anchor_date": "CANARY-ANCHOR",
        "off_study_date": "CANARY-LEFT",
        "visit_date": "CANARY-VISIT",
        "protocol_version": "CANARY-VERSION",
    }
    store = home.sandbox.project(3042).store
    with store.writing(NOW.replace(tzinfo=None)) as draft:
        for number, (field, value) in enumerate(planted.items()):
            record = store.current.ordered[number]
            key = next(key for key in draft.rows(record) if key.event.startswith("baseline"))
            draft.row(record, key)[field] = value
            draft.row(record, key)["off_study"] = "1"
    done = home.job(*AS_OF, "--verbose", "--dry-run", yes=False)
    wrote = home.job(*AS_OF, "--verbose")
    shown = home.call("runs", last_run(home)["id"], "--env-file", home.env_file)
    told = home.call("why", home.study, store.current.ordered[0], "--env-file", home.env_file)
    output = "".join(each.out + each.err for each in (done, wrote, shown, told))
    state = b"".join(path.read_bytes() for path in home.folder.glob("state.db*") if path.is_file())
    assert "is no date in the form YYYY-MM-DD" in output, "the planted values were read"
    assert "CANARY" not in output
    assert b"CANARY" not in state
    for token in home.sandbox.tokens.values():
        assert token not in output
        assert token.encode() not in state


def test_why_tells_what_was_decided_and_since_when(home: Home) -> None:
    """`why` names each visit's state and the run that decided it; an unknown record is exit 2."""
    home.job(*AS_OF)
    record = home.sandbox.project(3042).store.current.ordered[0]
    told = home.call("why", home.study, record, "--env-file", home.env_file)
    assert told.code == 0, told.err
    decided = [line for line in told.out.splitlines() if "│ compute-visit-windows" in line]
    visits = [line.split("│")[2].strip() for line in decided]
    assert visits == ["baseline", "m2", "m4", "m12", "m24"], "schedule order, not the alphabet's"
    states = {line.split("│")[3].strip() for line in decided}
    sentences = [line.split(": ", 1) for line in told.out.splitlines() if "│" not in line]
    assert states <= {words[0] for words in sentences if len(words) == 2}
    assert home.call("why", home.study, "nobody", "--env-file", home.env_file).code == 2


def test_rows_that_silently_do_not_come_back_are_noticed(home: Home) -> None:
    """A server that leaves out rows, others each time: the run fails and leaves the data alone."""
    home.job(*AS_OF)
    home.sandbox.fault("missing-rows", rate=1.0, content="record", action="export")
    before = home.sandbox.project(3042).digest()
    done = home.job(*AS_OF)
    assert done.code == 1
    assert "Nothing was written." in done.err
    assert home.sandbox.project(3042).digest() == before


def test_rows_that_stay_away_are_refused_or_listed(home: Home) -> None:
    """Rows of many events are gone, of no record all: exit 4; within the limit they are listed."""
    home.job(*AS_OF)
    home.job(*AS_OF)  # the first run itself makes rows: compare with the export after it
    store = home.sandbox.project(3042).store
    store.current = Snapshot(
        {
            name: replace(record, rows=dict(list(record.rows.items())[:-1]))
            if len(record.rows) > 1 and place % 3 == 0
            else record
            for place, (name, record) in enumerate(store.current.records.items())
        }
    )
    done = home.job(*AS_OF)
    assert done.code == 4
    assert "rows" in done.err
    home.edit_study("rows_shrink_to = 0.98", "rows_shrink_to = 0.5")
    assert home.job(*AS_OF).code == 1
    shown = home.call("runs", last_run(home)["id"], "--env-file", home.env_file).out
    assert "fewer than in the last good run" in shown


def last_run(home: Home) -> dict[str, str]:
    listed = home.call("runs", "--env-file", home.env_file, "--output", "json", "--limit", "1")
    run: dict[str, str] = json.loads(listed.out)[0]
    return run


def test_an_export_far_smaller_than_the_last_good_one_is_refused(home: Home) -> None:
    """Half the records gone is no ordinary day: exit 4, and the way to allow it is named."""
    home.job(*AS_OF)
    store = home.sandbox.project(3042).store
    gone = store.current.ordered[:40]
    form = {"token": home.sandbox.tokens[DEV], "content": "record", "action": "delete"}
    form |= {f"records[{number}]": record for number, record in enumerate(gone)}
    assert requests.post(home.sandbox.url, data=form, timeout=30).text == "40"
    refused = home.job(*AS_OF)
    assert refused.code == 4
    assert "--allow records=20" in refused.err
    allowed = home.job(*AS_OF, "--allow", "records=20")
    assert allowed.code == 1
    assert home.job(*AS_OF).code in {0, 1}


def test_the_development_copy_is_filled_from_productions_export(home: Home) -> None:
    """Two tokens' names: decided from production's data, written to development's fields only."""
    store = home.sandbox.project(3042).store
    record = store.current.ordered[0]
    form = {"token": home.sandbox.tokens[DEV], "content": "record", "action": "delete"}
    assert requests.post(home.sandbox.url, data=form | {"records[0]": record}, timeout=30).ok
    production = home.sandbox.project(3041).digest()
    names = ("--export-token", PROD, "--import-token", DEV)
    arguments = (JOB, "--study", home.study, "--env-file", home.env_file, *names, *AS_OF, "--yes")
    assert home.call(*arguments).code == 1
    assert home.sandbox.project(3041).digest() == production
    assert home.calls()["record import"] == 1
    assert record not in store.current.records, "no job creates records"
    shown = home.call("runs", last_run(home)["id"], "--env-file", home.env_file).out
    assert "it does not exist in the project to be written" in shown
    assert home.call(*arguments).code == 1
    assert home.calls()["record import"] == 0


def test_rows_that_a_run_made_must_be_read_by_the_next(home: Home) -> None:
    """A server that loses, every time alike, just the rows the first run made is noticed."""
    store = home.sandbox.project(3042).store
    before = {name: set(record.rows) for name, record in store.current.records.items()}
    assert home.job(*AS_OF).code == 1
    kept = {
        name: replace(
            record, rows={key: row for key, row in record.rows.items() if key in before[name]}
        )
        for name, record in store.current.records.items()
    }
    store.current = Snapshot(kept)
    again = home.job(*AS_OF)
    assert again.code == 4, again.err
    assert "the server may have left rows out" in again.err.lower()


def test_what_only_texts_are_about_stops_no_visit_windows(home: Home) -> None:
    """The windows are computed though the project has no message log; texts are refused."""
    home.edit_study('form = "message_log"', 'form = "message_diary"')
    windows = home.job(*AS_OF)
    assert windows.code == 1, windows.err
    home.write(TWILIO_ACCOUNT_SID="AC" + "0" * 32, TWILIO_AUTH_TOKEN="0" * 32, TWILIO_NUMBER="+1")
    home.edit_study("[sender]\n", '[sender]\nurl = "http://127.0.0.1:1"\n')
    token = ("--export-token", DEV, "--import-token", DEV)
    arguments = ("send-surveys", "--study", home.study, "--env-file", home.env_file, *token)
    texts = home.call(*arguments, "--dry-run")
    assert texts.code == 3, texts.err
    assert "message_diary" in texts.err
