"""Each guard lets a plan pass, trims it, or refuses, by a rule that can be read off a small table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from redcap_jobs.errors import CredentialsError, GuardRefused, UsageError
from redcap_jobs.guards import (
    GuardContext,
    blast_radius,
    blocked_records_are_left_out,
    check_identity,
    check_pair,
    export_is_complete,
    first_contact,
    guard,
    only_own_fields,
    parse_allowances,
    rows_stay_in_their_arm,
    vanished_records,
)
from redcap_jobs.plan import (
    CHANGE_COLUMNS,
    DECISION_COLUMNS,
    KEYS,
    Action,
    Inputs,
    Plan,
    Problem,
    Read,
    ReadDecisions,
    ReadMessages,
    ReadPartnerCalls,
    ReadRows,
)
from redcap_jobs.redcap.project import Event, Project, ProjectInfo, parse_fields
from redcap_jobs.study.config import ProjectIdentity
from redcap_jobs.study.loading import load_study
from redcap_jobs.study.texts_config import Messages
from redcap_jobs.text_guards import texts_per_run

STUDY = """
format = 1
[study]
id = "small"
name = "A small study"
time_zone = "America/New_York"
[redcap]
url = "https://redcap.example.org/api/"
[redcap.projects.REDCAP_API_PROD]
project_id = 1
role = "production"
in_production = true
[redcap.projects.REDCAP_API_DEV]
project_id = 2
role = "development"
in_production = false
[redcap.projects.REDCAP_API_SOURCE]
project_id = 3
role = "source"
in_production = true
[limits]
rows = 3
share_overwritten = 0.2
shrink_to = 0.9
"""


def info(project_id: int = 1, *, in_production: bool = True) -> ProjectInfo:
    return ProjectInfo(project_id, "Small", in_production, True, False, False, False, False)


def project() -> Project:
    fields = parse_fields(
        [
            {"field_name": name, "form_name": "tracking", "field_type": "text"}
            for name in ("record_id", "vt_state", "vt_target")
        ]
    )
    events = (
        Event("base_arm_1", "Base", 1),
        Event("m2_arm_1", "M2", 1),
        Event("base_arm_2", "Base", 2),
    )
    mapping = frozenset((event.unique_name, "tracking") for event in events)
    return Project(info(), fields, events, mapping)


def changes(*cells: str) -> pd.DataFrame:
    """Read ``record event field old>new`` into a changes frame."""
    rows = []
    for cell in cells:
        record, event, field, values = cell.split(" ")
        old, new = values.split(">")
        rows.append([record, event, "", "", field, old, new])
    return pd.DataFrame(rows, columns=CHANGE_COLUMNS, dtype="str")


def plan(*cells: str) -> Plan:
    nothing = pd.DataFrame(columns=DECISION_COLUMNS, dtype="str")
    return Plan(
        "compute-visit-windows",
        datetime(2026, 11, 22, tzinfo=UTC),
        changes(*cells),
        nothing,
        ("vt_state", "vt_target"),
    )


@pytest.fixture
def context(tmp_path: Path) -> GuardContext:
    """Two records in arm 1 and one in arm 2; 1's state is filled, and was written by us."""
    path = tmp_path / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    roster = pd.DataFrame(
        [
            ["1", "base_arm_1", ""],
            ["1", "m2_arm_1", ""],
            ["2", "base_arm_1", ""],
            ["3", "base_arm_2", ""],
        ],
        columns=["record", "event", "dag"],
        dtype="str",
    )
    rows = pd.DataFrame(
        [["1", "base_arm_1", "", "", "open", ""], ["2", "base_arm_1", "", "", "", ""]],
        columns=[*KEYS, "vt_state", "vt_target"],
        dtype="str",
    )
    decided = pd.DataFrame([["1", "m2", "open", "", "", ""]], columns=DECISION_COLUMNS, dtype="str")
    tables = {ReadRows("target", ("vt_state", "vt_target")): rows, ReadDecisions(): decided}
    inputs = Inputs(project(), project(), roster, tables, lambda frame: frame.iloc[:, 0])
    owned = frozenset({"vt_state@base_arm_1/", "vt_target@base_arm_1/"})
    return GuardContext(load_study(path), inputs, roster, owned, {}, {}, [rows])


