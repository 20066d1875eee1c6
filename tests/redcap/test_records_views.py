"""What a reference means for a record seen from a visit, and for a row of an export."""

from __future__ import annotations

import pandas as pd
import pytest
from small_projects import CLASSIC, TWO_ARMS, rows

from redcap_jobs.errors import DictionaryError
from redcap_jobs.plan import KEYS
from redcap_jobs.redcap.logic import parse, parse_reference
from redcap_jobs.redcap.project import Project
from redcap_jobs.redcap.records import (
    EventPlace,
    ParticipantView,
    RepeatPlace,
    RowView,
    ambiguous,
    needed,
    record_arms,
)

ROWS = rows("""
record event       repeat_instrument repeat_instance dag   enrol_date consent___1 visit_date dmfs sms mood
1      base_arm_1  .                 .               north 2025-01-01 1           2025-01-02 3    .   .
1      m2_arm_1    .                 .               north .          .           2025-03-01 .    .   .
1      m12_arm_1   .                 .               north .          .           .          5    .   .
1      base_arm_1  log               1               north .          .           .          .    s1  .
1      base_arm_1  log               3               north .          .           .          .    s3  .
1      diary_arm_1 .                 1               north .          .           .          .    .   bad
1      diary_arm_1 .                 2               north .          .           .          .    .   good
2      base_arm_2  .                 .               .     2025-02-01 0           UNK        .    .   .
2      m2_arm_2    .                 .               .     .          .           2025-04-01 .    .   .
3      m2_arm_2    .                 .               south .          .           2025-05-05 .    .   .
""")
M2 = EventPlace(("m2_arm_1", "m2_arm_2"))
M12 = EventPlace(("m12_arm_1", "m12_arm_2"))


def view(
    frame: pd.DataFrame = ROWS,
    project: Project = TWO_ARMS,
    records: tuple[str, ...] = ("1", "2", "3", "4"),
    arms: tuple[int | None, ...] = (1, 2, None, None),
) -> ParticipantView:
    index = pd.Index(records, dtype="str", name="record")
    return ParticipantView(
        frame,
        index,
        project,
        pd.Series(arms, index=index, dtype="Int64"),
        today=pd.Series(pd.Timestamp("2025-06-15 18:00"), index=index),
    )


@pytest.mark.parametrize(
    ("reference", "own", "expected"),
    [
        ("visit_date", M2, ["2025-03-01", "2025-04-01", "2025-05-05", ""]),
        ("visit_date", None, ["", "", "", ""]),
        ("visit_date", EventPlace(("m2_arm_1",)), ["2025-03-01", "", "", ""]),
        ("enrol_date", M2, ["2025-01-01", "2025-02-01", "", ""]),
        ("enrol_date", None, ["2025-01-01", "2025-02-01", "", ""]),
        ("[base_arm_1][enrol_date]", M2, ["2025-01-01", "", "", ""]),
        ("[m2_arm_2][visit_date]", None, ["", "2025-04-01", "2025-05-05", ""]),
        ("[first-event-name][enrol_date]", M2, ["2025-01-01", "2025-02-01", "", ""]),
        ("[last-event-name][dmfs]", None, ["5", "", "", ""]),
        ("[event-name][visit_date]", M2, ["2025-03-01", "2025-04-01", "2025-05-05", ""]),
        ("[previous-event-name][visit_date]", M2, ["2025-01-02", "", "", ""]),
        ("[previous-event-name][dmfs]", M12, ["3", "", "", ""]),
        ("[next-event-name][dmfs]", M2, ["5", "", "", ""]),
        ("[previous-event-name][visit_date]", None, ["", "", "", ""]),
        ("[consent(1)]", M2, ["1", "0", "", ""]),
        ("record_id", M2, ["1", "2", "3", "4"]),
        ("[sms]", None, ["", "", "", ""]),
        ("[sms][1]", M2, ["s1", "", "", ""]),
        ("[sms][2]", M2, ["", "", "", ""]),
        ("[base_arm_1][sms][first-instance]", None, ["s1", "", "", ""]),
        ("[base_arm_1][sms][last-instance]", None, ["s3", "", "", ""]),
        ("[mood][last-instance]", None, ["good", "", "", ""]),
        ("[mood][1]", None, ["bad", "", "", ""]),
        ("[enrol_date][1]", None, ["", "", "", ""]),
    ],
)
def test_a_reference_is_read_in_the_records_own_arm(
    reference: str, own: EventPlace | None, expected: list[str]
) -> None:
    """Own event, else the only one; smart events among those that have the form; '' elsewhere.

    Record 3 has no known arm: it is read where it has rows. Record 4 has no rows at all.
    """
    assert list(view().at(own).values(parse_reference(reference))) == expected


