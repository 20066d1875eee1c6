"""What the comparison tells and what it copies: a rule each, a few rows in, the plan out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_partner import (
    PAYLOAD,
    PROJECT,
    STUDY,
    call,
    cells,
    keyed,
    member,
    row,
    synced,
    text_of,
    told,
    with_partner,
)

from redcap_jobs.redcap.project import Project

AS_TOLD = {"ag_member_id": "AH-1", "ag_status": "1"}
LEFT = {"off_study": "1", "off_study_date": "2026-11-01"}


def coded() -> dict[str, Project]:
    """Give the project with a missing-data code, as both sides."""
    project = replace(
        PROJECT, info=replace(PROJECT.info, missing_data_codes={"NI": "No information"})
    )
    return {"source": project, "target": project}


def test_where_both_agree_nothing_is_told_or_written() -> None:
    """And no stamp: it is set only where something else is."""
    plan = synced([row("1", **AS_TOLD)], [member("1")], with_partner("1"))
    assert (told(plan), len(plan.changes), plan.skips) == ([], 0, ())
    assert plan.tables[0].rows == (("enrolled", "1"), ("compared in all", "1"))


def test_the_partners_word_is_copied_where_it_changed_with_one_stamp() -> None:
    """Status, opt-out and day; an instant is its day in the study's zone; nobody else's stamp."""
    out = member("1", status="opted_out", optedOutAt="2026-11-24T02:00:00Z")
    plan = synced(
        [row("1", **AS_TOLD), row("2", ag_member_id="AH-2", ag_status="1")],
        [out, member("2")],
        with_partner("1", "2"),
    )
    assert cells(plan) == {
        ("1", "ag_status"): "4",
        ("1", "ag_opted_out"): "1",
        ("1", "ag_opted_out_on"): "2026-11-23",
    }
    stamps = plan.changes[plan.changes["field"] == "ag_synced_at"]
    assert list(stamps["record"]) == ["1"]
    assert told(plan) == []


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        ({}, {"arm": "CWT"}, ["arm"]),
        ({}, {"arm": ""}, ["arm"]),
        ({"rand_group": ""}, {}, ["arm"]),
        ({"rand_group": ""}, {"arm": ""}, []),
        ({}, {"language": "es"}, ["language"]),
        ({}, {"mobilePhone": "(415) 555-0101"}, []),
        ({}, {"firstName": ""}, ["firstName"]),
        ({"child_gender": "2"}, {}, ["childGender"]),
        ({"ag_opted_out": "1"}, {}, ["opt-out"]),
        ({}, {"status": "withdrawn"}, ["status"]),
        ({}, {"status": "paused"}, ["status"]),
        ({}, {"status": ""}, ["status"]),
        ({"ag_program_week": "3"}, {}, ["programWeek"]),
        (LEFT, {"status": "withdrawn"}, []),
        ({"consent___1": "0", **LEFT}, {"status": "withdrawn"}, []),
    ],
)
def test_each_difference_is_told_once(
    here: dict[str, str], there: dict[str, str], expected: list[str]
) -> None:
    """A blank on one side, too; a notation, or what both sides know, is no difference."""
    said = {**PAYLOAD, **({"childGender": "M"} if "child_gender" in here else {})}
    journal = [call("1", payload_hash=keyed(text_of(said), "partner")), call("1", "arm")]
    plan = synced([row("1", **{**AS_TOLD, **here})], [member("1", **there)], journal)
    assert [where for _, where in told(plan)] == expected
    owned_here = {"rand_group", "part_language", "part_mobile_number", "part_first_name"}
    assert not owned_here & set(plan.changes["field"])


def test_a_blank_of_redcaps_is_not_to_be_sent_again() -> None:
    """It never is sent, so no command that would send it is named."""
    there = member("1", lastName="Finch", firstName="Robin")
    plan = synced([row("1", **AS_TOLD)], [there], with_partner("1"))
    hints = {each.where: each.hint for each in plan.problems}
    assert "enter it in REDCap" in hints["lastName"]
    assert "tell-again STUDY 1 --reason" in hints["firstName"]


def test_a_blank_at_the_partner_erases_nothing() -> None:
    """It owns the field, and has lost it: told, and REDCap keeps what it has."""
    here = {**AS_TOLD, "ag_program_week": "3", "ag_completed_on": "2026-10-01"}
    plan = synced([row("1", **here)], [member("1", status="")], with_partner("1"))
    assert cells(plan) == {}
    assert sorted(where for _, where in told(plan)) == ["completedAt", "programWeek", "status"]


def test_a_missing_data_code_is_a_blank() -> None:
    """In a copy of the partner's value, too: nothing was lost there."""
    here = {**AS_TOLD, "ag_program_week": "NI", "ag_opted_out": "NI"}
    plan = synced([row("1", **here)], [member("1")], with_partner("1"), **coded())
    assert (told(plan), cells(plan)) == ([], {})


