"""``poll-participants``: tell the texting partner who was enrolled, who changed and who left.

What the partner was last told is known by a keyed hash, so that what did not change costs no call.
An enrolment is made once: where a member with the participant's study id is there already it is
taken over, and one whose answer was lost is looked up before anything is repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd

from redcap_jobs.jobs.partner_history import (
    ARM,
    ENROL,
    UPDATE,
    WITHDRAW,
    Known,
    history,
    without_former,
)
from redcap_jobs.jobs.partner_judged import Judgement, judge, left_behind
from redcap_jobs.jobs.partner_people import (
    OPTED_OUT,
    Candidate,
    candidates,
    nobody_in_reach,
    only,
    output_rows,
    partner_of,
    source_rows,
)
from redcap_jobs.jobs.partner_rows import Wanted, changed_cells, results
from redcap_jobs.plan import (
    CHANGE_COLUMNS,
    DECISION_COLUMNS,
    Action,
    Inputs,
    Job,
    PartnerCall,
    Plan,
    Problem,
    Read,
    ReadChanged,
    ReadConfirmed,
    ReadDecisions,
    ReadMembers,
    ReadPartnerCalls,
    ReadToldAgain,
    Skip,
    Stands,
    Table,
    Withhold,
)
from redcap_jobs.redcap.records import record_arms
from redcap_jobs.study.config import Study
from redcap_jobs.study.uses import fields

NAME = "poll-participants"
HELP = """Tell the texting partner who was enrolled, who changed and who left.

Who takes part, is randomised and has everything the partner needs is enrolled there and assigned
the arm; a change in a field that REDCap owns becomes an update; who goes off study is withdrawn.
The member id is kept here and in REDCap and is the key ever after. An arm that changes later is
told, never pushed (redcap-jobs partner confirm-arm); what the partner's staff changed in another
field is told by sync-agile, and sent again on a person's word (partner tell-again). Made for every 15 minutes: only what changed
since the last good run is read, everything once a day or with --full.

\b
  redcap-jobs poll-participants --study ismile.toml \\
      --export-token REDCAP_API_ISMILE_PROD --import-token REDCAP_API_ISMILE_PROD --dry-run
"""
FLAGS = {"full": "Compare everybody, not only who changed since the last good run."}
SUBJECT = "partner"
DONE = frozenset({"with_partner", "withdrawn", "not_wanted"})
"""Decisions after which a participant is looked at again only when something changed."""


def reads(study: Study, inputs: Inputs) -> Sequence[Read]:
    """Name what is needed: who changed, then their fields, then who of them the partner knows."""
    if not inputs.partner_in_reach:
        return []
    wanted: list[Read] = [ReadPartnerCalls(), ReadConfirmed(), ReadToldAgain(), ReadDecisions()]
    if inputs.since is not None and not inputs.fresh:
        wanted.append(ReadChanged("source", inputs.since))
    if any(read not in inputs.tables for read in wanted):
        return wanted
    records = looked_at(inputs)
    if records is not None and not records:
        return wanted
    wanted += rows_read(study, inputs)
    if inputs.fresh or any(read not in inputs.tables for read in wanted):
        return wanted
    new = to_look_up(study, inputs)
    return [*wanted, ReadMembers(new)] if new else wanted


def looked_at(inputs: Inputs) -> set[str] | None:
    """Give who is looked at: who changed, who is not done with, of whom a person said something.

    None for everybody.
    """
    if inputs.since is None or inputs.fresh:
        return None
    changed = set(inputs.tables[ReadChanged("source", inputs.since)]["record"])
    before = inputs.tables[ReadDecisions()]
    waiting = set(before.loc[~before["decision"].isin(DONE), "record"])
    waiting |= set(inputs.tables[ReadToldAgain()]["record"])
    known = set(before["record"])
    there = set(inputs.roster["record"])
    return (changed | waiting | (there - known)) & there


def rows_read(study: Study, inputs: Inputs) -> list[Read]:
    """Name the fields of those who are looked at."""
    records = tuple(sorted(looked_at(inputs) or ()))
    both = (source_rows(study, inputs), output_rows(study, inputs))
    return [replace(each, records=records) for each in both]


def to_look_up(study: Study, inputs: Inputs) -> tuple[str, ...]:
    """Name those of whom only the partner can say whether they are there, or in which arm."""
    found, known, _ = everybody(study, inputs, inputs.as_of)
    return tuple(
        record for record, one in found.items() if is_open(one, known.get(record, Known()))
    )


def is_open(one: Candidate, known: Known) -> bool:
    """Tell whether the partner must be asked about somebody before anything is decided."""
    if ENROL in known.open:
        return False
    if known.member:
        return not (one.no or one.wrong or known.arm_is_known) and one.arm != ""
    return one.known_as != "" or not (one.no or one.opted_out or one.wrong or one.lacking)


def everybody(
    study: Study, inputs: Inputs, as_of: datetime | None
) -> tuple[dict[str, Candidate], dict[str, Known], tuple[Problem, ...]]:
    """Give the participants that were read, what the journal knows of them, and contradictions."""
    if as_of is None:
        raise ValueError("inputs for the partner have an instant")
    records = looked_at(inputs)
    known = history(inputs.tables[ReadPartnerCalls()], inputs.partner)
    tell_again(known, inputs.tables[ReadToldAgain()])
    if records is not None and not records:
        return {}, known, ()
    rows, outputs = (inputs.tables[read] for read in rows_read(study, inputs))
    here = inputs if records is None else only(inputs, records)
    found, persons = candidates(study, here, rows, outputs, as_of)
    return without_former(found, known), known, persons.problems


def tell_again(known: Mapping[str, Known], words: pd.DataFrame) -> None:
    """Forget what the partner was told last of those of whom a person wants it told once more."""
    for record, occurrence in words[["record", "occurrence"]].itertuples(index=False):
        if record in known and str(known[record].done[UPDATE]) == occurrence:
            known[record].told = ""


def plan(study: Study, inputs: Inputs, as_of: datetime) -> Plan:
    """Give the calls that bring the partner to what REDCap says at the aware instant ``as_of``."""
    if not inputs.partner_in_reach:
        return nobody_in_reach(NAME, as_of)
    found, known, contradictions = everybody(study, inputs, as_of)
    members = by_study_id(study, inputs)
    confirmed = dict(inputs.tables[ReadConfirmed()][["record", "value_hash"]].to_numpy())
    gone = left_behind(inputs, known)
    judged = {
        record: judge(study, inputs, one, known.get(record, Known()), members, confirmed, gone)
        for record, one in found.items()
    }
    for each in contradictions:
        own = judged.get(each.record)
        if own is not None and own.calls:
            own.problems.append(replace(each, blocks=False))
        else:
            judged[each.record] = Judgement("problem", problems=[each])
    unsure = {each.record for each in contradictions}
    found = {record: one for record, one in found.items() if record not in unsure}
    return Plan(
        job=NAME,
        as_of=as_of,
        changes=changes(study, inputs, judged, found, known),
        decisions=decisions(judged),
        owned=output_fields(study),
        shared=tuple(reference.field for reference in partner_of(study).write.member_id),
        actions=tuple(call for one in judged.values() for call in one.calls),
        skips=tuple(
            Skip(record, SUBJECT, one.reason)
            for record, one in judged.items()
            if one.reason and not one.calls and not one.problems
        ),
        problems=tuple(problem for one in judged.values() for problem in one.problems),
        tables=(table(judged),),
        forgotten=tuple(sorted(unsure)),
    )


def by_study_id(study: Study, inputs: Inputs) -> dict[str, list[dict[str, str]]]:
    """Give the members that were looked up, by the study's id of the participant."""
    del study
    found: dict[str, list[dict[str, str]]] = {}
    for read, rows in inputs.tables.items():
        if isinstance(read, ReadMembers):
            for row in rows.to_dict("records"):
                one = {str(key): str(value) for key, value in row.items()}
                found.setdefault(one["study_id"], []).append(one)
    return found


