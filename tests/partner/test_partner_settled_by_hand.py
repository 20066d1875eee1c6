"""What a person may say of an enrolment: a member's id that can be one, of nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from partner_journal import AGILE, PROJECT, Called, new_partner

from redcap_jobs.errors import UsageError
from redcap_jobs.jobs.partner_history import arm_text
from redcap_jobs.partner.lists import confirm_arm, settle_enrolment
from redcap_jobs.state.fingerprint import Fingerprinter
from redcap_jobs.state.partner_calls import confirmed_arms, entries_of_calls, member_of

KEY = "ab" * 32


@pytest.fixture
def called(tmp_path: Any) -> Iterator[Called]:
    with Called.at(tmp_path) as made:
        yield made


def opened(called: Called) -> Any:
    """Return what a command opens, as far as settling needs it."""
    study = SimpleNamespace(partner=new_partner())
    keys = SimpleNamespace(get=lambda name: KEY)
    return SimpleNamespace(store=called.store, study=study, credentials=keys)


def say(called: Called, member: str | None, record: str = "1001") -> None:
    settle_enrolment(opened(called), PROJECT, record, member, "somebody")


def state(called: Called, record: str = "1001") -> str:
    entries = entries_of_calls(called.store, PROJECT, AGILE)
    return next(each.state for each in reversed(entries) if each.record == record)


def test_a_member_is_named(called: Called) -> None:
    """The lost enrolment has that member from then on."""
    called.lose("1001")
    say(called, "AH-000007")
    assert member_of(called.store, PROJECT, AGILE, "1001") == "AH-000007"


@pytest.mark.parametrize("member", ["", " ", "AH 7", "AH-7 ", "../7", "7" * 65, "AH-7\n"])
def test_what_is_no_id_is_refused(called: Called, member: str) -> None:
    """A variable that was blank does not say "not enrolled": that would make a second member."""
    called.lose("1001")
    with pytest.raises(UsageError, match="id"):
        say(called, member)
    assert state(called) == "unknown"


def test_a_member_of_somebody_else_is_refused(called: Called) -> None:
    """One of two records with one member would change the other's phone and arm."""
    called.enrol("1002", "AH-000007")
    called.lose("1001")
    with pytest.raises(UsageError, match="1002"):
        say(called, "AH-000007")
    assert state(called) == "unknown"


def test_nobody_was_enrolled(called: Called) -> None:
    """The next run may enrol."""
    called.lose("1001")
    say(called, None)
    (entry,) = entries_of_calls(called.store, PROJECT, AGILE)
    assert (entry.state, entry.not_sent, entry.settled_by) == ("rejected", True, "somebody")


@pytest.mark.parametrize("member", ["AH-000009", None])
def test_what_is_known_is_not_settled_again(called: Called, member: str | None) -> None:
    """A member that is there stays; only what nobody knows waits for a person."""
    called.enrol("1001", "AH-000007")
    called.lose("1002")
    called.lose("1001", "update")
    with pytest.raises(UsageError, match="waits to be settled"):
        say(called, member)
    assert member_of(called.store, PROJECT, AGILE, "1001") == "AH-000007"


def test_a_confirmation_is_for_one_arm_of_a_member(called: Called) -> None:
    """In the partner's word; the newest counts."""
    called.enrol("1001", "AH-000007")
    for arm in ("OHT", "CWT"):
        confirm_arm(opened(called), PROJECT, "1001", arm, "entry corrected", "somebody")
    (row,) = confirmed_arms(called.store, PROJECT).to_dict("records")
    expected = Fingerprinter(KEY).one(arm_text("CWT"), "partner")
    assert (row["record"], row["value_hash"]) == ("1001", expected)


@pytest.mark.parametrize(("record", "arm"), [("1001", "1"), ("1001", "cwt"), ("1002", "CWT")])
def test_a_confirmation_of_nothing_is_refused(called: Called, record: str, arm: str) -> None:
    """No arm by REDCap's code, none of who is no member."""
    called.enrol("1001", "AH-000007")
    with pytest.raises(UsageError):
        confirm_arm(opened(called), PROJECT, record, arm, "why", "somebody")
    assert confirmed_arms(called.store, PROJECT).empty
