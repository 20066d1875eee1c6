"""The telephone rings at 8:40: what waits for somebody, and what a person may say about it."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from study_home import DEV, PROD, Done
from texting import ACCOUNT, Texting, lose_the_state, texting
from typed import typed

from redcap_jobs.messaging.twilio_codes import reaction
from redcap_jobs.state.inbound import replies_to_read
from redcap_jobs.state.journal_entry import Entry
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.stops import stops_of
from redcap_jobs.state.store import Store
from redcap_jobs.state.text_lists import last_attempts

SID = "SM" + "0b" * 16
OURS = ACCOUNT.numbers[0]


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Texting]:
    with texting(tmp_path, participants=100) as made:
        yield made


def messages(study: Texting, *words: str) -> Done:
    """Type ``messages COMMAND STUDY …``; without words the overview."""
    command, rest = (words[:1], words[1:]) if words else ((), ())
    return typed(study, "messages", *command, study.home.study, *rest)


def entries(study: Texting, mode: str = "production", pid: int = 3041) -> list[Entry]:
    project = ProjectKey(study.home.sandbox.url, pid, mode)  # type: ignore[arg-type] - a mode
    with Store.open(study.home.state_url) as store:
        return last_attempts(store, project)


def name_of(entry: Entry) -> str:
    return f"{entry.record}/{entry.message}/{entry.occurrence}"


def text_of(study: Texting, entry: Entry) -> Any:
    return next(text for text in study.accepted if text.sid == entry.reference)


def allow(study: Texting, record: str) -> None:
    """Give leave, and take the opt-out back in REDCap, where a run has ticked it."""
    done = messages(study, "allow", record, "--reason", "asked again")
    assert (done.code, done.err) == (0, "")
    assert "taken back there: [first-event-name][sms_opted_out]" in done.out
    records = study.home.sandbox.project(3041).store.current.records
    event = next(place.event for place in records[record].rows if place.event.startswith("base"))
    row = {"record_id": record, "redcap_event_name": event, "sms_opted_out": "0"}
    study.home.enter(3041, row)


def lost_answer(study: Texting) -> Entry:
    """Run with one lost answer that no list shows; return the text nobody knows about."""
    study.home.sandbox.fault("twilio-drop", times=1)
    study.home.sandbox.fault("twilio-list-lag", rate=1.0, seconds=86_400)
    study.run()
    (unknown,) = [entry for entry in entries(study) if entry.state == "unknown"]
    return unknown


def test_unknown_texts_stand_first(study: Texting) -> None:
    """Each by record, kind and occurrence, with the command that settles it; no private thing."""
    unknown = lost_answer(study)
    shown = messages(study)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines()[0].startswith("Nobody knows")
    assert name_of(unknown) in shown.out
    command = f"messages settle {study.home.study} --env-file {study.home.env_file} TEXT --sent SID"
    assert command in shown.out
    for text in study.accepted:
        assert text.to not in shown.out


def test_what_nobody_knows_is_sent_again_only_after_a_person_said_so(study: Texting) -> None:
    """Without --not-sent the key stays; with it the next run sends the text once more."""
    unknown = lost_answer(study)
    before = len(study.accepted)
    study.run()
    assert len(study.accepted) == before
    settled = messages(study, "settle", name_of(unknown), "--not-sent")
    assert (settled.code, settled.err) == (0, "")
    study.run()
    assert len(study.accepted) == before + 1


def test_what_went_out_is_followed_under_its_sid(study: Texting) -> None:
    """After --sent SID the text counts as sent, is polled, and stands in REDCap's log."""
    unknown = lost_answer(study)
    known = {entry.reference for entry in entries(study)}
    (found,) = [text for text in study.accepted if text.sid not in known]
    assert messages(study, "settle", name_of(unknown), "--sent", found.sid).code == 0
    study.home.sandbox.no_faults()
    study.clock.pass_by(timedelta(minutes=30))
    study.run("poll-messages")
    (entry,) = [each for each in entries(study) if each.key == unknown.key]
    assert (entry.state, entry.status, entry.reference) == ("sent", "delivered", found.sid)
    rows = [row for row in study.log_rows() if row["sms_key"] == unknown.key]
    assert [row["sms_sid"] for row in rows] == [found.sid]


