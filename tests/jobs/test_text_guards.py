"""Whether the state can be trusted about texts at all: by the journal, and by REDCap's log."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_texts import NOON, PROJECT, people

from redcap_jobs.errors import GuardRefused
from redcap_jobs.guards import GuardContext
from redcap_jobs.plan import Plan
from redcap_jobs.text_guards import journal_is_whole, survey_ids_are_known

COPY = "production:6@https://redcap.example.org/api"
TABLE = """
    record | repeat_instrument | repeat_instance
    1      |                   |
    1      | log               | 1
"""


def judged(*journal: dict[str, str], logged: str = "") -> tuple[Plan, GuardContext]:
    """Give the plan and its context, by what the journal and one row of the log know."""
    known = [
        {"key": f"{PROJECT}|{each['message']}|1|||0", "record": "1", "occurrence": "0"} | each
        for each in journal
    ]
    texts = people(TABLE, messages=known)
    texts.rows.loc[texts.rows["repeat_instrument"] == "log", "l_key"] = logged
    inputs = texts.inputs(NOON)
    context = GuardContext(texts.loaded, inputs, inputs.roster, frozenset(), {}, {})
    return texts.plan(), context


@pytest.mark.parametrize("state", ["posting", "sent", "rejected", "unknown"])
def test_an_id_that_was_texted_and_is_gone_stops_the_run(state: str) -> None:
    """Whatever began to go out counts; the message says how to name the survey it became."""
    plan, context = judged({"message": "week", "state": state})
    with pytest.raises(GuardRefused, match=r'formerly = \["week"\]'):
        survey_ids_are_known(plan, context)


@pytest.mark.parametrize("state", ["claimed", "released", "withheld"])
def test_an_id_under_which_nothing_went_out_may_go(state: str) -> None:
    """A text that was given back before its post is nobody's."""
    plan, context = judged({"message": "week", "state": state})
    assert survey_ids_are_known(plan, context) is plan


def test_a_job_that_only_follows_texts_goes_on() -> None:
    """Replies must be read whatever the file says; a text that is planned is decided about."""
    plan, context = judged({"message": "week", "state": "sent"})
    assert plan.actions
    undecided = replace(plan, decisions=plan.decisions.iloc[:0])
    with pytest.raises(GuardRefused):
        survey_ids_are_known(undecided, context)
    following = replace(undecided, actions=())
    assert survey_ids_are_known(following, context) is following


def test_redcaps_log_knows_ids_as_well() -> None:
    """The journal may have lost what the log still holds; another project's key says nothing."""
    diary = {"message": "diary", "state": "sent"}
    plan, context = judged(diary, logged=f"{PROJECT}|week|1|||0")
    with pytest.raises(GuardRefused, match='"week" was texted before'):
        survey_ids_are_known(plan, context)
    plan, context = judged(diary, logged=f"{COPY}|week|1|||0")
    assert survey_ids_are_known(plan, context) is plan


def test_an_empty_journal_beside_a_filled_log_sends_nothing() -> None:
    """What the log does not hold yet would be sent twice: the way back is named."""
    plan, context = judged(logged=f"{PROJECT}|diary|1|||0")
    with pytest.raises(GuardRefused, match=r"holds 1 texts .* state adopt"):
        journal_is_whole(plan, context)


@pytest.mark.parametrize(
    ("journal", "logged"),
    [
        ([], ""),
        ([], f"{COPY}|diary|1|||0"),
        ([], "typed in by hand"),
        ([{"message": "diary", "state": "released"}], f"{PROJECT}|diary|1|||0"),
    ],
    ids=["a first run", "a copy of a project", "no key", "a journal that knows texts"],
)
def test_a_state_that_lost_nothing_is_trusted(journal: list[dict[str, str]], logged: str) -> None:
    """Keys of another project and other words in the log are no texts of this one."""
    plan, context = judged(*journal, logged=logged)
    assert journal_is_whole(plan, context) is plan