def test_arms_come_first_then_opt_outs_then_what_is_urgent() -> None:
    """A wrong arm is the wrong treatment; the table counts in the same order."""
    rows = [row(str(n), ag_member_id=f"AH-{n}", ag_status="1") for n in range(1, 5)]
    rows[2]["ag_opted_out"] = "1"
    members = [
        member("1", firstName="Finch"),
        member("2", language="es"),
        member("3"),
        member("4", arm="CWT"),
    ]
    plan = synced(rows, members, with_partner("1", "2", "3", "4"))
    order = [("4", "arm"), ("3", "opt-out"), ("2", "language"), ("1", "firstName")]
    assert told(plan) == order
    assert plan.tables[1].rows == tuple((where, "1") for _, where in order)


def test_only_here_only_there_and_twice_there() -> None:
    """A second member of somebody is told once, as twice there."""
    plan = synced(
        [row("1", **AS_TOLD), row("2", ag_member_id="AH-2"), row("3")],
        [member("1"), member("1", 7), member("3"), member("9")],
        with_partner("1", "2"),
    )
    kinds = dict(plan.tables[1].rows)
    assert kinds == {"only here": "1", "only there": "2", "twice there": "1"}
    assert sorted(told(plan)) == [("-", "member"), *((r, "member") for r in "123")]


def test_a_member_of_a_contradictory_record_is_that_records() -> None:
    """Its rows stand in two arms and the journal does not know it: still it is a record here."""
    rows = [row("1"), row("1", event="baseline_arm_2")]
    plan = synced(rows, [member("1")])
    assert sorted(told(plan)) == [("1", "arm"), ("1", "member")]


@pytest.mark.parametrize(
    ("ticked", "status", "expected"),
    [
        ("", "opted_out", [("1", "opt-out"), ("1", "arm")]),
        ("1", "opted_out", [("1", "arm")]),
        ("", "active", [("1", "arm")]),
    ],
)
def test_an_opt_out_that_cannot_be_written_is_told(
    ticked: str, status: str, expected: list[tuple[str, str]]
) -> None:
    """While the record's arm contradicts itself nothing is written; the opt-out waits for nobody."""
    rows = [row("1", ag_opted_out=ticked), row("1", event="baseline_arm_2")]
    plan = synced(rows, [member("1", status=status)], with_partner("1"))
    assert told(plan) == expected
    assert cells(plan) == {}


def test_a_contradictory_records_member_that_vanished_is_told() -> None:
    """Whatever its rows say, the partner has lost it."""
    rows = [row("1"), row("1", event="baseline_arm_2")]
    plan = synced(rows, [], with_partner("1"))
    assert sorted(told(plan)) == [("1", "arm"), ("1", "member")]


def test_another_participants_word_is_not_copied() -> None:
    """A member id typed under two records: who opted out is the one whom the partner names."""
    plan = synced(
        [row("1", **AS_TOLD), row("2", ag_member_id="AH-1", part_mobile_number="4155550102")],
        [member("1", status="opted_out", optedOutAt="2026-11-20T18:00:00Z")],
        with_partner("1"),
    )
    assert {record for record, _ in cells(plan)} == {"1"}
    assert told(plan) == [("2", "member")]
    assert plan.tables[0].rows[-1] == ("compared in all", "1")


