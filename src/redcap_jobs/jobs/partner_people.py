"""Who is to be with the partner, and what the partner is to be told of each, in its own words.

Fields and values are translated by the study file's ``[[partner.fields]]``; whatever has no
translation is a Problem of that record. A blank is never sent: it erases nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import pandas as pd

from redcap_jobs.jobs.participants import (
    NOT_TAKING_PART,
    People,
    people,
    views_in_each_arm,
)
from redcap_jobs.jobs.survey_recipients import left
from redcap_jobs.jobs.window_reads import rows_of
from redcap_jobs.partner.translate import Untranslatable, to_partner
from redcap_jobs.plan import (
    CHANGE_COLUMNS,
    DECISION_COLUMNS,
    Inputs,
    Plan,
    Problem,
    ReadRows,
    Skip,
)
from redcap_jobs.redcap.records import ParticipantView
from redcap_jobs.study.config import Study
from redcap_jobs.study.partner_config import Partner, PartnerField
from redcap_jobs.study.uses import fields

OWN = {"partner", "outreach", "both"}
OFF_STUDY = "off study"
TICKED = "1"
OPTED_OUT = "opted out of texts"
NOT_RANDOMISED = "not randomised yet"


@dataclass(frozen=True)
class Candidate:
    """One participant as the partner is to see them; ``payload`` and ``arm`` are its own words.

    ``no`` says why they are not to be enrolled, '' if they are; ``has_left`` that they went off
    study; ``opted_out`` that they want no texts, and are not newly enrolled. ``lacking`` names
    required fields that are blank, ``wrong`` holds fields without a translation and why. ``known_as`` is the member id that REDCap holds.
    """

    record: str
    no: str
    has_left: bool
    arm: str
    payload: Mapping[str, str] = field(repr=False)
    lacking: tuple[str, ...] = ()
    wrong: tuple[tuple[str, Untranslatable], ...] = ()
    known_as: str = ""
    opted_out: bool = False

    @property
    def problems(self) -> list[Problem]:
        """Give what somebody must mend before the partner can be told."""
        return [Problem(self.record, where, str(why), why.hint) for where, why in self.wrong]


def partner_of(study: Study) -> Partner:
    """Return the study file's ``[partner]``; the run has made sure that there is one."""
    if study.partner is None:
        raise ValueError("a job for the partner runs with [partner] only")
    return study.partner


def nobody_in_reach(job: str, as_of: datetime) -> Plan:
    """Plan nothing: a development run calls the study file's development address or none."""
    why = "a development run, and the study file names no [partner.development]"
    return Plan(
        job=job,
        as_of=as_of,
        changes=pd.DataFrame(columns=CHANGE_COLUMNS, dtype="str"),
        decisions=pd.DataFrame(columns=DECISION_COLUMNS, dtype="str"),
        owned=(),
        skips=(Skip("-", "partner", why),),
    )


def source_rows(study: Study, inputs: Inputs) -> ReadRows:
    """Name the fields that say who takes part, who left, and what the partner is told."""
    uses = [
        use
        for use in fields(study)
        if not use.written and use.about in OWN and use.role != "anchor"
    ]
    return rows_of("source", uses, inputs.source)


def output_rows(study: Study, inputs: Inputs) -> ReadRows:
    """Name the fields in which REDCap keeps what the partner says."""
    own = [use for use in fields(study) if use.written and use.about == "partner"]
    return rows_of("target", own, inputs.target)


def candidates(
    study: Study, inputs: Inputs, rows: pd.DataFrame, outputs: pd.DataFrame, as_of: datetime
) -> tuple[dict[str, Candidate], People]:
    """Give everybody in ``inputs.roster`` by record, those who take no part included.

    Of those whose arm contradicts itself only who went off study is in it.

    ``rows`` and ``outputs`` are rows frames of :func:`source_rows` and :func:`output_rows`.
    """
    persons = people(study, inputs, rows, as_of)
    here = view_of(inputs, outputs, persons.arms, persons)
    others = view_of(inputs, outputs, persons.others, persons)
    partner = partner_of(study)
    found: dict[str, Candidate] = {}
    gone = has_left(study, persons.others_view)
    for record, known in others.first(partner.write.member_id).str.strip().items():
        went = bool(gone.loc[str(record)])
        why = OFF_STUDY if went else NOT_TAKING_PART
        found[str(record)] = Candidate(
            str(record), why, has_left=went, arm="", payload={}, known_as=known
        )
    table = translated(partner, persons.view.at(None), study.study.region)
    no = reasons(study, partner, persons)
    known_as = here.first(partner.write.member_id).str.strip()
    out = opted_out(study, persons.view.at(None), here)
    for record in persons.records:
        one = candidate(record, no[record], table[record], known_as[record])
        found[record] = replace(one, opted_out=bool(out[record]))
    for record in left_in_any_arm(study, inputs, rows, persons):
        found[record] = Candidate(record, OFF_STUDY, has_left=True, arm="", payload={})
    return found, persons