def test_bad_words_are_one_clear_line(study: Texting) -> None:
    """Exit 2 and one line on stderr for every slip; the journal is as it was."""
    unknown = lost_answer(study)
    sent = next(entry for entry in entries(study) if entry.state == "sent")
    name = name_of(unknown)
    before = entries(study)
    slips = [
        (("settle", name), "one of them"),
        (("settle", name, "--sent", SID, "--not-sent"), "one of them"),
        (("settle", name, "--sent", "SM12"), "32 hexadecimal"),
        (("settle", name, "--sent", str(sent.reference)), "already"),
        (("settle", "9999/m2-survey/0", "--not-sent"), "knows no text"),
        (("settle", name_of(sent), "--not-sent"), "counts as sent already, under SM"),
        (("settle", name_of(sent), "--sent", str(sent.reference)), "counts as sent already; noth"),
        (("read", SID, "--keep"), "no reply that waits"),
        (("read", SID), "one of them"),
        (("stop", "1001", "--reason", "  "), "blank"),
        (("stop", "1001"), "--reason"),
        (("stop", "", "--reason", "asked"), "is blank"),
        (("stop", " 1001", "--reason", "asked"), "a blank around it"),
        (("allow", "1001", "--reason", "asked", "--token", DEV), "not for a copy of it"),
        (("stop", "1001", "--reason", "asked", "--token", DEV), "not for a copy of it"),
        (("rename-record", sent.record, " "), "two different"),
        (("stopp", "1001"), "No such command"),
        (("overview", "--days", "99999999999"), "range"),
        (("rename-record", "1001", "1001"), "two different"),
        (("rename-record", "9999", "9998"), "knows nothing"),
        (("list", "--since", "2026-11-02", "--until", "2026-11-01"), "lies before"),
        (("list", "--since", "soon"), "is no date; write it as"),
        (("list", "--token", "REDCAP_API_NONE"), "declares no such project"),
    ]
    for words, why in slips:
        done = messages(study, *words)
        assert (done.code, done.out) == (2, ""), words
        assert why in done.err, words
        told = [line for line in done.err.splitlines() if line]
        assert len(told) == 1 or told[0].startswith("Usage:"), told
    assert entries(study) == before


@pytest.mark.parametrize(
    "phone", ["+12025550123", "(202) 555-0123", "2025550123", "somebody@example.org"]
)
@pytest.mark.parametrize("word", ["stop", "allow"])
def test_a_phone_in_a_records_place_is_refused(study: Texting, word: str, phone: str) -> None:
    """It would stand in the state for good, and stop nobody; nor is it said again."""
    done = messages(study, word, phone, "--reason", "asked by telephone")
    assert (done.code, done.out) == (2, "")
    assert "give the record id" in done.err
    assert phone not in done.err
    with Store.open(study.home.state_url) as store:
        assert stops_of(store, "ismile").empty


def test_any_day_of_the_calendar_may_bound_a_list(study: Texting) -> None:
    """The first and the last day there are leave an end open; at a screen a list is narrow."""
    study.run()
    done = messages(study, "list", "--since", "0001-01-01", "--until", "9999-12-31")
    assert (done.code, done.err) == (0, "")
    assert f"{len(study.accepted)} texts; --output csv" in done.out
    assert max(map(len, done.out.splitlines())) < 110
    assert len(messages(study, "list", "--since", "9999-12-31", "--output", "csv").out.split()) == 1


def test_a_stop_by_telephone_outlives_the_state(study: Texting) -> None:
    """The next run ticks it in REDCap; after the state was lost and made anew nobody is texted."""
    foretold = typed(study, "due", study.home.study, "--days", "1", "--output", "csv").out
    record = next(csv.DictReader(io.StringIO(foretold)))["record"]
    assert messages(study, "stop", record, "--reason", "asked by telephone").code == 0
    study.run("poll-messages")
    lose_the_state(study)
    assert typed(study, "state", "adopt", study.home.study, "--token", PROD).code == 0
    study.run()
    texted = {entry.record for entry in entries(study) if entry.state == "sent"}
    assert texted
    assert record not in texted


def test_a_stop_outlives_the_studys_id(study: Texting) -> None:
    """A second study file of the project, or another id in it, texts nobody who asked for no more."""
    study.home.edit_study('opted_out = "[first-event-name][sms_opted_out]" ', "# ")
    study.run()
    first = entries(study)[0]
    phone = text_of(study, first).to
    messages(study, "stop", first.record, "--reason", "asked by telephone")
    study.home.edit_study('id = "ismile"', 'id = "ismile-two"')
    resend(study, first)
    study.clock.pass_by(timedelta(days=1))
    study.run()
    assert texts_to(study, phone) == 1
    assert "asked by telephone" in typed(study, "why", study.home.study, first.record).out
    assert messages(study, "allow", first.record, "--reason", "asked again").code == 0
    study.run()
    assert texts_to(study, phone) == 2