def test_the_member_that_the_journal_enrolled_is_copied_under_another_study_id() -> None:
    """The partner's staff gave it another participant's id: the member is still the one enrolled."""
    rows = [row("1", **AS_TOLD), row("2", consent___1="0")]
    plan = synced(rows, [member("1", study_id="2", status="opted_out")], with_partner("1"))
    assert cells(plan)[("1", "ag_opted_out")] == "1"
    assert ("1", "member") in told(plan)
    assert {record for record, _ in cells(plan)} == {"1"}


@pytest.mark.parametrize(
    ("ticked", "left", "withdrawn", "status", "expected"),
    [
        (True, False, False, "active", ["opt-out"]),
        (True, False, False, "opted_out", []),
        (True, True, True, "withdrawn", []),
        (False, True, True, "withdrawn", []),
        (False, True, True, "active", ["status"]),
        (False, True, True, "opted_out", []),
        (False, True, False, "active", []),
        (False, True, False, "withdrawn", []),
        (False, False, False, "withdrawn", ["status"]),
        (False, False, True, "withdrawn", []),
    ],
)
def test_who_is_out_on_one_side_only_is_told(
    *, ticked: bool, left: bool, withdrawn: bool, status: str, expected: list[str]
) -> None:
    """Nothing where both know it, or where the next poll tells the partner or a person."""
    here = {"ag_opted_out": "1"} if ticked else {}
    journal = [*with_partner("1"), *([call("1", "withdraw")] if withdrawn else [])]
    plan = synced(
        [row("1", **AS_TOLD, **here, **(LEFT if left else {}))],
        [member("1", status=status)],
        journal,
    )
    assert [where for _, where in told(plan)] == expected


def test_what_has_no_translation_is_left_to_the_poll() -> None:
    """It tells that value; here only what else differs is."""
    here = row("1", **AS_TOLD, part_language="7")
    assert told(synced([here], [member("1")], with_partner("1"))) == []
    there = member("1", firstName="Finch", language="es")
    assert told(synced([here], [there], with_partner("1"))) == [("1", "firstName")]


def test_without_a_table_of_statuses_no_word_is_lacking_in_it() -> None:
    """The study copies no status, so the partner's words for it are its own matter."""
    assert STUDY.partner is not None
    bare = STUDY.partner.model_copy(update={"statuses": {}})
    study = STUDY.model_copy(update={"partner": bare})
    plan = synced(
        [row("1", **AS_TOLD)], [member("1", status="paused")], with_partner("1"), study=study
    )
    assert told(plan) == []


def test_members_without_a_study_id_are_not_one_participant() -> None:
    """Each is somebody of whom nobody here knows anything."""
    strangers = [member("1", 7, study_id=""), member("1", 8, study_id="")]
    plan = synced([row("1", **AS_TOLD)], [member("1"), *strangers], with_partner("1"))
    assert told(plan) == [("-", "member"), ("-", "member")]


def test_an_opt_out_is_told_of_who_left_in_two_arms() -> None:
    """Withdrawn or not: it cannot be written, since no one row is theirs."""
    rows = [row("1", **LEFT), row("1", event="baseline_arm_2")]
    plan = synced(rows, [member("1", status="opted_out")], with_partner("1"))
    assert ("1", "opt-out") in told(plan)
    assert len(plan.changes) == 0


def test_a_renamed_records_member_is_copied_still() -> None:
    """The partner's study id is no record here any more: told, and its opt-out is not lost."""
    plan = synced([row("2", ag_member_id="AH-1")], [member("1", status="opted_out")])
    assert cells(plan)[("2", "ag_opted_out")] == "1"
    assert told(plan) == [("2", "member")]


