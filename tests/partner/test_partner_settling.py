"""A call whose answer was lost: looked up once it can take effect no more, then settled or told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import responses
from partner_doubles import MEMBERS, made, member, new_client, page
from partner_journal import AGILE, PROJECT, Called

from redcap_jobs.partner.agile import PartnerUnreachable
from redcap_jobs.partner.settling import settle_unknown
from redcap_jobs.plan import Problem
from redcap_jobs.state.partner_calls import entries_of_calls, member_of

WAIT = timedelta(minutes=15)


@pytest.fixture
def called(tmp_path: Any) -> Iterator[Called]:
    with Called.at(tmp_path) as made:
        yield made


def settled(called: Called, after: timedelta = WAIT) -> list[Problem]:
    called.clock.sleep(after)
    client = new_client(called.clock)
    return settle_unknown(called.store, PROJECT, AGILE, client, WAIT, "run-2")


def states(called: Called) -> list[tuple[str, str, str]]:
    """Return each call's kind, state and code."""
    entries = entries_of_calls(called.store, PROJECT, AGILE)
    return [(entry.message, entry.state, entry.code) for entry in entries]


def listed(*members: dict[str, Any]) -> None:
    responses.get(MEMBERS, json=page(list(members)))


@responses.activate
def test_one_member_is_the_one_that_was_enrolled(called: Called) -> None:
    """The lost answer is found: its id is kept."""
    called.lose("1001", firstName="Josefina")
    listed(member(7))
    assert settled(called) == []
    assert states(called) == [("enrol", "sent", "")]
    assert member_of(called.store, PROJECT, AGILE, "1001") == "AH-000007"


@responses.activate
def test_no_member_may_be_enrolled_again(called: Called) -> None:
    """The enrolment did not come about, and a new attempt may follow."""
    called.lose("1001")
    listed()
    assert settled(called) == []
    (entry,) = entries_of_calls(called.store, PROJECT, AGILE)
    assert (entry.state, entry.code, entry.not_sent) == ("rejected", "look-up", True)


@responses.activate
def test_several_members_are_for_a_person(called: Called) -> None:
    """Nothing is settled, the ids stay out of reach of any call, and the record is told."""
    called.lose("1001")
    listed(member(7), member(8))
    (problem,) = settled(called)
    assert problem.record == "1001"
    assert "2 members" in problem.what
    assert states(called) == [("enrol", "unknown", "")]
    assert member_of(called.store, PROJECT, AGILE, "1001") == ""


@pytest.mark.parametrize(
    ("after", "state"),
    [(WAIT - timedelta(seconds=1), "unknown"), (WAIT, "sent")],
    ids=["too early", "just late enough"],
)
@responses.activate
def test_a_call_may_take_effect_late(called: Called, after: timedelta, state: str) -> None:
    """Before ``settle_minutes`` have passed since the post nothing is asked, and nothing believed."""
    called.lose("1001")
    listed(member(7))
    settled(called, after)
    assert states(called) == [("enrol", state, "")]
    assert len(made()) == (state == "sent")


@responses.activate
def test_a_run_that_died_while_it_posted_is_looked_up(called: Called) -> None:
    """A row left in posting is unknown as soon as its run is gone, and then settled like any other."""
    called.begin("1001", "enrol", {})
    listed(member(7))
    settled(called)
    assert states(called) == [("enrol", "sent", "")]


@responses.activate
def test_a_look_up_that_fails_settles_nothing(called: Called) -> None:
    """The run says so, and the next one asks again."""
    called.lose("1001")
    responses.get(MEMBERS, status=404)
    with pytest.raises(PartnerUnreachable):
        settled(called)
    assert states(called) == [("enrol", "unknown", "")]


@responses.activate
def test_a_change_is_repeated_without_asking(called: Called) -> None:
    """An update, an arm or a withdrawal says how things are: it may be said again."""
    called.enrol("1001", "AH-000007")
    for call in ("update", "arm", "withdraw"):
        called.lose("1001", call)
    assert settled(called) == []
    assert states(called)[1:] == [
        (call, "rejected", "look-up") for call in ("update", "arm", "withdraw")
    ]
    assert made() == []


def test_without_an_address_nothing_is_asked(called: Called) -> None:
    """A development run that may reach nobody leaves an enrolment as it stands."""
    called.lose("1001")
    called.clock.sleep(WAIT)
    assert settle_unknown(called.store, PROJECT, AGILE, None, WAIT, "run-2") == []
    assert states(called) == [("enrol", "unknown", "")]