def test_without_a_field_for_opt_outs_a_stop_is_told_to_stand_in_the_state_alone(
    study: Texting,
) -> None:
    """Whoever types it can enter it in REDCap, and have the study file name a field."""
    study.home.edit_study('opted_out = "[first-event-name][sms_opted_out]" ', "# ")
    study.run()
    stop = messages(study, "stop", entries(study)[0].record, "--reason", "asked by telephone")
    assert stop.code == 0
    assert "stands in the state alone" in stop.err
    assert "ticks" not in stop.out


def test_the_list_holds_every_attempt_and_nothing_private(study: Texting) -> None:
    """One row per attempt within the days asked for, in the study's zone, as CSV."""
    study.run()
    study.clock.pass_by(timedelta(minutes=30))
    study.run("poll-messages")
    done = messages(
        study, "list", "--since", "2026-11-24", "--until", "2026-11-24", "--output", "csv"
    )
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert {row["sid"] for row in rows} == {text.sid for text in study.accepted}
    assert {row["twilio_status"] for row in rows} == {"delivered"}
    assert all(row["posted_at"].startswith("2026-11-24T10:0") for row in rows)
    for text in study.accepted:
        assert text.to not in done.out
        assert text.to[-7:] not in done.out
    after = messages(study, "list", "--since", "2026-11-25", "--output", "csv")
    assert len(after.out.splitlines()) == 1
    before = messages(study, "list", "--until", "2026-11-23", "--output", "csv")
    assert len(before.out.splitlines()) == 1


def test_a_stopped_record_gets_nothing_until_it_is_allowed(study: Texting) -> None:
    """The stop holds for the record; after leave the next run sends what is due."""
    study.home.sandbox.fault("twilio-429", rate=1.0)
    study.run()
    study.home.sandbox.no_faults()
    record = entries(study)[0].record
    assert messages(study, "stop", record, "--reason", "asked by telephone").err == ""
    study.run()
    texted = {entry.record for entry in entries(study) if entry.state == "sent"}
    assert texted
    assert record not in texted
    allow(study, record)
    study.run()
    assert record in {entry.record for entry in entries(study) if entry.state == "sent"}


def test_a_stop_for_a_record_nobody_knows_holds_and_is_told(study: Texting) -> None:
    """It may be a participant of tomorrow or a slip of the pen: done, and said on stderr."""
    stop = messages(study, "stop", "9999", "--reason", "asked by telephone")
    assert (stop.code, "check the id" in stop.err) == (0, True)
    assert "no text has gone to it yet" in stop.out


def test_the_phone_is_stopped_with_the_record(study: Texting) -> None:
    """Another record with the phone that the record's text went to gets nothing either."""
    study.run()
    first = entries(study)[0]
    phone = text_of(study, first).to
    stop = messages(study, "stop", first.record, "--reason", "asked by telephone")
    assert "and so for its phone" in stop.out
    assert "ticks [first-event-name][sms_opted_out] in REDCap" in stop.out
    with Store.open(study.home.state_url) as store:
        held = stops_of(store, "ismile")
    assert {("record", first.record), ("phone", first.phone_hash)} == {
        (row["scope"], row["subject"]) for row in held.to_dict("records")
    }
    assert phone not in held.to_csv()


def test_a_reply_is_read_before_leave_is_given(study: Texting) -> None:
    """An unread reply may ask for the contrary: exit 4, then read, then the hold ends."""
    study.run()
    first = entries(study)[0]
    text = text_of(study, first)
    study.home.sandbox.twilio.receive(text.to, OURS, "who is this, please?")
    study.run("poll-messages")
    refused = messages(study, "allow", first.record, "--reason", "asked by telephone")
    assert refused.code == 4
    sid = refused.err.partition("read STUDY ")[2].split()[0]
    read = messages(study, "read", sid, "--keep")
    assert "may be texted again" in read.out
    assert "Replies to read" not in messages(study).out
    study.run("poll-messages")
    assert "Replies to read" not in messages(study).out