def test_the_journals_member_is_the_one_compared() -> None:
    """Another id typed into REDCap leads to nobody else's data."""
    rows = [row("1", ag_member_id="AH-9", ag_status="1")]
    plan = synced(rows, [member("1"), member("9", language="es")], with_partner("1"))
    assert told(plan) == [("-", "member")]


def test_what_the_next_poll_tells_is_no_difference_yet() -> None:
    """Counted as a skip, with the job that does it."""
    rows = [row("1", **AS_TOLD, part_first_name="Finch")]
    plan = synced(rows, [member("1")], with_partner("1"))
    assert told(plan) == []
    assert [(each.record, each.reason) for each in plan.skips] == [
        ("1", "changed in REDCap; poll-participants tells it")
    ]


@pytest.mark.parametrize("why", ["refused", "untranslatable"])
def test_what_no_poll_tells_is_a_difference(why: str) -> None:
    """A refused update, or a value without translation, hides no wrong phone for weeks."""
    was = {**PAYLOAD, "childGender": "M"}
    now = {**PAYLOAD, "firstName": "Finch"}
    here = {"part_first_name": "Finch"} if why == "refused" else {"child_gender": "7"}
    journal = [call("1", payload_hash=keyed(text_of(was), "partner")), call("1", "arm")]
    if why == "refused":
        sent = keyed(text_of(now), "partner")
        no = {"state": "rejected", "code": "422 invalid_field", "payload_hash": sent}
        journal.append(call("1", "update", **no))
    there = member("1", mobilePhone="+14155550177")
    plan = synced([row("1", **AS_TOLD, **here)], [there], journal)
    assert ("1", "mobilePhone") in told(plan)
    assert plan.skips == ()


def test_only_who_is_to_be_enrolled_counts_as_not_enrolled_yet() -> None:
    """Not who opted out, lacks something or is no participant, nor a member that vanished."""
    rows = [
        row("1"),
        row("2", ag_opted_out="1"),
        row("3", child_name=""),
        row("4", consent___1="0"),
        row("5", part_mobile_number="12"),
        row("6", **AS_TOLD | {"ag_member_id": "AH-6"}),
    ]
    plan = synced(rows, [], with_partner("6"))
    assert [(one.record, one.reason) for one in plan.skips if one.subject == "partner"] == [
        ("1", "not enrolled yet; poll-participants does it")
    ]


@pytest.mark.parametrize("code", ["429", "401", "no connection"])
def test_an_update_that_the_next_poll_repeats_is_no_difference(code: str) -> None:
    """What stopped it says nothing of the data: it is counted as waiting."""
    now = keyed(text_of({**PAYLOAD, "firstName": "Finch"}), "partner")
    refused = call("1", "update", state="rejected", code=code, payload_hash=now)
    here = row("1", **AS_TOLD, part_first_name="Finch")
    plan = synced([here], [member("1")], [*with_partner("1"), refused])
    assert told(plan) == []
    assert [one.reason for one in plan.skips] == ["changed in REDCap; poll-participants tells it"]


def test_a_value_of_the_partners_without_translation_is_left_out() -> None:
    """Told for that field; the others are copied, and so is everybody else's."""
    members = [member("1", status="active", programWeek="soon"), member("2", status="active")]
    rows = [row("1", **AS_TOLD), row("2", ag_member_id="AH-2", ag_status="1")]
    plan = synced(rows, members, with_partner("1", "2"))
    assert cells(plan) == {("1", "ag_status"): "2", ("2", "ag_status"): "2"}
    assert told(plan) == [("1", "programWeek")]


def test_no_value_is_told() -> None:
    """Neither side's: people look them up."""
    there = member("1", firstName="Finch", mobilePhone="+14155550177", language="es", arm="CWT")
    plan = synced([row("1", **AS_TOLD)], [there], with_partner("1"))
    said = " ".join(map(str, plan.problems)) + plan.decisions.to_csv()
    for value in ("Finch", "Wren", "5550177", "5550101", "CWT", "OHT"):
        assert value not in said