@pytest.mark.parametrize(
    ("name", "found", "words"),
    [
        ("REDCAP_API_PROD", info(7), ["project 7", "project 1"]),
        ("REDCAP_API_PROD", info(1, in_production=False), ["in development", "in_production"]),
        ("REDCAP_API_DEV", info(2, in_production=True), ["in production"]),
        ("REDCAP_API_TRICK", info(4, in_production=True), ["role is development"]),
        ("REDCAP_API_SOURCE", info(3), ["source", "never written"]),
    ],
)
def test_a_project_that_is_not_the_declared_one_is_refused(
    context: GuardContext, name: str, found: ProjectInfo, words: list[str]
) -> None:
    """The server says which project it is; id, flag and role must fit before anything is read."""
    trick = ProjectIdentity(project_id=4, role="development", in_production=True)
    identity = context.study.redcap.projects.get(name, trick)
    with pytest.raises(GuardRefused) as refused:
        check_identity(context.study, name, identity, found, writes=True)
    assert all(word in str(refused.value) for word in words)


def test_the_declared_project_passes(context: GuardContext) -> None:
    """A source may be read; a production project may be written with its own token."""
    projects = context.study.redcap.projects
    check_identity(context.study, "P", projects["REDCAP_API_PROD"], info(1), writes=True)
    check_identity(context.study, "S", projects["REDCAP_API_SOURCE"], info(3), writes=False)
    with pytest.raises(CredentialsError, match="REDCAP_API_OTHER"):
        check_identity(context.study, "REDCAP_API_OTHER", None, info(9), writes=False)


def test_production_is_written_from_its_own_export_only(context: GuardContext) -> None:
    """Development may be filled from production's export, never the other way round."""
    check_pair(context.study, "REDCAP_API_PROD", "REDCAP_API_DEV")
    with pytest.raises(GuardRefused, match="own export"):
        check_pair(context.study, "REDCAP_API_DEV", "REDCAP_API_PROD")


@pytest.mark.parametrize(
    "pair",
    ["rows", "rows=", "rows=many", "rows=-1", "share=half", "share=nan", "share=2", "walls=2"],
)
def test_an_allowance_that_makes_no_sense_is_a_usage_error(pair: str) -> None:
    """--allow takes NAME=VALUE of a known name, with a number where one belongs."""
    with pytest.raises(UsageError, match="--allow"):
        parse_allowances([pair])


@pytest.mark.parametrize(
    ("before", "allow", "refused"),
    [
        ({}, {}, False),
        ({"records_read": 3, "rows_read": 4}, {}, False),
        ({"records_read": 4, "rows_read": 5}, {}, True),
        ({"records_read": 4, "rows_read": 5}, {"records": "3"}, False),
        ({"records_read": 4, "rows_read": 5}, {"records": "2"}, True),
        ({"records_read": 3, "rows_read": 9}, {}, False),
        ({"records_read": 3, "rows_read": 10}, {}, True),
    ],
)
def test_a_smaller_export_is_refused(
    context: GuardContext, before: dict[str, int], allow: dict[str, str], refused: bool
) -> None:
    """3 records in 4 rows: refused below 90 % of the records, or 6 rows and 2 % below."""
    judged = replace(context, before=before, allow=allow)
    if refused:
        with pytest.raises(GuardRefused, match="--allow records=3"):
            export_is_complete(plan(), judged)
    else:
        export_is_complete(plan(), judged)


def test_a_few_rows_fewer_are_listed(context: GuardContext) -> None:
    """Someone may have tidied up: a problem, and the run goes on."""
    passed = export_is_complete(
        plan(), replace(context, before={"records_read": 3, "rows_read": 6})
    )
    assert [problem.where for problem in passed.problems] == ["export"]


def test_a_run_for_single_records_is_not_compared(context: GuardContext) -> None:
    """--record reads little on purpose."""
    judged = replace(context, before={"records_read": 900, "rows_read": 999}, whole=False)
    assert export_is_complete(plan(), judged).problems == ()
    assert vanished_records(plan(), judged).forgotten == ()