def test_keep_never_lifts_a_stop_and_waits_for_all_replies(study: Texting) -> None:
    """STOP after an unclear reply stays; of two unclear replies the second ends the hold."""
    study.run()
    one, two = (text_of(study, entry) for entry in entries(study)[:2])
    for body in ("who is this, please?", "STOP"):
        study.home.sandbox.twilio.receive(one.to, OURS, body)
    for body in ("who is this, please?", "hello, who are you"):
        study.home.sandbox.twilio.receive(two.to, OURS, body)
    study.run("poll-messages")
    sids = {reply.sid: reply for reply in waiting(study)}
    ends = Counter(
        messages(study, "read", sid, "--keep").out.partition("; ")[2].strip() for sid in sids
    )
    assert ends == {
        "nothing else changed: this phone was not held by it": 1,
        "another reply of this phone still waits to be read": 1,
        "this phone may be texted again": 1,
    }


def waiting(study: Texting) -> list[Any]:
    with Store.open(study.home.state_url) as store:
        return list(replies_to_read(store, "ismile"))


def test_what_a_lost_state_would_forget_is_counted(study: Texting) -> None:
    """``state info`` counts stops by what they are about, and replies, those to read apart."""
    study.run()
    one, two = entries(study)[:2]
    messages(study, "stop", one.record, "--reason", "asked by telephone")
    study.home.sandbox.twilio.receive(text_of(study, two).to, OURS, "who is this, please?")
    study.run("poll-messages")
    found = json.loads(typed(study, "state", "info", "--output", "json").out)
    counts = {name: number for name, number in found.items() if name.startswith(("stops", "repl"))}
    assert counts == {
        "stops": 3,
        "stops phone held": 1,
        "stops phone stopped": 1,
        "stops record stopped": 1,
        "replies": 1,
        "replies to read": 1,
    }


def rename_in_redcap(study: Texting, old: str, new: str) -> None:
    project = study.home.sandbox.project(3041)
    form = {"token": project.token, "content": "record", "action": "rename"}
    form |= {"record": old, "new_record_name": new}
    answer = requests.post(study.home.sandbox.url, data=form, timeout=30)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("told", [True, False])
def test_a_renamed_record_is_not_texted_again(study: Texting, told: bool) -> None:
    """Not even where nobody told the state; once told, its log rows get their new keys in place."""
    study.run()
    sent = len(study.accepted)
    old = entries(study)[0]
    places = {(row["record"], row["instance"]) for row in study.log_rows()}
    rename_in_redcap(study, old.record, "renamed-1")
    study.run()
    assert len(study.accepted) == sent
    if told:
        done = messages(study, "rename-record", old.record, "renamed-1")
        assert (done.code, done.err) == (0, "")
        assert messages(study, "rename-record", old.record, "renamed-1").code == 2
    study.run()
    study.run("poll-messages")
    assert len(study.accepted) == sent
    rows = study.log_rows()
    assert {(row["record"].replace("renamed-1", old.record), row["instance"]) for row in rows} == (
        places
    )
    keys = {row["sms_key"] for row in rows if row["record"] == "renamed-1"}
    assert keys == {old.key.replace(f"|{old.record}|", "|renamed-1|") if told else old.key}


def test_two_records_are_not_made_into_one(study: Texting) -> None:
    """A new name that has texts already is refused, and nothing moves."""
    study.run()
    one, two = entries(study)[:2]
    done = messages(study, "rename-record", one.record, two.record)
    assert done.code == 2
    assert "not made into one" in done.err
    assert {entry.record for entry in entries(study)} >= {one.record, two.record}


def test_a_development_copy_is_listed_by_its_token(study: Texting) -> None:
    """Without --token production's texts are shown, never both mixed."""
    study.run()
    assert f"{len(study.accepted)} texts" in messages(study).out
    assert "no texts yet" in typed(study, "messages", study.home.study, "--token", DEV).out
    assert f"{len(study.accepted)} texts" in (
        typed(study, "messages", "overview", study.home.study, "--token", PROD).out
    )


def test_why_tells_of_texts_stops_and_the_next_chance(study: Texting) -> None:
    """Twilio's word and its code's sentence, what stops the record, when it may be texted next."""
    study.run()
    first = entries(study)[0]
    before = typed(study, "why", study.home.study, first.record).out
    assert str(first.reference) in before.replace("\n", "")
    assert "its text went out" in before
    assert "stops" not in before
    messages(study, "stop", first.record, "--reason", "asked by telephone")
    after = typed(study, "why", study.home.study, first.record).out
    assert "asked by telephone" in after
    assert "once its stop is ended" in after
    assert text_of(study, first).to not in after
    assert str(first.phone_hash) not in after