def test_a_record_in_two_arms_is_read_in_the_first() -> None:
    """Its arm is not known; the arms are tried in order, and the first with a row counts."""
    frame = rows("""
    record event      enrol_date
    7      base_arm_2 2025-02-02
    7      base_arm_1 2025-01-01
    8      base_arm_2 2025-02-03
    """)
    seen = view(frame, TWO_ARMS, ("7", "8"), (None, None))
    assert list(seen.values(parse_reference("enrol_date"))) == ["2025-01-01", "2025-02-03"]


def test_instances_of_a_classic_project() -> None:
    """Visits as instances: the own instance, its neighbours; base fields stand on the base row."""
    frame = rows("""
    record repeat_instrument repeat_instance enrol_date visit_date missed
    1      .                 .               2025-01-01 .          .
    1      visit             1               .          2025-01-05 .
    1      visit             2               .          2025-02-05 1
    2      .                 .               2025-01-09 .          .
    """)
    seen = view(frame, CLASSIC, ("1", "2"), (None, None))
    second = seen.at(RepeatPlace("visit", 2))
    answers = {
        text: list(second.values(parse_reference(text)))
        for text in (
            "visit_date",
            "[visit_date][current-instance]",
            "[visit_date][previous-instance]",
            "[visit_date][next-instance]",
            "[visit_date][first-instance]",
            "enrol_date",
            "[base_arm_1][enrol_date]",
        )
    }
    assert answers == {
        "visit_date": ["2025-02-05", ""],
        "[visit_date][current-instance]": ["2025-02-05", ""],
        "[visit_date][previous-instance]": ["2025-01-05", ""],
        "[visit_date][next-instance]": ["", ""],
        "[visit_date][first-instance]": ["2025-01-05", ""],
        "enrol_date": ["2025-01-01", "2025-01-09"],
        "[base_arm_1][enrol_date]": ["", ""],
    }
    assert list(seen.values(parse_reference("visit_date"))) == ["", ""]
    assert list(second.smart("current-instance")) == ["2", "2"]
    assert list(second.smart("arm-number")) == ["1", "1"]


def test_missing_data_codes_are_blank_but_can_be_asked_for() -> None:
    """The project's own codes by default; a stop condition can still see that one is stored."""
    seen = view().at(EventPlace(("base_arm_1", "base_arm_2")))
    reference = parse_reference("visit_date")
    assert list(seen.values(reference)) == ["2025-01-02", "", "", ""]
    assert list(seen.coded_missing(reference)) == [False, True, False, False]
    assert list(parse("isblankormissingcode([visit_date])").truth(seen)) == [
        False,
        True,
        True,
        True,
    ]
    literal = ParticipantView(
        ROWS, seen.index, TWO_ARMS, pd.Series([1, 2, None, None], seen.index, dtype="Int64"),
        seen.own, missing_codes=(), today=seen.today,
    )  # fmt: skip
    assert list(literal.values(reference))[1] == "UNK"