def test_a_record_that_was_decided_on_and_is_gone_is_listed_and_forgotten(
    context: GuardContext,
) -> None:
    """Reported once: its decisions are dropped with this run."""
    roster = context.inputs.roster[context.inputs.roster["record"] != "1"]
    gone = replace(context, inputs=replace(context.inputs, roster=roster))
    passed = vanished_records(plan(), gone)
    assert [problem.record for problem in passed.problems] == ["1"]
    assert passed.forgotten == ("1",)
    assert vanished_records(plan(), context).problems == ()


@pytest.mark.parametrize("read", [ReadMessages(), ReadPartnerCalls()])
def test_who_was_texted_or_is_with_the_partner_can_be_followed_to_a_new_name(
    context: GuardContext, read: Read
) -> None:
    """A renamed record leaves texts and a member behind under its old name."""
    roster = context.inputs.roster[context.inputs.roster["record"] != "1"]
    tables = {**context.inputs.tables, read: pd.DataFrame({"record": ["1"]}, dtype="str")}
    gone = replace(context, inputs=replace(context.inputs, roster=roster, tables=tables))
    (problem,) = vanished_records(plan(), gone).problems
    assert problem.hint.endswith("redcap-jobs messages rename-record STUDY 1 NEW")


def test_a_field_that_is_no_output_is_refused(context: GuardContext) -> None:
    """A job writes what it declares and nothing else."""
    with pytest.raises(GuardRefused, match="consent"):
        only_own_fields(plan("1 base_arm_1 consent >1"), context)


def test_a_record_is_never_written_in_an_arm_where_it_has_no_row(context: GuardContext) -> None:
    """REDCap would create it there without a word: all of the record's changes are taken out."""
    wanted = plan(
        "1 base_arm_1 vt_state >open",
        "1 base_arm_2 vt_state >open",
        "2 m2_arm_1 vt_state >open",
        "9 base_arm_1 vt_state >open",
    )
    passed = blocked_records_are_left_out(rows_stay_in_their_arm(wanted, context), context)
    assert list(passed.changes["record"]) == ["2"]
    assert {problem.record for problem in passed.problems} == {"1", "9"}
    assert all(problem.blocks for problem in passed.problems)


def test_a_record_that_stands_in_two_arms_of_the_target_is_left_alone(
    context: GuardContext,
) -> None:
    """Which of the two is right nobody but a person can say."""
    more = pd.DataFrame([["2", "base_arm_2", ""]], columns=["record", "event", "dag"], dtype="str")
    roster = pd.concat([context.roster, more], ignore_index=True)
    passed = rows_stay_in_their_arm(
        plan("2 base_arm_1 vt_state >open"), replace(context, roster=roster)
    )
    assert ["more than one arm" in problem.what for problem in passed.problems] == [True]


def test_a_blocking_problem_takes_everything_of_its_record_out(context: GuardContext) -> None:
    """Changes, decisions and actions: a later run decides anew."""
    wanted = plan("1 base_arm_1 vt_state >open", "2 base_arm_1 vt_state >open")
    decisions = pd.DataFrame(
        [["1", "m2", "open", "", "", ""], ["2", "m2", "open", "", "", ""]],
        columns=DECISION_COLUMNS,
        dtype="str",
    )
    problems = (Problem("1", "arm", "contradiction", blocks=True), Problem("2", "x", "odd"))
    actions = (Action("k1", "1", "text"), Action("k2", "2", "text"))
    passed = blocked_records_are_left_out(
        replace(wanted, decisions=decisions, problems=problems, actions=actions), context
    )
    assert list(passed.changes["record"]) == ["2"]
    assert list(passed.decisions["record"]) == ["2"]
    assert [action.record for action in passed.actions] == ["2"]


