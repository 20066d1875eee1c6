"""``sync-agile``: bring the partner's word back to REDCap, and compare both sides as wholes.

What the partner owns (status, dates, opt-outs, completions) is copied into REDCap where it
changed. What REDCap owns is only compared. Every run compares everybody with every member.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from redcap_jobs.jobs.partner_compare import (
    Found,
    Member,
    arm_differs,
    fields_differ,
    in_order,
    only_here,
    only_in_redcap,
    only_there,
    pairs,
    status_differs,
    study_id_differs,
    twice_there,
    unseen_opt_outs,
)
from redcap_jobs.jobs.partner_history import (
    UPDATE,
    Known,
    history,
    payload_hash,
    without_former,
)
from redcap_jobs.jobs.partner_judged import PASSING
from redcap_jobs.jobs.partner_people import (
    TICKED,
    Candidate,
    candidates,
    nobody_in_reach,
    output_rows,
    partner_of,
    source_rows,
    view_of,
)
from redcap_jobs.jobs.partner_rows import Wanted, changed_cells
from redcap_jobs.partner.translate import Untranslatable, to_redcap
from redcap_jobs.plan import (
    CHANGE_COLUMNS,
    DECISION_COLUMNS,
    Inputs,
    Job,
    Plan,
    Problem,
    Read,
    ReadMembers,
    ReadPartnerCalls,
    Skip,
    Table,
)
from redcap_jobs.redcap.records import record_arms
from redcap_jobs.study.config import Study
from redcap_jobs.study.partner_config import Partner
from redcap_jobs.study.uses import PARTNER_COPY, fields

NAME = "sync-agile"
HELP = """Bring the partner's word back to REDCap, and compare both sides.

Status, dates, opt-outs and completions of every member are copied into REDCap where they changed.
Then everybody is compared with every member: only here, only there, twice there, and what differs,
arms, opt-outs and languages first. What REDCap owns is never overwritten, nor is the partner's.

\b
  redcap-jobs sync-agile --study ismile.toml \\
      --export-token REDCAP_API_ISMILE_PROD --import-token REDCAP_API_ISMILE_PROD --dry-run
"""
SUBJECT = "partner"
ALL_MEMBERS = ReadMembers()


def reads(study: Study, inputs: Inputs) -> Sequence[Read]:
    """Name what is needed: both sides whole, and what was told so far."""
    if not inputs.partner_in_reach:
        return []
    rows: list[Read] = [source_rows(study, inputs), output_rows(study, inputs)]
    return [*rows, ReadPartnerCalls(), ALL_MEMBERS]


def plan(study: Study, inputs: Inputs, as_of: datetime) -> Plan:
    """Give the cells that the partner's word changes, and every discrepancy."""
    if not inputs.partner_in_reach:
        return nobody_in_reach(NAME, as_of)
    partner = partner_of(study)
    rows, outputs = (inputs.tables[each] for each in reads(study, inputs)[:2])
    people, persons = candidates(study, inputs, rows, outputs, as_of)
    known = history(inputs.tables[ReadPartnerCalls()], inputs.partner)
    people = without_former(people, known)
    members = by_id(inputs.tables[ALL_MEMBERS])
    ids, everybody = pairs(people, known), set(inputs.roster["record"])
    arms = record_arms(inputs.roster, inputs.target)["arm"]
    view = view_of(inputs, outputs, arms, persons)
    ticks = view.first(partner.write.opted_out) if partner.write.opted_out else None
    copies = {each.partner: view.first(each.redcap) for each in partner.copied}
    copies["status"] = view.first(partner.write.status)

    wanted: list[Wanted] = []
    skips: list[Skip] = []
    unsure = {
        record: known[record].member
        for record in persons.contradictory.index
        if record in known and known[record].member
    }
    several: list[Found] = [
        *unseen_opt_outs(unsure, members, partner, ticked_anywhere(partner, outputs)),
        *only_here({**ids, **unsure}, members),
        *only_there(ids, members, known, everybody),
        *twice_there(members, ids),
    ]
    problems: list[Problem] = []
    others: set[str] = set()
    for record, one in people.items():
        member = members.get(ids.get(record, ""))
        if member is None:
            if record not in ids and not (one.no or one.opted_out or one.wrong or one.lacking):
                skips.append(Skip(record, SUBJECT, "not enrolled yet; poll-participants does it"))
            continue
        told = known.get(record, Known())
        several += study_id_differs(one, member)
        whose = member["study_id"]
        if not told.member and whose != record and whose in everybody:
            others.add(record)
            continue
        cells, wrong = copied(study, record, member)
        wanted += cells
        problems += wrong
        several += only_in_redcap(record, member, copies)
        ticked = str(ticks[record]) if ticks is not None else ""
        several += arm_differs(one, member, partner)
        several += status_differs(one, member, told, partner, ticked)
        if waits(inputs, one, told):
            skips.append(Skip(record, SUBJECT, "changed in REDCap; poll-participants tells it"))
        elif not one.no:
            several += fields_differ(one, member, partner, study.study.region)
    changes = stamped(
        study, changed_cells(wanted, outputs, inputs.target, arms), inputs, arms, as_of
    )
    return Plan(
        job=NAME,
        as_of=as_of,
        changes=changes,
        decisions=decisions(partner, ids, members, several),
        owned=output_fields(study),
        followed=output_fields(study),
        shared=tuple(reference.field for reference in partner.write.opted_out),
        skips=tuple(skips),
        problems=(*in_order(several), *persons.problems, *problems),
        tables=(
            statuses({record: ids[record] for record in ids if record not in others}, members),
            differences(several),
        ),
    )