def test_a_missing_data_code_of_a_checkbox_stops() -> None:
    """A checkbox has a column for each code, where they are exported: "unknown" is no leave."""
    project = view().project
    box = next(field for field in project.fields.values() if field.type == "checkbox")
    code = box.choices[0].code
    condition = parse(f"[{box.name}({code})] = '1'")
    plain = view()
    assert not plain.stops(condition).iloc[-1]
    told = ROWS.assign(**{f"{box.name}___unk": "1"})
    seen = ParticipantView(
        told, plain.index, project, pd.Series([1, 2, None, None], plain.index, dtype="Int64"),
        plain.own, missing_codes=("UNK",), today=plain.today,
    )  # fmt: skip
    assert list(seen.stops(condition)) != list(plain.stops(condition))


def test_the_first_that_is_not_blank() -> None:
    """A list of fields means the first with a value, per record; no list, no value."""
    seen = view().at(M2)
    both = [parse_reference("[last-event-name][dmfs]"), parse_reference("visit_date")]
    assert list(seen.first(both)) == ["5", "2025-04-01", "2025-05-05", ""]
    assert list(seen.first([])) == ["", "", "", ""]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("record-name", ["1", "2", "3", "4"]),
        ("record-dag-name", ["north", "", "south", ""]),
        ("arm-number", ["1", "2", "", ""]),
        ("event-name", ["m2_arm_1", "m2_arm_2", "", ""]),
        ("event-label", ["M2", "M2", "", ""]),
        ("first-event-name", ["base_arm_1", "base_arm_2", "", ""]),
        ("last-event-name", ["diary_arm_1", "m12_arm_2", "", ""]),
        ("previous-event-name", ["base_arm_1", "base_arm_2", "", ""]),
        ("next-event-name", ["m12_arm_1", "m12_arm_2", "", ""]),
        ("current-instance", ["", "", "", ""]),
    ],
)
def test_smart_variables_of_a_record(name: str, expected: list[str]) -> None:
    """Seen from the second visit, in the record's own arm; '' where the arm is not known."""
    assert list(view().at(M2).smart(name)) == expected


def test_conditions_over_participants() -> None:
    """A whole condition: consent at the first event, and a visit at least 90 days ago."""
    text = "[first-event-name][consent(1)] = '1' and datediff([visit_date], 'today', 'd') > 90"
    seen = view().at(M2)
    assert list(parse(text).truth(seen)) == [True, False, False, False]
    assert list(parse(text).any_blank(seen)) == [False, False, False, True]
    assert list(parse("datediff('2025-06-15', 'now', 'h')").evaluate(seen)) == [18.0] * 4


def test_a_view_from_elsewhere_leaves_the_first_alone() -> None:
    """``at`` gives a copy."""
    seen = view()
    assert seen.at(M2).own == M2
    assert seen.own is None


def test_what_was_not_read_is_refused() -> None:
    """A field outside the export is a fault of the plan, not a blank; unknown names say so."""
    with pytest.raises(LookupError, match="missed"):
        view().at(M2).values(parse_reference("missed"))
    with pytest.raises(DictionaryError, match="visit_date"):
        view().values(parse_reference("vist_date"))
    with pytest.raises(DictionaryError, match="m2_arm_9"):
        view().values(parse_reference("[m2_arm_9][visit_date]"))


def test_no_rows_at_all() -> None:
    """An empty export reads as blanks."""
    assert list(view(ROWS.iloc[:0]).at(M2).values(parse_reference("visit_date"))) == [""] * 4
    assert list(view(ROWS.iloc[:0]).smart("record-dag-name")) == [""] * 4
    assert list(view(ROWS.iloc[:0]).values(parse_reference("[sms][last-instance]"))) == [""] * 4


