"""Every messaging code of Twilio's error dictionary asks for exactly one thing."""

from __future__ import annotations

import re
from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.messaging.twilio_codes import (
    CODES,
    GROUPS,
    NEVER_AGAIN,
    RANGES,
    Kind,
    Reaction,
    reaction,
)


def numbers(written: str) -> list[str]:
    """Spell out ``30001-30047 30100`` as single codes."""
    found = []
    for each in written.split():
        first, _, last = each.partition("-")
        found += map(str, range(int(first), int(last or first) + 1))
    return found


DICTIONARY = numbers(
    # Twilio's error dictionary, the codes of messaging as they stood in autumn 2026
    "21211 21212 21217 21265-21268 21408 21601-21612 21614 21616-21624 21626 21627 21635 "
    "21652-21668 21701-21705 21708-21715 21717 21719-21733 21736-21741 21900-21902 21910 "
    "30001-30047 30100-30137 30139 30140 30400 30404 30409 30410 30436 30437 30440-30496 "
    "30498-30513 30515-30531 30551 30610 30615 30620 30630 30640 30646-30649 30700-30703 "
    "30709-30715 30729 30734 30747-30759 30790-30936 30940-30944"
)
OTHERS = numbers(
    "10001 11200 14107 20003 20005 20009 20404 20429 20500 20503 60728 63018 63038 90007 90014 "
    "572002 572005"
)
NOT_SENT = {"20429", "21611", "30001", "30036", "30047"}
"""The codes whose pages say that the message was not processed, queued or sent."""


@pytest.mark.parametrize("code", DICTIONARY + OTHERS)
def test_every_messaging_code_has_its_class(code: str) -> None:
    """Each code is answered by the table, not by the branch for codes nobody knows."""
    answer = reaction(code)
    assert answer.kind in get_args(Kind)
    assert "not known" not in answer.sentence


def test_no_code_stands_in_two_classes() -> None:
    """One code, one answer: no code twice in the table, no two ranges that overlap."""
    counted = Counter(code for _, codes in GROUPS for code in codes.split())
    assert [code for code, times in counted.items() if times > 1] == []
    assert set(counted) == set(CODES)
    ends = [end for first, last, _ in RANGES for end in (first, last)]
    assert ends == sorted(set(ends))


def test_only_what_is_documented_as_not_sent_may_be_tried_again() -> None:
    """A wrong entry here would text somebody twice: the codes are named one by one."""
    assert {code for code, each in CODES.items() if each.kind == "not_sent"} == NOT_SENT
    assert all(each.kind != "not_sent" for _, _, each in RANGES)


@pytest.mark.parametrize("code", [*NEVER_AGAIN, "30004", "30005", "30006", "30007", "21610"])
def test_what_may_have_arrived_is_never_tried_again(code: str) -> None:
    """Unreachable, unknown, timed out, internal error: the text may be on the phone."""
    assert set(NEVER_AGAIN) == {"30003", "30008", "30410", "30500"}
    assert reaction(code).kind != "not_sent"


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("opted_out", "21610 30630 30640"),
        ("invalid_number", "21211 21265 21268 21612 21614 21635 30005 30006"),
        ("fix_account", "20003 20005 21212 21606 21608 21659 21660 21703 30002 30032 30034 63038"),
        ("fix_account", "14107 20404 21201 21604 21704 21712 30024 30033 30035 30450 90007"),
        ("fix_account", "572002 572005"),
        ("content", "21617 30007"),
        ("ask", "20500 21408 21730 30003 30004 30008 30017 30020 30021 30022 30023 30410 30500"),
        ("ask", "20009 20503 30009 30027 30039 30610 63018"),
    ],
)
def test_the_kinds_that_jobs_act_on(kind: str, codes: str) -> None:
    """Opted out stops the phone, an invalid number is told, the account is mended first."""
    for code in codes.split():
        assert reaction(code).kind == kind


def test_what_would_hit_the_next_text_too_stops_the_run() -> None:
    """Account, full queue, daily limit, maintenance: no further text is tried in this run."""
    everything = [*CODES.values(), *(each for _, _, each in RANGES)]
    assert all(each.stops_run for each in everything if each.kind == "fix_account")
    assert reaction(
        "572005"
    ).stops_run  # a trial account would use up one participant after another
    stopping = {code for code, each in CODES.items() if each.stops_run}
    assert {"21611", "30001", "21730", "30023", "30027", "30454", "63038"} <= stopping


def test_one_persons_number_never_stops_the_others() -> None:
    """A bad number, an opt-out, a country or a phone that is off concerns one text alone."""
    for each in CODES.values():
        if each.kind in ("opted_out", "invalid_number"):
            assert not each.stops_run
    assert not any(reaction(code).stops_run for code in ("21408", "30003", "30004", "30036"))


def test_sentences_are_for_people() -> None:
    """Each is whole sentences that say what happened and what to do, without jargon or codes."""
    for each in {*CODES.values(), *(each for _, _, each in RANGES), reaction("")}:
        assert re.fullmatch(r"[A-Z].+\.", each.sentence)
        assert not re.search(r"\d{5}|HTTP|POST|API|SID", each.sentence)


@given(st.one_of(st.text(max_size=12), st.integers(0, 999_999).map(str)))
def test_any_code_has_an_answer(code: str) -> None:
    """Twilio adds codes without notice: a new one is for a person, and named; it never raises."""
    answer = reaction(code)
    if code in CODES:
        assert answer == CODES[code]
    elif "not known" in answer.sentence:
        assert answer.kind == "ask"
        assert f"code {code} " in answer.sentence
        assert not answer.stops_run
    else:
        assert answer.kind != "not_sent"


def test_no_code_is_for_a_person() -> None:
    """A failure without a code is looked up by somebody."""
    assert reaction("") == Reaction(
        "ask", "Twilio gave no reason. Look the text up in Twilio's log before anything else."
    )
