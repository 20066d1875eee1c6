"""What stands between a plan and the world: each guard lets it pass, trims it, or refuses.

Identity is checked before anything is read (:func:`check_identity`); the rest see the finished
plan (:data:`GUARDS`, in this order). A refusal is :class:`~redcap_jobs.errors.GuardRefused`: it
ends the run with exit 4 before anything is written and names the way to allow it once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from redcap_jobs.errors import CredentialsError, GuardRefused, UsageError
from redcap_jobs.partner_guards import few_at_once, members_are_whole, one_partner
from redcap_jobs.plan import (
    KEYS,
    Inputs,
    Plan,
    Problem,
    ReadDecisions,
    ReadMessages,
    ReadPartnerCalls,
    ReadRows,
)
from redcap_jobs.text_guards import journal_is_whole, survey_ids_are_known, texts_per_run

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.redcap.project import Project, ProjectInfo
    from redcap_jobs.study.config import ProjectIdentity, Study

ALLOWANCES = {
    "rows": "let this run change up to N rows, e.g. --allow rows=900",
    "share": "let this run overwrite up to this share of the filled cells, e.g. --allow share=0.5",
    "records": "accept an export of only N records, e.g. --allow records=120",
    "members": "accept that the partner lists N members only, e.g. --allow members=120",
    "withdrawals": "let this run withdraw up to N members, e.g. --allow withdrawals=25",
    "updates": "let this run update up to N members, e.g. --allow updates=200",
    "partner": "enrol everybody anew with another partner, e.g. --allow partner=agile-2",
    "texts": "let this run send up to N texts, e.g. --allow texts=900",
    "adopt": "take over values this state did not write, e.g. --allow adopt=vt_state,vt_target",
}
SMALLEST_SHARE_COUNTED = 100
"""A handful of cells is a large share of a small study: below this many overwritten cells the
share is not judged, only the number of rows."""

FEW_ROWS = 5
"""So many rows fewer than last time may be someone's tidying up: listed, not refused."""


@dataclass(frozen=True)
class GuardContext:
    """What the guards judge a plan by.

    ``roster`` is the target's (columns ``record, event, dag``); ``already_owned`` the
    claims (``field@place``) of this state; ``before`` the last good run's counts ({}: there
    was none); ``standing`` are rows with the outputs as they stand, of
    all records; ``whole`` is False under ``--record``.
    """

    study: Study
    inputs: Inputs
    roster: pd.DataFrame
    already_owned: frozenset[str]
    before: Mapping[str, int]
    allow: Mapping[str, str]
    standing: Sequence[pd.DataFrame] = ()
    whole: bool = True


Guard = Callable[[Plan, GuardContext], Plan]


def check_identity(
    study: Study, name: str, identity: ProjectIdentity | None, info: ProjectInfo, *, writes: bool
) -> None:
    """Compare what the study file declares of a token with what the server says of its project.

    Raises:
        CredentialsError: The study file declares no project for this variable's name.
        GuardRefused: Project id or in-production flag differ, or a source would be written.

    """
    if identity is None:
        known = ", ".join(sorted(study.redcap.projects)) or "none"
        raise CredentialsError(
            f"{study.path}: [redcap.projects.{name}] is missing, so nothing says which project "
            f"{name} belongs to (declared: {known}); the server says project {info.project_id}"
        )
    if info.project_id != identity.project_id:
        raise GuardRefused(
            "identity",
            f"{name} opens project {info.project_id}, but the study file declares project "
            f"{identity.project_id} for it; correct the token or [redcap.projects.{name}]",
        )
    if info.in_production != identity.in_production:
        says = "in production" if info.in_production else "in development"
        raise GuardRefused(
            "identity",
            f"{name}: the server says project {info.project_id} is {says}, the study file says "
            f"in_production = {str(identity.in_production).lower()}; correct whichever is wrong",
        )
    if info.in_production and identity.role == "development":
        raise GuardRefused(
            "identity",
            f"{name}: project {info.project_id} is in production, but its role is development, "
            "under which it would be written without a state that cron and hand runs share; "
            'declare role = "production"',
        )
    if writes and identity.role == "source":
        raise GuardRefused(
            "identity", f"{name} is declared as a source; a source is read, never written"
        )


