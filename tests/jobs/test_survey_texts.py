"""What stands in a text, until when it may go out, and whose turn it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from textwrap import dedent

import pytest
from small_texts import JOB, NOON, PROJECT, STUDY, Texts, bodies, keyed, people, why

from redcap_jobs.plan import ReadSurveyLinks, Text, Withhold

ONE = "record | name\n1 | Ana"
PHONE_HASH = keyed("+12025550100", "phone")
"""Of record 1, as the tables number phones."""
DAY = timedelta(days=1)


def known(occurrence: int, at: str, state: str = "sent", **more: str) -> dict[str, str]:
    """Give a text of record 1 that the journal knows."""
    return {
        "key": f"{PROJECT}|diary|1|||{occurrence}", "message": "diary", "record": "1",
        "occurrence": str(occurrence), "state": state, "at": at,
        "status": "delivered" if state == "sent" else "",
    } | more  # fmt: skip


def only_text(texts: Texts, as_of: datetime = NOON) -> Text:
    (action,) = texts.plan(as_of).actions
    assert isinstance(action, Text)
    return action


def test_a_reminder_has_its_own_words_and_a_resend_those_of_the_invitation() -> None:
    """Whoever asks again never saw the first one."""
    invited = known(0, "2026-03-02T14:00:00Z")
    reminder = only_text(people(ONE, messages=[invited]), NOON + 2 * DAY)
    assert (reminder.occurrence, reminder.body) == ("1", "Again L1")
    asked = known(101, "2026-03-02T16:00:00Z", "released")
    resend = only_text(people(ONE, messages=[invited, asked]), NOON + DAY)
    assert (resend.occurrence, resend.body) == ("101", "Hi Ana: L1 STOP ends")


def test_whoever_never_got_the_invitation_reads_its_words() -> None:
    """After an outage the reminder is due; "Again" would be wrong to somebody never asked."""
    late = only_text(people(ONE), NOON + 2 * DAY)
    assert (late.occurrence, late.body) == ("1", "Hi Ana: L1 STOP ends")


def test_a_text_knows_the_recipients_clock_and_its_last_day() -> None:
    """Ten days after the due date, to the end of that day in Honolulu; segments are counted."""
    text = only_text(
        people(f"record | zone | name\n1 | Pacific/Honolulu | {'ë' * 80}"), NOON + DAY / 4
    )
    assert text.zone == "Pacific/Honolulu"
    assert text.latest == datetime(2026, 3, 13, 10, tzinfo=UTC)
    assert text.segments == 2


def test_a_text_of_more_segments_than_the_study_allows_is_a_problem() -> None:
    """A long name must not cost three texts where one was meant."""
    short = STUDY.replace('hours = "09:00-20:00"', 'hours = "09:00-20:00"\nmost_segments = 1')
    plan = people(f"record | name\n1 | {'ë' * 80}\n2 | Bo", study=short).plan()
    assert set(bodies(plan)) == {"2"}
    assert "takes 2 segments, more than 1" in why(plan)["1"]


@pytest.mark.parametrize(
    ("at", "state", "waits"),
    [
        ("2026-03-02T05:00:00Z", "sent", True),
        ("2026-03-02T04:59:59Z", "sent", False),
        ("2026-03-02T14:00:00Z", "unknown", True),
        ("2026-03-02T14:00:00Z", "posting", True),
        ("2026-03-02T14:00:00Z", "rejected", False),
        ("2026-03-02T14:00:00Z", "released", False),
    ],
)
def test_a_phone_that_had_its_text_today_waits(at: str, state: str, waits: bool) -> None:
    """Since midnight where the recipient is, whatever record and survey the text was of."""
    other = {"key": f"{PROJECT}|weekly|9|||0", "message": "weekly", "record": "9"}
    before = known(0, at, state, phone_hash=PHONE_HASH) | other
    plan = people(ONE, messages=[before]).plan()
    assert ("waits its turn" in why(plan).get("1", "")) is waits
    assert bool(bodies(plan)) is not waits


def test_of_one_phone_nobody_waits_for_all_the_reminders_of_another() -> None:
    """A parent of two, a text a day: both children are asked before either is reminded again."""
    daily = STUDY.replace("days_apart = 2, count = 1", "days_apart = 1, count = 5")
    two = people("record | mobile\n1 | 2025550190\n2 | 2025550190", study=daily)
    messages: list[dict[str, str]] = []
    asked = []
    for day in range(4):
        text = only_text(replace(two, messages=messages), NOON + day * DAY)
        asked.append((text.record, text.occurrence))
        at = (NOON + day * DAY).isoformat()
        row = known(int(text.occurrence), at, record=text.record, key=text.key)
        messages.append(row | {"phone_hash": keyed("+12025550190", "phone")})
    assert asked == [("1", "0"), ("2", "1"), ("1", "2"), ("2", "3")]


def test_a_text_knows_the_other_records_of_its_phone() -> None:
    """They are read again with it: an opt-out that was entered since under one of them stops it."""
    table = "record | mobile\n1 | 2025550190\n2 | (202) 555-0190\n3 | 2025550191"
    text, other = people(table).plan().actions
    assert isinstance(text, Text)
    assert isinstance(other, Text)
    assert (text.record, text.kin, other.kin) == ("1", ("2",), ())
    later = people("record | mobile | opt_out\n1 | 2025550190 |\n2 | 2025550190 | 1")
    fresh = replace(later.inputs(NOON), fresh=True)
    assert isinstance(JOB.recheck(later.loaded, text, fresh), Withhold)


def test_a_text_that_a_person_asked_for_comes_before_others_of_its_phone() -> None:
    """Whoever calls is not told to wait for the child who was never asked."""
    known_texts = [known(0, "2026-03-01T14:00:00Z"), known(101, "2026-03-02T16:00:00Z", "released")]
    two = people("record | mobile\n2 | 2025550190\n1 | 2025550190", messages=known_texts)
    assert (only_text(two).record, only_text(two).occurrence) == ("1", "101")


def test_whose_turn_it_is_does_not_depend_on_the_order_of_rows() -> None:
    """The longest due goes first, then the lower record id."""
    table = [
        "1 | 2025550190 | 2026-02-23",
        "2 | 2025550190 | 2026-02-20",
        "3 | 2025550190 | 2026-02-20",
    ]
    for rows in (table, table[::-1]):
        assert only_text(people("record | mobile | anchor\n" + "\n".join(rows))).record == "2"


def test_a_link_is_asked_for_once_though_two_surveys_need_it() -> None:
    """Each link costs REDCap a request where the participant list is not to be had."""
    second = STUDY[STUDY.index("[[surveys]]") :].replace('id = "diary"', 'id = "weekly"')
    reads = people(ONE, study=STUDY + second).inputs(NOON).tables
    assert [read.records for read in reads if isinstance(read, ReadSurveyLinks)] == [("1",)]


def test_links_are_asked_for_only_where_a_text_goes_out() -> None:
    """Each is the key to a participant's answers: none is read for nothing."""
    table = """
    record | opt_out | mobile         | lang | diary_complete
    1      |         | (202) 555-0100 | 1    |
    2      | 1       | (202) 555-0101 | 1    |
    3      |         | (555) 555-0100 | 1    |
    4      |         | (202) 555-0103 | 3    |
    5      |         | (202) 555-0104 | 1    | 2
    """
    reads = [
        read for read in people(table).inputs(NOON).tables if isinstance(read, ReadSurveyLinks)
    ]
    assert [(read.instrument, read.records) for read in reads] == [("diary", ("1",))]


