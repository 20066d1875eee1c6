"""Who gets which text, and why the others get none: tables in, texts and reasons out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from small_texts import NOON, PROJECT, STUDY, bodies, keyed, people, why

from redcap_jobs.jobs import load_job
from redcap_jobs.plan import Stands, Text, Withhold

JOB = load_job("send-surveys")


def test_the_text_is_the_participants_own() -> None:
    """Language, first name and link are those of the record."""
    plan = people(
        """
        record | name  | lang
        1      | Ana   | 1
        2      | Luisa | 2
        """
    ).plan()
    assert bodies(plan) == {"1": "Hi Ana: L1 STOP ends", "2": "Hola Luisa: L2 ALTO"}
    first = plan.actions[0]
    assert isinstance(first, Text)
    assert (first.to, first.message, first.occurrence) == ("+12025550100", "diary", "0")
    assert first.key == f"{PROJECT}|diary|1|||0"


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("consent", "0", "not taking part"),
        ("texts", "", "has not agreed"),
        ("texts", "0", "has not agreed"),
        ("opt_out", "1", "opted out"),
        ("opt_out", "UNK", "opted out"),
        ("left", "1", "off study"),
        ("left", "UNK", "off study"),
        ("left_on", "2027-01-01", "off study"),
        ("diary_complete", "2", None),
        ("diario_complete", "2", None),
        ("diary_timestamp", "2026-03-01 10:00:00", None),
        ("diario_timestamp", "2026-03-01 10:00:00", None),
        ("anchor", "", None),
        ("anchor", "2026-02-24", None),
        ("anchor", "2025-12-01", None),
        ("anchor", "2026-02-01", "late"),
        ("mobile", "", "no mobile"),
        ("mobile", "(555) 555-0100", "mobile"),
        ("lang", "3", "language"),
        ("lang", "", "language"),
        ("name", "", "first_name is blank"),
    ],
)
def test_who_gets_no_text_and_why(column: str, value: str, reason: str | None) -> None:
    """Each of these alone stops the text; whoever waits for it is told, the others are not."""
    plan = people(
        f"record | {column}\n1 | {value}\n2 | {column_of_good(column)}", codes={"UNK": "Unknown"}
    ).plan()
    assert set(bodies(plan)) == {"2"}
    if reason is None:
        assert "1" not in why(plan)
    else:
        assert reason in why(plan)["1"]


@pytest.mark.parametrize("due", ["days = 7", "months = 2"])
@pytest.mark.parametrize("anchor", ["9999-12-31", "0001-01-01"])
def test_a_date_at_the_end_of_the_calendar_stops_nobody_else(anchor: str, due: str) -> None:
    """Projects write 9999-12-31 for "never"; whoever has it is asked for nothing."""
    early = STUDY.replace("due = { days = 7 }", f"due = {{ {due} }}")
    near = "2026-02-23" if due == "days = 7" else "2026-01-02"
    plan = people(f"record | anchor\n1 | {anchor}\n2 | {near}", study=early).plan()
    assert (set(bodies(plan)), why(plan)) == ({"2"}, {})
    back = STUDY.replace("due = { days = 7 }", "due = { days = -7 }")
    assert set(bodies(people(f"record | anchor\n1 | {anchor}", study=back).plan())) == set()


@pytest.mark.parametrize("anchor", ["", "UNK", "soon"])
def test_whoever_has_no_date_is_counted_apart(anchor: str) -> None:
    """Nobody waits for them yet; but a date that was forgotten must show somewhere."""
    plan = people(f"record | anchor\n1 | {anchor}\n2 | 2026-02-28", codes={"UNK": "x"}).plan()
    assert list(plan.decisions["decision"]) == ["undated", "upcoming"]
    assert "1 undated" in plan.tables[0].rows[0][-1]


def test_an_answer_that_was_begun_is_not_one_that_was_given() -> None:
    """REDCap's "[not completed]" in place of the time stamp: the participant is still asked."""
    plan = people("record | diary_timestamp\n1 | [not completed]").plan()
    assert set(bodies(plan)) == {"1"}


def test_a_survey_that_was_submitted_counts_though_its_form_was_set_back() -> None:
    """The fresh look before the post sees a submission, whatever the form status says by then."""
    before, after = people("record\n1"), people("record | diary_timestamp\n1 | 2026-03-02 09:00:00")
    action = before.plan().actions[0]
    fresh = replace(after.inputs(NOON), fresh=True)
    assert isinstance(JOB.recheck(after.loaded, action, fresh), Withhold)


def column_of_good(column: str) -> str:
    """Give what a participant who is texted has in a column."""
    good = {"consent": "1", "texts": "1", "anchor": "2026-02-23", "lang": "1", "name": "Bo"}
    return good.get(column, "(202) 555-0177" if column == "mobile" else "")