def check_pair(study: Study, export_name: str, import_name: str) -> None:
    """Refuse to write a production project from another project's export."""
    source, target = study.redcap.projects[export_name], study.redcap.projects[import_name]
    if target.role == "production" and source.project_id != target.project_id:
        raise GuardRefused(
            "identity",
            f"{import_name} is a production project: it is written only from its own export, "
            f"not from {export_name}",
        )


def parse_allowances(pairs: Sequence[str]) -> dict[str, str]:
    """Turn ``--allow NAME=VALUE`` into a mapping; an unknown name or form is a usage error."""
    allow: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not value or name not in ALLOWANCES:
            ways = "; ".join(ALLOWANCES.values())
            raise UsageError(f"--allow {pair}: not a known allowance; {ways}")
        allow[name] = value
    for name, form in (
        ("rows", r"\d+"),
        ("records", r"\d+"),
        ("texts", r"\d+"),
        ("members", r"\d+"),
        ("withdrawals", r"\d+"),
        ("updates", r"\d+"),
        ("share", r"0?\.\d+|0|1|1\.0+"),
    ):
        if name in allow and not re.fullmatch(form, allow[name]):
            what = "a share between 0 and 1" if name == "share" else "a whole number"
            raise UsageError(f"--allow {name}={allow[name]}: {what} is expected")
    return allow


def export_is_complete(plan: Plan, context: GuardContext) -> Plan:
    """Refuse an export that is suddenly empty or far smaller than the last good one.

    Records and rows (record and event) are both counted. A study grows, so fewer rows than last
    time, if they are not those of records that are gone, are at least a problem to look at.
    """
    before = context.before
    if not context.whole or not before:
        return plan
    limits = context.study.limits
    now = export_size(context.inputs.roster)
    records, rows = (before.get(what, 0) for what in ("records_read", "rows_read"))
    fewer = rows - now["rows_read"]
    shrunk = now["records_read"] < records * limits.shrink_to
    thinned = fewer > FEW_ROWS and now["rows_read"] < rows * limits.rows_shrink_to
    if (shrunk or thinned) and str(now["records_read"]) != context.allow.get("records"):
        likely = (
            "If they were really deleted"
            if shrunk
            else "The server may have left rows out: run it again, and tell its administrators. If "
            "the data of events were really deleted"
        )
        raise GuardRefused(
            "records",
            f"the export holds {now['records_read']} records in {now['rows_read']} rows (record "
            f"and event), that of the last good run {records} in {rows}; nothing was written. "
            f"{likely}: --allow records={now['records_read']}",
        )
    if fewer <= 0 or now["records_read"] < records:
        return plan
    problem = Problem(
        "-",
        "export",
        f"holds {fewer} rows (record and event) fewer than in the last good run",
        "if nobody deleted an event's data, the server left rows out: tell its administrators",
    )
    return replace(plan, problems=(*plan.problems, problem))


def export_size(roster: pd.DataFrame) -> dict[str, int]:
    """Count the records of a roster and its rows, one per record and event."""
    return {
        "records_read": int(roster["record"].nunique()),
        "rows_read": len(roster[["record", "event"]].drop_duplicates()),
    }


IF_GONE = "if it was deleted or renamed, nothing is to be done"
IF_RENAMED = (
    "if it was renamed, its texts and its member follow with: redcap-jobs messages rename-record "
    "STUDY {record} NEW"
)


