"""What the partner is asked of whom, and what of its answer reaches a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import responses
from partner_doubles import MEMBERS, HandClock, made, member, new_client, page
from partner_journal import PROJECT, Called, new_partner

from redcap_jobs.partner.agile import PartnerUnreachable
from redcap_jobs.partner.desk import FEW, PartnerDesk
from redcap_jobs.plan import ReadMembers


@pytest.fixture
def called(tmp_path: Any) -> Iterator[Called]:
    with Called.at(tmp_path) as made:
        yield made


def desk(called: Called) -> PartnerDesk:
    nobody: Any = None
    return PartnerDesk(
        new_partner(), PROJECT, called.store, new_client(HandClock()), nobody, "run-2"
    )


def listed(*members: Mapping[str, Any]) -> None:
    responses.get(MEMBERS, json=page(list(members)))


MANY = tuple(str(number) for number in range(1001, 1002 + FEW))


@responses.activate
def test_few_are_looked_up_one_by_one(called: Called) -> None:
    """Each by the study's id."""
    for each in ("1001", "1002"):
        responses.get(
            f"{MEMBERS}?studyId={each}&pageSize=200", json=page([member(int(each), each)])
        )
    frame = desk(called).members(ReadMembers(("1001", "1002")))
    assert list(frame["study_id"]) == ["1001", "1002"]


@responses.activate
def test_of_many_the_whole_list_is_asked(called: Called) -> None:
    """One list for more than a few, and only those who were asked for."""
    listed(member(1), member(2, "77"))
    assert list(desk(called).members(ReadMembers(MANY))["study_id"]) == ["1001"]
    assert len(made()) == 1


@responses.activate
def test_up_to_how_many_each_is_asked_for(called: Called) -> None:
    """One more, and the list is cheaper."""
    listed()
    desk(called).members(ReadMembers(MANY[:FEW]))
    assert len(made()) == FEW


@responses.activate
def test_who_was_enrolled_is_no_reason_to_distrust_a_list(called: Called) -> None:
    """Somebody on it is enough here; how many there are is looked at by the run's guards."""
    called.enrol("1001", "AH-000001")
    listed(member(1))
    assert list(desk(called).members(ReadMembers())["member"]) == ["AH-000001"]


@responses.activate
def test_a_list_is_suddenly_empty_once_somebody_was_enrolled(called: Called) -> None:
    """Everybody would be enrolled a second time."""
    called.enrol("999", "AH-000999")
    listed()
    with pytest.raises(PartnerUnreachable, match="suddenly empty"):
        desk(called).members(ReadMembers(MANY))


@pytest.mark.parametrize("code", ["429", "no connection", "look-up"])
@responses.activate
def test_a_list_is_empty_until_somebody_was_enrolled(called: Called, code: str) -> None:
    """A first enrolment that did not come about stops no run after it for ever."""
    called.refuse("999", code)
    listed()
    assert desk(called).members(ReadMembers(MANY)).empty


@responses.activate
def test_an_answer_that_was_lost_is_nobody_enrolled(called: Called) -> None:
    """Nor does one of which nobody knows: it is looked up."""
    called.lose("999")
    listed()
    assert desk(called).members(ReadMembers(MANY)).empty


@responses.activate
def test_every_value_of_a_member_is_text(called: Called) -> None:
    """Numbers as they are written, nothing for null, and what is no text as what is not translated."""
    listed(member(1, 1001, firstName=None, brushDays=7.0, childDob={"y": 2022}, arm="OHT"))
    (row,) = desk(called).members(ReadMembers()).to_dict("records")
    assert (row["member"], row["study_id"], row["firstName"]) == ("AH-000001", "1001", "")
    assert (row["brushDays"], row["arm"]) == ("7", "OHT")
    assert "2022" not in row["childDob"]
    assert row["childDob"]