def test_who_came_back_is_texted_again() -> None:
    """Once ``until`` has come, being off study counts no more."""
    plan = people("record | left | back_on\n1 | 1 | 2026-03-01\n2 | 1 | 2026-03-09").plan()
    assert set(bodies(plan)) == {"1"}


def test_a_stop_of_the_state_holds_for_phone_and_record() -> None:
    """Stopped or held by phone, stopped by record: nobody of them is texted; allowed is."""
    stops = [
        {"scope": "phone", "subject": keyed("+12025550100", "phone"), "state": "stopped", "source": "reply"},
        {"scope": "phone", "subject": keyed("+12025550101", "phone"), "state": "held", "source": "reply"},
        {"scope": "record", "subject": "3", "state": "stopped", "source": "person"},
        {"scope": "phone", "subject": keyed("+12025550103", "phone"), "state": "allowed", "source": "person"},
    ]  # fmt: skip
    plan = people("record\n1\n2\n3\n4", stops=stops).plan()
    assert set(bodies(plan)) == {"4"}
    assert "held" in why(plan)["2"]


def test_an_opt_out_by_reply_is_ticked_for_every_record_of_that_phone() -> None:
    """Two records, one phone: both are ticked; the field is not touched where it is."""
    stops = [{"scope": "phone", "subject": keyed("+12025550190", "phone"), "state": "stopped"}]
    table = """
    record | mobile         | opt_out
    1      | (202) 555-0190 |
    2      | 2025550190     |
    3      | (202) 555-0190 | 1
    4      | (202) 555-0191 |
    """
    changes = people(table, stops=stops).plan().changes
    assert list(zip(changes["record"], changes["field"], changes["new"], strict=True)) == [
        ("1", "opt_out", "1"),
        ("2", "opt_out", "1"),
    ]


def test_an_invalid_number_is_ticked_while_it_stands() -> None:
    """21211 ticks the record whose number it was, and not one whose number was corrected."""
    message = {
        "message": "diary",
        "state": "rejected",
        "code": "21211",
        "at": "2026-03-01T12:00:00Z",
    }
    messages = [
        {
            **message,
            "key": f"{PROJECT}|diary|{n}|||0",
            "record": n,
            "phone_hash": keyed(phone, "phone"),
        }
        for n, phone in (("1", "+12025550100"), ("2", "+12025550999"))
    ]
    changes = people("record\n1\n2", messages=messages).plan().changes
    assert list(zip(changes["record"], changes["field"], strict=True)) == [("1", "bad_number")]


def test_what_redcaps_log_remembers_is_not_sent_again() -> None:
    """A key in the message log counts as sent, though the journal does not know it."""
    table = f"""
    record | repeat_instrument | repeat_instance | l_key
    1      |                   |                 |
    1      | log               | 1               | {PROJECT.replace("|", "")}~diary~1~~~0
    2      |                   |                 |
    """
    texts = people(table)
    texts.rows["l_key"] = texts.rows["l_key"].str.replace("~", "|")
    assert set(bodies(texts.plan())) == {"2"}


def test_a_renamed_survey_is_the_same_survey() -> None:
    """What was sent under a former id counts."""
    messages = [
        {
            "key": f"{PROJECT}|old-diary|1|||0", "message": "old-diary", "record": "1",
            "state": "sent", "status": "delivered", "at": "2026-03-02T14:00:00Z",
        }
    ]  # fmt: skip
    renamed = STUDY.replace('id = "diary"', 'id = "diary"\nformerly = ["old-diary"]')
    assert bodies(people("record\n1", messages=messages, study=renamed).plan()) == {}
    assert set(bodies(people("record\n1", messages=messages).plan())) == {"1"}


def test_one_phone_gets_one_text_a_day_in_the_order_of_kinds() -> None:
    """Two records and two surveys with one phone: the first by order goes out, the rest waits."""
    second = STUDY[STUDY.index("[[surveys]]") :].replace('id = "diary"', 'id = "weekly"')
    study = (STUDY + second).replace(
        'hours = "09:00-20:00"', 'hours = "09:00-20:00"\norder = ["weekly"]'
    )
    plan = people("record | mobile\n1 | 2025550190\n2 | 2025550190", study=study).plan()
    assert [(text.record, text.message) for text in plan.actions if isinstance(text, Text)] == [
        ("1", "weekly")
    ]
    waiting = [skip.subject for skip in plan.skips if "waits its turn" in skip.reason]
    assert sorted(waiting) == ["diary", "diary", "weekly"]


@pytest.mark.parametrize(
    ("hours_later", "zone", "sent"),
    [(0, "", True), (9, "", False), (9, "Pacific/Honolulu", True), (0, "Asia/Tokyo", False)],
)
def test_the_hours_are_the_recipients_own(hours_later: int, zone: str, sent: bool) -> None:
    """Noon in New York is night in Tokyo; 21:00 there is the afternoon of Honolulu."""
    plan = people(f"record | zone\n1 | {zone}").plan(NOON + timedelta(hours=hours_later))
    assert bool(bodies(plan)) is sent