def vanished_records(plan: Plan, context: GuardContext) -> Plan:
    """Report every record the last runs decided about that the export does not hold any more.

    An export that silently lacks some rows was observed (REDCapR issue 400); a record that was
    really deleted or renamed is reported once, since its decisions are forgotten with this run.
    """
    if not context.whole:
        return plan
    decided = [
        table for read, table in context.inputs.tables.items() if isinstance(read, ReadDecisions)
    ]
    held = set(context.inputs.roster["record"])
    gone = sorted({record for table in decided for record in table["record"]} - held)
    outside = {
        record
        for read, table in context.inputs.tables.items()
        if isinstance(read, ReadMessages | ReadPartnerCalls)
        for record in table["record"]
    }
    problems = tuple(
        Problem(
            record,
            "export",
            "was there in an earlier run and is not now: deleted, renamed, or not exported",
            IF_RENAMED.format(record=record) if record in outside else IF_GONE,
        )
        for record in gone
    )
    forgotten = (*plan.forgotten, *gone)
    return replace(plan, problems=(*plan.problems, *problems), forgotten=forgotten)


def only_own_fields(plan: Plan, context: GuardContext) -> Plan:  # noqa: ARG001 - a guard's signature
    """Refuse a plan that would write a field its job does not declare as an output."""
    stray = sorted(set(plan.changes["field"]) - set(plan.owned))
    if stray:
        raise GuardRefused("own fields", f"{plan.job} planned to write {', '.join(stray)}")
    return plan


def rows_stay_in_their_arm(plan: Plan, context: GuardContext) -> Plan:
    """Take out every record with a change in an arm where it has no row, and say so."""
    trimmed = out_of_place(plan.changes, context.roster, context.inputs.target)
    problems = tuple(
        Problem(record, "arm", f"nothing written: {why}", blocks=True)
        for record, why in sorted(trimmed.items())
    )
    return replace(plan, problems=(*plan.problems, *problems))


def out_of_place(changes: pd.DataFrame, roster: pd.DataFrame, project: Project) -> dict[str, str]:
    """Return the records that must not be written, each with the reason.

    REDCap accepts an import into another arm and creates the record there without a word (the
    talk of 2018 warns of it; no error was ever recorded). A record the target does not hold at
    all, or holds in several arms, is left alone likewise: no job creates records.
    """
    wanted = set(changes["record"])
    unknown = wanted - set(roster["record"])
    reasons = dict.fromkeys(unknown, "it does not exist in the project to be written")
    if not project.is_longitudinal:
        return reasons
    arm_of = {event.unique_name: event.arm for event in project.events}
    arms: dict[str, set[int]] = {}
    for record, event in zip(roster["record"], roster["event"], strict=True):
        if record in wanted and event in arm_of:
            arms.setdefault(record, set()).add(arm_of[event])
    for record, event in set(zip(changes["record"], changes["event"], strict=True)):
        if record in unknown:
            continue
        if len(arms.get(record, ())) > 1:
            reasons[record] = "its rows stand in more than one arm"
        elif arm_of.get(event) not in arms.get(record, set()):
            reasons[record] = f"event {event} is in an arm in which the record has no row"
    return reasons


def first_contact(plan: Plan, context: GuardContext) -> Plan:
    """Refuse to overwrite output cells that hold values this state never wrote.

    Judged per field and place (event, or repeating form): what stands anywhere in a place that
    this state has not claimed yet. A run for single records looks at all records' cells, too.
    """
    adopted = context.allow.get("adopt", "")
    if adopted == "all" or plan.changes.empty:
        return plan
    allowed = set(adopted.split(","))
    own = plan.changes[~plan.changes["field"].isin(plan.shared)]
    touched = set(claims_of(own)) - context.already_owned
    filled: dict[str, int] = {}
    for rows in context.standing:
        for field in sorted({claim.partition("@")[0] for claim in touched} - allowed):
            if field not in rows.columns:
                continue
            cells = rows[rows[field] != ""]
            count = sum(claim in touched for claim in places_of(cells, field))
            if count:
                filled[field] = filled.get(field, 0) + count
    if not filled:
        return plan
    named = ", ".join(f"{field} ({count})" for field, count in sorted(filled.items()))
    raise GuardRefused(
        "first contact",
        f"output fields hold values that this state did not write: {named}. If they are this "
        f"job's to overwrite: --allow adopt={','.join(sorted(filled))}",
    )


