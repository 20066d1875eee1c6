"""What the state remembers of the exchange: calls in order, whose member, when what was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from partner_journal import AGILE, PROJECT, Called, keyed

from redcap_jobs.jobs.partner_history import LOOKED_UP, history, payload_text
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.state.journal_evidence import not_done
from redcap_jobs.state.partner_calls import (
    CONFIRMED_FOR,
    Confirmation,
    confirm,
    confirmed_arms,
    confirmed_records,
    entries_of_calls,
    has_members,
    member_of,
    partner_calls,
    record_of,
    unknown_calls,
)
from redcap_jobs.state.source_reads import SourceRead, keep_read, last_read

ELSEWHERE = replace(PROJECT, mode="development")
AT = datetime(2026, 11, 24, 18, tzinfo=UTC)


@pytest.fixture
def called(tmp_path: Any) -> Iterator[Called]:
    with Called.at(tmp_path) as made:
        yield made


def test_calls_stand_in_the_order_in_which_they_were_made(called: Called) -> None:
    """So the newest is what counts; each with its outcome."""
    called.enrol("1001", "AH-000007", firstName="Josefina")
    called.take("1001", "update", firstName="Ana")
    called.refuse("1001", "invalid_field", "arm", arm="OHT")
    called.lose("1001", "withdraw")
    frame = partner_calls(called.store, PROJECT)
    assert list(frame["call"]) == ["enrol", "update", "arm", "withdraw"]
    assert list(frame["state"]) == ["sent", "sent", "rejected", "unknown"]
    assert list(frame["not_sent"]) == ["false", "false", "true", "false"]
    assert list(frame["code"]) == ["", "", "invalid_field", ""]
    assert frame["member"].iloc[0] == "AH-000007"
    assert frame["payload_hash"].iloc[1] == keyed(payload_text({"firstName": "Ana"}), "partner")
    assert (frame["at"].str.len() == len("2026-11-24T18:00:00.000000Z")).all()
    assert set(frame.dtypes.astype(str)) == {"str"}


def test_a_call_of_another_project_or_mode_is_not_seen(called: Called) -> None:
    """A development copy knows nothing of production's members, nor the other way round."""
    called.enrol("1001", "AH-000007")
    called.lose("1002")
    assert partner_calls(called.store, ELSEWHERE).empty
    assert unknown_calls(called.store, ELSEWHERE, AGILE) == []
    assert member_of(called.store, ELSEWHERE, AGILE, "1001") == ""
    assert record_of(called.store, ELSEWHERE, AGILE, "AH-000007") == ""
    assert not has_members(called.store, ELSEWHERE, AGILE)
    assert has_members(called.store, PROJECT, AGILE)


def test_only_an_enrolment_that_was_taken_makes_a_member(called: Called) -> None:
    """Neither one that was refused or lost, nor an update."""
    called.lose("1001")
    called.refuse("1002", "invalid_field")
    called.take("1003", "update")
    for record in ("1001", "1002", "1003"):
        assert member_of(called.store, PROJECT, AGILE, record) == ""
    assert not has_members(called.store, PROJECT, AGILE)
    assert record_of(called.store, PROJECT, AGILE, "AH-1") == ""


def test_the_newest_enrolment_is_the_member(called: Called) -> None:
    """Here as in what the jobs read of the journal."""
    called.enrol("1001", "AH-000007")
    claim = called.begin("1001", "enrol", {}, occurrence=1)
    called.journal().sent(claim, "AH-000008")
    assert member_of(called.store, PROJECT, AGILE, "1001") == "AH-000008"
    assert history(partner_calls(called.store, PROJECT), AGILE)["1001"].member == "AH-000008"


def test_what_may_have_taken_effect_is_in_doubt_until_it_is_confirmed(called: Called) -> None:
    """An update that was lost blanks what was last told, a lost arm leaves the arm in doubt."""
    told = {"firstName": "Josefina"}
    called.enrol("1001", "AH-000007", **told)
    called.take("1001", "arm", arm="OHT")
    known = history(partner_calls(called.store, PROJECT), AGILE)["1001"]
    assert known.told == keyed(payload_text(told), "partner")
    assert known.arm_is_known
    called.lose("1001", "update", firstName="Ana")
    called.lose("1001", "arm", 1, arm="CWT")
    known = history(partner_calls(called.store, PROJECT), AGILE)["1001"]
    assert (known.told, known.arm_is_known, known.open) == ("", False, {"update", "arm"})
    for call, occurrence in (("update", 0), ("arm", 1)):
        key = MessageKey(str(PROJECT), f"partner-{call}", "1001", AGILE, occurrence=str(occurrence))
        not_done(called.store, str(key), 1, LOOKED_UP, "says how things are")
    known = history(partner_calls(called.store, PROJECT), AGILE)["1001"]
    assert (known.told, known.arm_is_known, known.open) == ("", False, set())
    called.take("1002", "arm", arm="OHT")
    assert history(partner_calls(called.store, PROJECT), AGILE)["1002"].arm_is_known