@pytest.mark.parametrize(
    ("owned", "allow", "refused"),
    [
        (["vt_state@base_arm_1/"], {}, False),
        (["vt_state@m2_arm_1/"], {}, True),
        ([], {"adopt": "vt_state"}, False),
        ([], {"adopt": "vt_target"}, True),
        ([], {"adopt": "all"}, False),
    ],
)
def test_values_this_state_did_not_write_are_refused_on_first_contact(
    context: GuardContext, owned: list[str], allow: dict[str, str], refused: bool
) -> None:
    """Record 1's state is filled: only who wrote it there, or is told to, may overwrite such cells."""
    judged = replace(context, already_owned=frozenset(owned), allow=allow)
    wanted = plan("2 base_arm_1 vt_state >open")
    if refused:
        with pytest.raises(GuardRefused, match="--allow adopt=vt_state"):
            first_contact(wanted, judged)
    else:
        assert first_contact(wanted, judged) is wanted


def test_too_many_rows_are_refused_and_the_way_is_named(context: GuardContext) -> None:
    """Four rows where three are allowed; two cells of one row count once."""
    three = [f"{record} base_arm_1 vt_state >open" for record in "123"]
    assert blast_radius(plan(*three, "1 base_arm_1 vt_target >x"), context).changes.shape[0] == 4
    four = plan(*three, "1 m2_arm_1 vt_state >open")
    with pytest.raises(GuardRefused, match="--allow rows=4"):
        blast_radius(four, context)
    assert blast_radius(four, replace(context, allow={"rows": "4"})) is four


def test_overwriting_a_large_share_of_filled_cells_is_refused(context: GuardContext) -> None:
    """150 of 300 filled cells; filling any number of blanks does not count."""
    records = [str(number) for number in range(300)]
    rows = pd.DataFrame(
        [[record, "base_arm_1", "", "", "open", ""] for record in records],
        columns=[*KEYS, "vt_state", "vt_target"],
        dtype="str",
    )
    tables = {ReadRows("target", ("vt_state", "vt_target")): rows}
    judged = replace(context, inputs=replace(context.inputs, tables=tables), allow={"rows": "1000"})
    fills = plan(*(f"{record} base_arm_1 vt_target >x" for record in records))
    assert blast_radius(fills, judged) is fills
    half = plan(*(f"{record} base_arm_1 vt_state open>missed" for record in records[:150]))
    with pytest.raises(GuardRefused, match=r"--allow share=0\.50"):
        blast_radius(half, judged)
    assert blast_radius(half, replace(judged, allow={"rows": "1000", "share": "0.5"})) is half


def test_a_run_for_one_record_looks_at_everybodys_cells(context: GuardContext) -> None:
    """Or it would claim a field in which somebody else's values stand."""
    one = replace(context, already_owned=frozenset(), whole=False)
    with pytest.raises(GuardRefused, match="vt_state"):
        first_contact(plan("2 base_arm_1 vt_state >open"), one)


def test_all_refusals_are_told_at_once(context: GuardContext) -> None:
    """Whoever allows one should not meet the next a minute later."""

    def first(wanted: Plan, _: GuardContext) -> Plan:
        raise GuardRefused("first", "no: --allow a=1")

    def second(wanted: Plan, _: GuardContext) -> Plan:
        raise GuardRefused("second", "nor this: --allow b=2")

    with pytest.raises(GuardRefused, match=r"--allow a=1(.|\n)*--allow b=2") as refused:
        guard(plan(), context, [first, second])
    assert refused.value.guard == "first, second"


@pytest.mark.parametrize(
    ("count", "allow", "refused"),
    [(2, {}, False), (3, {}, True), (3, {"texts": "3"}, False), (4, {"texts": "3"}, True)],
)
def test_too_many_texts_are_refused(
    context: GuardContext, count: int, allow: dict[str, str], refused: bool
) -> None:
    """Two are allowed by the study file; other actions do not count as texts."""
    messages = Messages(hours="09:00-20:00", per_run=2)
    judged = replace(
        context, study=context.study.model_copy(update={"messages": messages}), allow=allow
    )
    texts = tuple(Action(f"k{number}", "1", "text") for number in range(count))
    wanted = replace(plan(), actions=(*texts, Action("m", "1", "mail")))
    if refused:
        with pytest.raises(GuardRefused, match=f"--allow texts={count}"):
            texts_per_run(wanted, judged)
    else:
        assert texts_per_run(wanted, judged) is wanted