def waits(inputs: Inputs, one: Candidate, told: Known) -> bool:
    """Tell whether ``poll-participants`` will tell what changed: it differs until then."""
    now = payload_hash(inputs, one.payload)
    if one.no or one.wrong or told.told in ("", now):
        return False
    refused, code, _ = told.refused.get(UPDATE, ("", "", ""))
    return refused != now or code in PASSING


def ticked_anywhere(partner: Partner, outputs: pd.DataFrame) -> set[str]:
    """Name the records that hold the opt-out in any of their rows (a rows frame)."""
    ticked: set[str] = set()
    for reference in partner.write.opted_out:
        ticked |= set(outputs.loc[outputs[reference.field] == TICKED, "record"])
    return ticked


def by_id(frame: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Give the members by the partner's id."""
    return {
        str(row["member"]): {str(key): str(value) for key, value in row.items()}
        for row in frame.to_dict("records")
    }


def copied(
    study: Study, record: str, member: Mapping[str, str]
) -> tuple[list[Wanted], list[Problem]]:
    """Give the cells that hold the partner's word on one member; a blank there erases nothing."""
    partner, problems = partner_of(study), []
    region, zone = study.study.region, ZoneInfo(study.study.time_zone)
    status = member["status"]
    wanted: list[Wanted] = []
    if status in partner.statuses:
        wanted.append((record, partner.write.status, partner.statuses[status]))
    if status in partner.opted_out:
        wanted.append((record, partner.write.opted_out, TICKED))
    for each in partner.copied:
        value = to_redcap(each, member[each.partner], region, zone)
        if isinstance(value, Untranslatable):
            problems.append(Problem(record, each.partner, str(value), value.hint))
        elif value:
            wanted.append((record, each.redcap, value))
    return wanted, problems


def stamped(
    study: Study, changes: pd.DataFrame, inputs: Inputs, arms: pd.Series, as_of: datetime
) -> pd.DataFrame:
    """Add the stamp of every record that changes; nobody else's."""
    write = partner_of(study).write
    if not write.synced_at:
        return changes
    now = as_of.astimezone(ZoneInfo(study.study.time_zone)).strftime("%Y-%m-%d %H:%M:%S")
    stamps: list[Wanted] = [
        (record, write.synced_at, now) for record in dict.fromkeys(changes["record"])
    ]
    outputs = inputs.tables[output_rows(study, inputs)]
    stamp = changed_cells(stamps, outputs, inputs.target, arms)
    return pd.concat([changes, stamp], ignore_index=True)[CHANGE_COLUMNS]


def decisions(
    partner: Partner,
    ids: Mapping[str, str],
    members: Mapping[str, Member],
    several: Sequence[Found],
) -> pd.DataFrame:
    """Give what the partner says of each participant it has, and the names of what differs."""
    differing: dict[str, list[str]] = {}
    for each in sorted(several, key=lambda found: found.urgency):
        differing.setdefault(each.problem.record, []).append(each.kind)
    rows = []
    for record, member in ids.items():
        word = "missing_there"
        if member in members:
            status = members[member]["status"]
            word = status if status in partner.statuses else "compared"
        why = [f"member {member}"]
        if record in differing:
            why.append(f"differs: {', '.join(differing[record])}")
        rows.append([record, SUBJECT, word, "; ".join(why), "", ""])
    return pd.DataFrame(rows, columns=DECISION_COLUMNS, dtype="str")


def output_fields(study: Study) -> tuple[str, ...]:
    """Give the fields this job writes."""
    own = {f"partner_{key}" for key in ("status", "opted_out", "synced_at")} | {PARTNER_COPY}
    return tuple(dict.fromkeys(use.reference.field for use in fields(study) if use.role in own))


def statuses(ids: Mapping[str, str], members: Mapping[str, Member]) -> Table:
    """Count the members that were compared by the partner's word for how they stand."""
    compared = [members[member]["status"] for member in ids.values() if member in members]
    rows = [
        (status or "no status", str(count)) for status, count in Counter(compared).most_common()
    ]
    rows.append(("compared in all", str(len(compared))))
    return Table("Members", ("status", "how many"), tuple(rows))


def differences(several: Sequence[Found]) -> Table:
    """Count the discrepancies by what differs, the most urgent first."""
    first: dict[str, int] = {}
    for each in several:
        first[each.kind] = min(first.get(each.kind, each.urgency), each.urgency)
    counts = Counter(each.kind for each in several)
    kinds = sorted(counts, key=lambda kind: (first[kind], -counts[kind], kind))
    rows = [(kind, str(counts[kind])) for kind in kinds] or [("nothing", "")]
    return Table("What differs", ("what", "how many"), tuple(rows))


JOB = Job(
    name=NAME,
    summary="Bring the partner's word back to REDCap, and compare both sides.",
    reads=reads,
    plan=plan,
    help=HELP,
    partner=True,
)