def left_in_any_arm(
    study: Study, inputs: Inputs, rows: pd.DataFrame, persons: People
) -> Iterator[str]:
    """Yield those whose arm contradicts itself, and who went off study by what stands in any arm.

    Whoever left is not texted on until somebody has mended the rows.
    """
    gone: set[str] = set()
    for view in views_in_each_arm(inputs, rows, persons):
        marks = has_left(study, view)
        gone |= set(marks.index[marks])
    yield from sorted(gone)


def has_left(study: Study, view: ParticipantView, scope: str = "study") -> pd.Series:
    """Say who went off study (``bool``), or with ``scope = "texts"`` off its texts alone."""
    gone = pd.Series(data=False, index=view.index)
    for off in study.participants.off_study:
        if off.scope == scope:
            gone |= left(off, view)
    return gone


def opted_out(study: Study, view: ParticipantView, outputs: ParticipantView) -> pd.Series:
    """Say who wants no texts (``bool``), by their own word or the partner's, as REDCap has it.

    A missing-data code stops, too.
    """
    out = has_left(study, view, "texts")
    if study.participants.opted_out is not None:
        out |= view.stops(study.participants.opted_out.expression)
    for reference in partner_of(study).write.opted_out:
        out |= (outputs.values(reference) == TICKED) | outputs.coded_missing(reference)
    return out


def view_of(
    inputs: Inputs, outputs: pd.DataFrame, arms: pd.Series, persons: People
) -> ParticipantView:
    """Give a view of the output fields for some records; a missing-data code is a blank."""
    now = persons.today.reindex(arms.index).fillna(pd.Timestamp(0)).astype("datetime64[s]")
    return ParticipantView(outputs, arms.index, inputs.target, arms, today=now)


def reasons(study: Study, partner: Partner, persons: People) -> dict[str, str]:
    """Give per participant why they are not to be with the partner; '' if they are."""
    view = persons.view.at(None)
    why = pd.Series("", index=view.index, dtype="str").mask(has_left(study, view), OFF_STUDY)
    if partner.enrol_when is not None:
        wanted = view.surely(partner.enrol_when.expression)
        why = why.mask((why == "") & ~wanted, "partner.enrol_when is not true")
    return dict(zip(why.index, why, strict=True))


Translated = list[tuple[PartnerField, str | Untranslatable]]


def translated(partner: Partner, view: ParticipantView, region: str) -> dict[str, Translated]:
    """Give per record each field that REDCap owns with its value in the partner's words."""
    table: dict[str, Translated] = {record: [] for record in view.index}
    for each in partner.fields:
        if each.owner != "redcap":
            continue
        values = view.first(each.redcap)
        words = {value: to_partner(each, value, region) for value in values.unique()}
        for record, value in values.items():
            table[str(record)].append((each, words[value]))
    return table


def candidate(record: str, no: str, table: Translated, known_as: str) -> Candidate:
    """Put one participant together."""
    wrong = tuple(
        (f"{each.partner} ({' or '.join(map(str, each.redcap))})", value)
        for each, value in table
        if isinstance(value, Untranslatable)
    )
    said = [(each, value) for each, value in table if isinstance(value, str)]
    lacking = tuple(each.partner for each, value in said if each.required and not value)
    arms = [value for each, value in said if each.role == "arm"]
    if not no and arms == [""]:
        no = NOT_RANDOMISED
    return Candidate(
        record=record,
        no=no,
        has_left=no == OFF_STUDY,
        arm=arms[0] if arms else "",
        payload={each.partner: value for each, value in said if value and not each.role},
        lacking=lacking,
        wrong=wrong,
        known_as=known_as,
    )


def only(inputs: Inputs, records: set[str]) -> Inputs:
    """Limit inputs to some records: the others were not read."""
    return replace(inputs, roster=inputs.roster[inputs.roster["record"].isin(records)])