def row_view() -> RowView:
    return RowView(ROWS, TWO_ARMS, today=pd.Series(pd.Timestamp("2025-06-15"), index=ROWS.index))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[visit_date] <> ''", [0, 1, 8, 9]),
        ("[base_arm_1][consent(1)] = '1'", [0, 1, 2, 3, 4, 5, 6]),
        ("[first-event-name][enrol_date] = '2025-02-01'", [7, 8]),
        ("[previous-event-name][visit_date] = '2025-01-02'", [1]),
        ("[previous-event-name][visit_date] = '2025-03-01'", [2]),
        ("[sms][1] = 's1'", [0, 3, 4]),
        ("[sms][previous-instance] <> ''", []),
        ("[sms][current-instance] = 's3'", [4]),
        ("[mood][previous-instance] = 'bad'", [6]),
        ("[base_arm_1][sms][last-instance] = 's3'", [0, 1, 2, 3, 4, 5, 6]),
        ("[event-name] = 'm2_arm_2'", [8, 9]),
        ("[arm-number] = 1 and [event-label] = 'M12'", [2]),
        ("[current-instance] = 2", [6]),
        ("[record-name] = 3 or [record-dag-name] = 'south'", [9]),
        ("[last-event-name] = 'm12_arm_2'", [7, 8, 9]),
        ("[record_id] = '2'", [7, 8]),
    ],
)
def test_rows_of_an_export(text: str, expected: list[int]) -> None:
    """A field without an event stands on the row; with one, on the record's row of that event."""
    truth = parse(text).truth(row_view())
    assert list(truth.index[truth]) == expected


def test_references_that_must_name_their_event() -> None:
    """A field on several events, none of them the own one, means none: it can be told apart."""
    visit_date = parse_reference("visit_date")
    assert ambiguous(visit_date, M2, TWO_ARMS) == ()
    assert ambiguous(visit_date, EventPlace(("m2_arm_1",)), TWO_ARMS) == (
        "base_arm_2",
        "m2_arm_2",
        "m12_arm_2",
    )
    assert ambiguous(parse_reference("enrol_date"), None, TWO_ARMS) == ()
    assert ambiguous(parse_reference("record_id"), None, TWO_ARMS) == ()
    assert ambiguous(parse_reference("[m2_arm_1][visit_date]"), None, TWO_ARMS) == ()
    assert ambiguous(parse_reference("visit_date"), None, CLASSIC) == ()


def test_what_must_be_exported() -> None:
    """Fields by their own names, events of all arms; the record ID comes by itself."""
    texts = ["visit_date", "[consent(1)]", "[last-event-name][dmfs]", "record_id"]
    references = [parse_reference(text) for text in texts]
    fields, events = needed(references, [M2], TWO_ARMS)
    assert fields == {"visit_date", "consent", "dmfs"}
    assert events == {
        *("base_arm_1", "base_arm_2", "m2_arm_1", "m2_arm_2", "m12_arm_1", "m12_arm_2")
    }
    assert needed(references[:1], [M2, M12], TWO_ARMS)[1] == set(M2.events + M12.events)
    assert needed([parse_reference("enrol_date")], [], TWO_ARMS)[1] == {"base_arm_1", "base_arm_2"}
    assert needed([parse_reference("visit_date")], [], CLASSIC) == ({"visit_date"}, set())


def test_arms_by_rows() -> None:
    """One arm, two (contradictory, no arm), and 1 in a classic project."""
    roster = pd.concat([ROWS, rows("record event\n2 m2_arm_1\n5 gone_arm_3")])[KEYS]
    found = record_arms(roster, TWO_ARMS)
    assert found["arm"].dropna().to_dict() == {"1": 1, "3": 2}
    assert list(found.index) == ["1", "2", "3", "5"]
    assert found["contradictory"].to_dict() == {"1": False, "2": True, "3": False, "5": False}
    assert found["arm"].dtype == "Int64"
    classic = record_arms(rows("record\n1\n2"), CLASSIC)
    assert list(classic["arm"]) == [1, 1]
    assert not classic["contradictory"].any()
    assert record_arms(roster.iloc[:0], TWO_ARMS).empty