def changes(
    study: Study,
    inputs: Inputs,
    judged: Mapping[str, Judgement],
    found: Mapping[str, Candidate],
    known: Mapping[str, Known],
) -> pd.DataFrame:
    """Give member ids that REDCap lacks, and errors that came or went."""
    if not found:
        return pd.DataFrame(columns=CHANGE_COLUMNS, dtype="str")
    write = partner_of(study).write
    wanted: list[Wanted] = [(record, write.error, judged[record].error) for record in found]
    wanted += [
        (record, write.member_id, known[record].member)
        for record in found
        if record in known and known[record].member and not found[record].known_as
    ]
    roster = inputs.roster[inputs.roster["record"].isin(found)]
    arms = record_arms(roster, inputs.target)["arm"]
    outputs = inputs.tables[rows_read(study, inputs)[1]]
    return changed_cells(wanted, outputs, inputs.target, arms)


def decisions(judged: Mapping[str, Judgement]) -> pd.DataFrame:
    """Give one decision for each participant."""
    rows = [[record, SUBJECT, one.decision, one.reason, "", ""] for record, one in judged.items()]
    return pd.DataFrame(rows, columns=DECISION_COLUMNS, dtype="str")


def output_fields(study: Study) -> tuple[str, ...]:
    """Give the fields this job writes."""
    own = {f"partner_{key}" for key in ("member_id", "error")}
    return tuple(dict.fromkeys(use.reference.field for use in fields(study) if use.role in own))


def table(judged: Mapping[str, Judgement]) -> Table:
    """Count the decisions, and the calls they lead to."""
    counts = Counter(one.decision for one in judged.values())
    calls = Counter(one.decision for one in judged.values() for _ in one.calls)
    rows = tuple(
        (word.replace("_", " "), str(count), str(calls[word]))
        for word, count in counts.most_common()
    )
    return Table("Members", ("decision", "participants", "calls now"), rows)


def recheck(study: Study, action: Action, inputs: Inputs) -> Stands | Withhold:
    """Look again, on fresh data, whether the partner is still to be told just this."""
    found, _, _ = inputs.once(NAME, lambda: everybody(study, inputs, inputs.as_of))
    one = found.get(action.record)
    if not isinstance(action, PartnerCall) or one is None:
        return Withhold("the record is gone")
    if action.call == WITHDRAW:
        return Stands() if one.has_left else Withhold("is not off study any more")
    if action.adopts:
        return Stands()
    if action.call == ENROL and one.opted_out:
        return Withhold(OPTED_OUT)
    if one.no or one.wrong:
        return Withhold(one.no or "the participant's data changed")
    now = {ARM: one.arm} if action.call == ARM else dict(one.payload)
    return Stands() if now == dict(action.payload) else Withhold("the participant's data changed")


JOB = Job(
    name=NAME,
    summary="Tell the texting partner who was enrolled, who changed and who left.",
    reads=reads,
    plan=plan,
    recheck=recheck,
    record=results,
    flags=FLAGS,
    help=HELP,
    partner=True,
)
