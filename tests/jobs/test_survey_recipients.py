"""Who may be texted at all: what the study file leaves out, leavers who are back, a paused study."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_texts import STUDY, bodies, people, why


def test_without_a_word_about_consent_to_texts_nobody_is_texted() -> None:
    """A study file that does not say who agreed says that nobody did."""
    silent = STUDY.replace("may_text = \"[texts] = '1'\"\n", "")
    plan = people("record | texts\n1 | 1", study=silent).plan()
    assert bodies(plan) == {}
    assert why(plan) == {"1": "participants.may_text is not given in the study file"}


@pytest.mark.parametrize(
    ("left_on", "back_on", "texted"),
    [
        ("2026-02-01", "2026-03-02", True),
        ("2026-02-01", "2026-03-03", False),
        ("2026-02-01", "", False),
        ("2026-02-01", "soon", False),
        ("UNK", "", False),
        ("UNK", "2026-03-02", True),
    ],
)
def test_whoever_left_is_texted_from_the_day_they_are_back(
    left_on: str, back_on: str, texted: bool
) -> None:
    """Today counts; what is no date brings nobody back, and a missing-data code counts as left."""
    table = f"record | left_on | back_on\n1 | {left_on} | {back_on}"
    plan = people(table, codes={"UNK": "Unknown"}).plan()
    assert bool(bodies(plan)) is texted
    assert ("off study" in why(plan).get("1", "")) is not texted


@pytest.mark.parametrize(
    ("scope", "subject", "state", "texted"),
    [
        ("study", "", "paused", False),
        ("study", "", "allowed", True),
        ("record", "1", "stopped", False),
        ("record", "1", "held", False),
        ("record", "2", "stopped", True),
    ],
)
def test_what_was_said_of_the_study_or_the_record_holds(
    scope: str, subject: str, state: str, texted: bool
) -> None:
    """The last word about either; the reason is told with it."""
    texts = people("record | name\n1 | Ana")
    stop = {
        "scope": scope,
        "subject": subject,
        "state": state,
        "reason": "asked",
        "source": "person",
    }
    plan = replace(texts, stops=[stop]).plan()
    assert bool(bodies(plan)) is texted
    assert why(plan) == ({} if texted else {"1": f"{state}: asked"})


@pytest.mark.parametrize(
    ("left", "left_on", "back_on", "texted"),
    [
        ("", "2026-03-01", "2026-02-10", False),
        ("", "2027-03-01", "2026-02-10", False),
        ("1", "2026-03-01", "2026-02-10", False),
        ("", "2026-02-10", "2026-02-10", True),
        ("1", "", "2026-02-10", True),
    ],
)
def test_whoever_left_again_after_being_back_is_not_texted(
    left: str, left_on: str, back_on: str, texted: bool
) -> None:
    """The day of their return says nothing of a later one on which they left."""
    table = f"record | left | left_on | back_on\n1 | {left} | {left_on} | {back_on}"
    assert bool(bodies(people(table).plan())) is texted


@pytest.mark.parametrize(("zone", "texted"), [("", True), ("UNK", True), ("Pacific/Guam", False)])
def test_who_has_no_time_zone_of_their_own_is_where_their_site_is(zone: str, texted: bool) -> None:
    """Blank or marked as missing; noon in New York is the next morning's three in Guam."""
    plan = people(f"record | zone\n1 | {zone}", codes={"UNK": "Unknown"}).plan()
    assert bool(bodies(plan)) is texted


@pytest.mark.parametrize("zone", ["Hawaii", "3", "america/new_york", "America", "../etc/passwd"])
def test_a_time_zone_that_is_none_is_told_and_nobody_is_texted(zone: str) -> None:
    """The hours of the site may be the middle of their night."""
    plan = people(f"record | zone\n1 | {zone}\n2 |").plan()
    assert set(bodies(plan)) == {"2"}
    assert why(plan) == {"1": "time zone: holds no time zone that is known"}


@pytest.mark.parametrize("stopped_by", ["REDCap", "telephone"])
def test_who_opted_out_and_takes_part_no_more_did_so_for_the_phone(stopped_by: str) -> None:
    """Whoever withdraws consent altogether must not free the phone for a second record's texts."""
    table = f"""
    record | consent | mobile         | opt_out
    1      | 0       | (202) 555-0190 | {"1" if stopped_by == "REDCap" else ""}
    2      | 1       | 202-555-0190   |
    3      | 0       | (202) 555-0191 |
    4      | 1       | (202) 555-0191 |
    """
    stop = {"scope": "record", "subject": "1", "state": "stopped", "source": "person"}
    plan = people(table, stops=[] if stopped_by == "REDCap" else [stop]).plan()
    assert set(bodies(plan)) == {"4"}
    assert why(plan)["2"] == "its phone is that of record 1, which opted out"


@pytest.mark.parametrize(
    ("may_text", "texted"),
    [
        ("[texts] <> '0'", {"2", "3"}),
        ("[lang] <> '3'", {"1", "2", "3"}),
        ("[texts] = '1' or [consent] = '1'", {"1", "2", "3"}),
        ("[texts] = '1'", {"2"}),
    ],
)
def test_an_unknown_agreement_is_none(may_text: str, texted: set[str]) -> None:
    """It may stand for a no; where another field agrees whatever it stands for, that counts."""
    study = STUDY.replace("[texts] = '1'", may_text)
    table = "record | texts\n1 | UNK\n2 | 1\n3 |"
    assert set(bodies(people(table, study=study, codes={"UNK": "Unknown"}).plan())) == texted


@pytest.mark.parametrize("declined", ["3", "UNK"])
def test_an_unknown_answer_may_be_any_choice_of_its_field(declined: str) -> None:
    """Also one that is neither yes nor no."""
    study = STUDY.replace("[texts] = '1'", "[lang] <> '3'").replace(
        'language = "lang"', 'language = "zone"'
    )
    study = study.replace('time_zone = "zone"\n', "")
    table = f"record | lang | zone\n1 | {declined} | 1\n2 | 1 | 1"
    plan = people(table, study=study, codes={"UNK": "Unknown"}).plan()
    assert set(bodies(plan)) == {"2"}


def test_a_missing_data_code_in_the_field_that_is_ticked_stops_without_a_condition() -> None:
    """Whether they opted out is unknown; it says nothing of another record of their phone."""
    study = STUDY.replace("opted_out = \"[opt_out] = '1'\"\n", "")
    assert study != STUDY
    table = "record | mobile | opt_out\n1 | 2025550190 | UNK\n2 | 2025550190 |"
    plan = people(table, study=study, codes={"UNK": "Unknown"}).plan()
    assert (set(bodies(plan)), why(plan)) == ({"2"}, {"1": "has opted out (REDCap)"})