@pytest.mark.parametrize("code", ["invalid_field", "429", "no connection"])
def test_what_was_refused_leaves_no_doubt(called: Called, code: str) -> None:
    """It surely took no effect."""
    called.enrol("1001", "AH-000007", firstName="Josefina")
    called.take("1001", "arm", arm="OHT")
    called.refuse("1001", code, "update", firstName="Ana")
    known = history(partner_calls(called.store, PROJECT), AGILE)["1001"]
    assert known.told == keyed(payload_text({"firstName": "Josefina"}), "partner")
    assert known.arm_is_known


def test_what_was_taken_ends_a_refusal(called: Called) -> None:
    """The same words that were refused before may be said again."""
    called.enrol("1001", "AH-000007")
    called.refuse("1001", "invalid_field", "update", firstName="Ana")
    assert set(history(partner_calls(called.store, PROJECT), AGILE)["1001"].refused) == {"update"}
    called.take("1001", "update", firstName="Josefina")
    assert history(partner_calls(called.store, PROJECT), AGILE)["1001"].refused == {}


def test_a_confirmation_replaces_the_one_before(called: Called) -> None:
    """One per record; those of others, and of another project, stay."""
    for project, record, arm in (
        (PROJECT, "1001", "a"),
        (PROJECT, "1002", "a"),
        (ELSEWHERE, "1001", "c"),
        (PROJECT, "1001", "b"),
    ):
        confirm(called.store, project, [Confirmation(record, arm, "why", "somebody")])
    found = confirmed_arms(called.store, PROJECT).to_dict("records")
    assert sorted((row["record"], row["value_hash"]) for row in found) == [
        ("1001", "b"),
        ("1002", "a"),
    ]
    assert confirmed_records(called.store, PROJECT) == ["1001", "1002"]
    (other,) = confirmed_arms(called.store, ELSEWHERE).to_dict("records")
    assert other["value_hash"] == "c"


def test_a_confirmation_lapses_after_a_week(called: Called) -> None:
    """A word of long ago pushes no arm that REDCap slips back to."""
    confirm(called.store, PROJECT, [Confirmation("1001", "a", "why", "somebody")])
    called.clock.sleep(CONFIRMED_FOR)
    assert confirmed_records(called.store, PROJECT) == ["1001"]
    called.clock.sleep(timedelta(seconds=1))
    assert confirmed_arms(called.store, PROJECT).empty


def test_a_reading_is_of_one_job_on_one_project(called: Called) -> None:
    """The newest takes the place of the one before; what others read stays."""
    first = SourceRead(AT, AT, "file 1")
    second = SourceRead(AT + timedelta(minutes=15), AT, "file 2")
    keep_read(called.store, PROJECT, "poll", first)
    keep_read(called.store, PROJECT, "sync", first)
    keep_read(called.store, ELSEWHERE, "poll", first)
    keep_read(called.store, PROJECT, "poll", second)
    assert last_read(called.store, PROJECT, "poll") == second
    assert last_read(called.store, PROJECT, "sync") == first
    assert last_read(called.store, ELSEWHERE, "poll") == first
    assert last_read(called.store, PROJECT, "other") is None


def test_another_partners_members_are_no_members(called: Called) -> None:
    """Who was enrolled with the partner before is not enrolled with this one."""
    called.enrol("1001", "AH-000007")
    new = "other"
    assert member_of(called.store, PROJECT, new, "1001") == ""
    assert record_of(called.store, PROJECT, new, "AH-000007") == ""
    assert not has_members(called.store, PROJECT, new)
    assert entries_of_calls(called.store, PROJECT, new) == []
    known = history(partner_calls(called.store, PROJECT), new)["1001"]
    assert (known.member, known.told, known.former) == ("", "", {"AH-000007"})
    called.partner = new
    called.enrol("1001", "OT-1")
    assert member_of(called.store, PROJECT, new, "1001") == "OT-1"
    assert member_of(called.store, PROJECT, AGILE, "1001") == "AH-000007"
    frame = partner_calls(called.store, PROJECT)
    assert history(frame, new)["1001"].member == "OT-1"
    assert history(frame, AGILE)["1001"].former == {"OT-1"}


def test_what_another_partner_left_open_waits_for_nobody(called: Called) -> None:
    """It cannot be asked any more."""
    called.begin("1001", "enrol", {})
    called.journal("run-2").recover()
    assert [one.record for one in unknown_calls(called.store, PROJECT, AGILE)] == ["1001"]
    assert unknown_calls(called.store, PROJECT, "other") == []
    assert history(partner_calls(called.store, PROJECT), "other")["1001"].open == set()