@pytest.mark.parametrize(("recipients", "count"), [((), 0), (("+12025550199",), 10)])
def test_a_development_run_names_nobody(recipients: tuple[str, ...], count: int) -> None:
    """Only the development phone, a few texts, placeholders in place of names and links."""
    table = "record\n" + "\n".join(str(number) for number in range(1, 15))
    plan = people(table, reaches="development", development=recipients).plan()
    texts = [text for text in plan.actions if isinstance(text, Text)]
    assert len(texts) == count
    assert {text.to for text in texts} <= set(recipients)
    assert all("Ana" not in text.body and "FIRST_NAME" in text.body for text in texts)


def test_no_link_is_a_problem_and_no_text() -> None:
    """A text without its link would be of no use."""
    plan = people("record\n1\n2", links={"1": ""}).plan()
    assert set(bodies(plan)) == {"2"}
    assert "no link" in why(plan)["1"]


@pytest.mark.parametrize(
    ("change", "stands"),
    [({}, True), ({"diary_complete": "2"}, False), ({"opt_out": "1"}, False),
     ({"mobile": "(202) 555-0188"}, False), ({"name": ""}, True), ({"left": "1"}, False)],
)  # fmt: skip
def test_what_is_rechecked_moments_before(change: dict[str, str], stands: bool) -> None:
    """Completion, withdrawal, opt-out and another phone withhold; the text itself is written."""
    texts = people("record\n1")
    (action,) = texts.plan().actions
    rows = texts.rows.assign(**change)
    inputs = replace(replace(texts, rows=rows).inputs(NOON), fresh=True)
    verdict = JOB.recheck(texts.loaded, action, inputs)
    assert isinstance(verdict, Stands if stands else Withhold)


STOPPED_BY_PHONE_CALL = {"scope": "record", "subject": "1", "state": "stopped", "source": "person"}


def test_a_stop_said_by_a_person_is_ticked_for_its_record() -> None:
    """The state may be lost; also where no text, so no phone, is known of the record yet."""
    plan = people("record | mobile\n1 | \n2 |", stops=[STOPPED_BY_PHONE_CALL]).plan()
    changes = plan.changes
    assert list(zip(changes["record"], changes["field"], strict=True)) == [("1", "opt_out")]


@pytest.mark.parametrize("opt_out", ["1", ""])
def test_who_opted_out_did_so_for_the_phone(opt_out: str) -> None:
    """Another record of that phone is not texted, nor ticked: ticks follow what was said of it."""
    table = f"""
    record | mobile         | opt_out
    1      | (202) 555-0190 | {opt_out}
    2      | 202-555-0190   |
    3      | (202) 555-0191 |
    """
    stops = [] if opt_out else [STOPPED_BY_PHONE_CALL]
    plan = people(table, stops=stops).plan()
    assert set(bodies(plan)) == {"3"}
    assert why(plan)["2"] == "its phone is that of record 1, which opted out"
    assert "2" not in set(plan.changes["record"])


@pytest.mark.parametrize(("leave_at", "texted"), [("2026-03-02", True), ("2026-02-28", False)])
def test_later_leave_for_a_record_outweighs_what_another_of_its_phone_said(
    leave_at: str, texted: bool
) -> None:
    """A parent of two stops the texts of one child; leave from before that counts for nothing."""
    stops = [
        STOPPED_BY_PHONE_CALL | {"at": "2026-03-01"},
        {"scope": "record", "subject": "2", "state": "allowed", "source": "person", "at": leave_at},
    ]
    plan = people("record | mobile\n1 | 2025550190\n2 | 2025550190", stops=stops).plan()
    assert ("2" in bodies(plan)) is texted


def test_a_missing_data_code_for_an_opt_out_stops_its_own_record_only() -> None:
    """Nobody has said of the phone that it wants no texts."""
    table = "record | mobile | opt_out\n1 | 2025550190 | UNK\n2 | 2025550190 |"
    assert set(bodies(people(table, codes={"UNK": "Unknown"}).plan())) == {"2"}


@pytest.mark.parametrize("condition", ["", "opted_out = \"[left] = '2'\""])
def test_what_the_jobs_tick_stops_texts_whatever_the_condition_reads(condition: str) -> None:
    """The state that knew of the opt-out may be gone; its tick in REDCap is enough."""
    study = STUDY.replace("opted_out = \"[opt_out] = '1'\"", condition)
    assert study != STUDY
    plan = people("record | opt_out\n1 | 1\n2 |", study=study).plan()
    assert set(bodies(plan)) == {"2"}
    assert why(plan)["1"] == "has opted out (REDCap)"