def test_a_condition_of_the_survey_is_looked_at_when_it_is_due() -> None:
    """Whoever it does not hold for is told as skipped, not forgotten."""
    only = STUDY.replace('id = "diary"', 'id = "diary"\nonly_when = "[teeth] = \'2\'"')
    plan = people("record | teeth\n1 | 2\n2 | 1", study=only).plan()
    assert set(bodies(plan)) == {"1"}
    assert "only_when" in why(plan)["2"]


def test_a_form_that_is_saved_but_not_complete_is_asked_for() -> None:
    """Incomplete (0) and unverified (1) are no answer; complete (2) is."""
    plan = people("record | diary_complete\n1 | 0\n2 | 1\n3 | 2").plan()
    assert set(bodies(plan)) == {"1", "2"}


@pytest.mark.parametrize(("arm", "asked"), [("control", {"1"}), ("treated", set())])
def test_a_survey_of_one_arm_is_for_that_arm(arm: str, asked: set[str]) -> None:
    """Whoever is in another is not asked, and nobody is told about it."""
    arms = """
    [arms.control]
    number = 1
    [arms.treated]
    number = 2
    """
    study = STUDY.replace('id = "diary"', f'id = "diary"\narm = "{arm}"') + dedent(arms)
    plan = people(ONE, study=study).plan()
    assert set(bodies(plan)) == asked
    assert why(plan) == {}


@pytest.mark.parametrize(
    ("first", "last", "texts", "reason"),
    [
        ("2026-03-02", "2026-03-02", "wait", "paused until 2026-03-02"),
        ("2026-03-03", "2026-03-05", "wait", ""),
        ("2026-02-20", "2026-03-01", "wait", ""),
        ("2026-02-20", "2026-03-01", "drop", ""),
        ("2026-02-20", "2026-03-02", "drop", "paused until 2026-03-02"),
    ],
)
def test_a_pause_holds_its_first_and_last_day(
    first: str, last: str, texts: str, reason: str
) -> None:
    """What fell due before or after it is not touched, whether it lets texts wait or drops them."""
    pause = f'[[pauses]]\nfrom = {first}\nuntil = {last}\nwhy = "snow"\ntexts = "{texts}"\n'
    plan = people(ONE, study=STUDY + pause).plan()
    assert bool(bodies(plan)) is not bool(reason)
    assert why(plan).get("1", "").startswith(reason)


@pytest.mark.parametrize(("texts", "sent"), [("wait", True), ("drop", False)])
def test_what_fell_due_in_a_pause_comes_after_it_or_never(texts: str, sent: bool) -> None:
    """Due on its last day, judged on the day after."""
    pause = f'[[pauses]]\nfrom = 2026-02-20\nuntil = 2026-03-02\nwhy = "snow"\ntexts = "{texts}"\n'
    plan = people(ONE, study=STUDY + pause).plan(NOON + DAY)
    assert bool(bodies(plan)) is sent
    assert ("lapsed in the pause" in why(plan).get("1", "")) is not sent


@pytest.mark.parametrize(
    ("day", "texts", "told"),
    [(3, "drop", "lapsed in the pause"), (3, "wait", ""), (4, "drop", ""), (4, "wait", "")],
)
def test_a_reminder_that_fell_due_in_a_pause_lapses_alone(day: int, texts: str, told: str) -> None:
    """The invitation went out before, the first reminder falls into it, the second after it."""
    twice = STUDY.replace("count = 1", "count = 2")
    pause = f'[[pauses]]\nfrom = 2026-03-03\nuntil = 2026-03-04\nwhy = "snow"\ntexts = "{texts}"\n'
    invited = known(0, "2026-03-02T14:00:00Z")
    plan = people(ONE, study=twice + pause, messages=[invited]).plan(NOON + day * DAY)
    assert told in why(plan).get("1", "")
    assert [text.occurrence for text in plan.actions if isinstance(text, Text)] == (
        [] if told else [str(day // 2)]
    )