def test_why_knows_a_record_by_its_stop_alone(study: Texting) -> None:
    """A participant of tomorrow who asked today; a pause of the study says nothing of a record."""
    assert typed(study, "why", study.home.study, "9999").code == 2
    messages(study, "stop", "9999", "--reason", "asked by telephone")
    assert "asked by telephone" in typed(study, "why", study.home.study, "9999").out


def test_why_names_what_must_change_before_the_next_text(study: Texting) -> None:
    """Who has opted out in REDCap gets nothing with the next run: the reason says what to ask."""
    study.run()
    record = next(each.record for each in entries(study) if each.occurrence in ("0", "1"))
    event = next(
        place.event
        for place in study.home.sandbox.project(3041).store.current.records[record].rows
        if place.event.startswith("base")
    )
    row = {"record_id": record, "redcap_event_name": event, "sms_opted_out": "1"}
    study.home.enter(3041, row)
    study.clock.pass_by(timedelta(days=3))
    study.run()
    told = typed(study, "why", study.home.study, record).out
    assert "once this is no longer so: has opted out (REDCap)" in told


def test_why_explains_twilios_code(study: Texting) -> None:
    """The sentence a coordinator reads stands below, once."""
    study.home.sandbox.twilio.campaign_verified = False
    study.run()
    study.clock.pass_by(timedelta(minutes=30))
    study.run("poll-messages")
    first = entries(study)[0]
    told = typed(study, "why", study.home.study, first.record).out
    assert "undelivered (30034)" in told
    assert f"30034: {reaction('30034').sentence}" in told
    assert reaction("30034").sentence in messages(study).out


def resend(study: Texting, entry: Entry, *more: str) -> Done:
    words = ("resend", entry.record, "--kind", entry.message, "--reason", "phone was off", *more)
    return messages(study, *words)


def texts_to(study: Texting, phone: str) -> int:
    return sum(text.to == phone for text in study.accepted)


def test_a_text_is_sent_once_more_when_a_person_asks(study: Texting) -> None:
    """Not on the same day (one text a day for each phone), then exactly once, and in the log."""
    study.run()
    first = entries(study)[0]
    phone = text_of(study, first).to
    assert resend(study, first).code == 0
    assert resend(study, first).code == 2, "it waits already"
    study.run()
    assert texts_to(study, phone) == 1
    study.clock.pass_by(timedelta(days=1))
    for _ in range(3):
        study.run()
        study.clock.pass_by(timedelta(minutes=30))
    assert texts_to(study, phone) == 2
    logged = [row for row in study.log_rows() if row["record"] == first.record]
    assert {row["sms_occurrence"] for row in logged} == {first.occurrence, "101"}
    runs = typed(study, "runs", "--job", "messages resend", "--output", "json").out
    assert "phone was off" in runs


def test_what_keeps_texts_back_keeps_a_resend_back(study: Texting) -> None:
    """A stop, for one; after leave it goes out."""
    study.run()
    first = entries(study)[0]
    phone = text_of(study, first).to
    resend(study, first)
    messages(study, "stop", first.record, "--reason", "asked by telephone")
    study.clock.pass_by(timedelta(days=1))
    study.run()
    assert texts_to(study, phone) == 1
    allow(study, first.record)
    study.run()
    assert texts_to(study, phone) == 2


def test_nothing_is_resent_while_nobody_knows(study: Texting) -> None:
    """Exit 4: the first may have arrived."""
    unknown = lost_answer(study)
    refused = resend(study, unknown)
    assert (refused.code, "settle it first" in refused.err) == (4, True)
    before = len(study.accepted)
    study.clock.pass_by(timedelta(hours=1))
    study.run()
    assert len(study.accepted) == before


def test_resend_knows_what_there_is_to_resend(study: Texting) -> None:
    """An unknown survey, a record that got none, and a fourth time."""
    study.run()
    first = entries(study)[0]
    wrong = messages(study, "resend", first.record, "--kind", "m2-surve", "--reason", "x")
    assert (wrong.code, "m2-survey" in wrong.err) == (2, True)
    none = messages(study, "resend", "9999", "--kind", "m2-survey", "--reason", "x")
    assert (none.code, "none to resend" in none.err) == (2, True)
    newest = study.home.call("runs", "--env-file", study.home.env_file, "--output", "json")
    recorded = json.loads(newest.out)[0]
    assert (recorded["job"], recorded["state"], recorded["exit_code"]) == (
        "messages resend", "refused", 2,
    )  # fmt: skip
    for _ in range(3):
        assert resend(study, first).code == 0
        study.clock.pass_by(timedelta(days=1))
        study.run()
    assert resend(study, first).code in (2, 4)