def claims_of(changes: pd.DataFrame) -> list[str]:
    """Return ``field@place`` of every cell to be changed, each once: what a run claims."""
    columns = [changes[name] for name in ("field", "event", "repeat_instrument")]
    return sorted({f"{field}@{event}/{form}" for field, event, form in zip(*columns, strict=True)})


def places_of(rows: pd.DataFrame, field: str) -> list[str]:
    """Return ``field@place`` for each row of a rows frame."""
    columns = (rows["event"], rows["repeat_instrument"])
    return [f"{field}@{event}/{form}" for event, form in zip(*columns, strict=True)]


def blast_radius(plan: Plan, context: GuardContext) -> Plan:
    """Refuse a plan that touches too many rows or overwrites too large a share of filled cells."""
    changes = plan.changes
    rows = len(changes[KEYS].drop_duplicates())
    most = int(context.allow.get("rows", context.study.limits.rows))
    if rows > most:
        raise GuardRefused(
            "rows",
            f"{rows} rows would change, the limit is {most}; nothing was written. "
            f"To allow it once: --allow rows={rows}",
        )
    judged = changes[~changes["field"].isin(plan.followed)]
    overwritten = int((judged["old"] != "").sum())
    filled = filled_cells(plan, context)
    share = overwritten / filled if filled else 0.0
    limit = float(context.allow.get("share", context.study.limits.share_overwritten))
    if overwritten >= SMALLEST_SHARE_COUNTED and share > limit:
        needed = -(-overwritten * 100 // filled) / 100
        raise GuardRefused(
            "share",
            f"{overwritten} of {filled} filled cells would be overwritten ({share:.0%}), the limit "
            f"is {limit:.0%}; nothing was written. To allow it once: --allow share={needed:.2f}",
        )
    return plan


def blocked_records_are_left_out(plan: Plan, context: GuardContext) -> Plan:  # noqa: ARG001 - a guard's signature
    """Take out everything about records with a problem that blocks them."""
    blocked = {problem.record for problem in plan.problems if problem.blocks}
    return replace(
        plan,
        changes=plan.changes[~plan.changes["record"].isin(blocked)],
        decisions=plan.decisions[~plan.decisions["record"].isin(blocked)],
        actions=tuple(action for action in plan.actions if action.record not in blocked),
    )


def filled_cells(plan: Plan, context: GuardContext) -> int:
    """Count the non-blank cells that stand in the plan's output fields now."""
    total = 0
    for read, rows in context.inputs.tables.items():
        if isinstance(read, ReadRows) and read.side == "target":
            judged = set(plan.owned) - set(plan.followed)
            own = [field for field in rows.columns if field in judged]
            total += int((rows[own] != "").to_numpy().sum())
    return total


GUARDS: tuple[Guard, ...] = (
    export_is_complete,
    vanished_records,
    only_own_fields,
    rows_stay_in_their_arm,
    blocked_records_are_left_out,
    first_contact,
    blast_radius,
    survey_ids_are_known,
    journal_is_whole,
    texts_per_run,
    few_at_once,
    one_partner,
    members_are_whole,
)


def guard(plan: Plan, context: GuardContext, guards: Sequence[Guard] = GUARDS) -> Plan:
    """Pass a plan through every guard; raise all refusals as one, each with its way out."""
    refusals: list[GuardRefused] = []
    for each in guards:
        try:
            plan = each(plan, context)
        except GuardRefused as refusal:
            refusals.append(refusal)
    if refusals:
        raise GuardRefused(
            ", ".join(refusal.guard for refusal in refusals), "\n".join(map(str, refusals))
        )
    return plan
