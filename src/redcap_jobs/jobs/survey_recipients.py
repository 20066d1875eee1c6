"""Who may be texted, where, in which language, and what a text may say of them.

Phones, names and languages come from the fields that ``[participants]`` names. Whoever is off
study (any date, even in the future, or a flag without one), has not agreed to texts or has opted
out, in REDCap or by reply, gets none; a missing-data code in one of those fields stops, too. Who
opted out did so for their phone: it gets no texts for its other records either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from redcap_jobs.jobs.opt_outs import ticked
from redcap_jobs.jobs.participants import People
from redcap_jobs.jobs.survey_refusals import (
    opted_out,
    refusals,
    refused_elsewhere,
    said_of_records,
)
from redcap_jobs.messaging.phone import phones
from redcap_jobs.plan import HINDERS, Inputs, ReadStops
from redcap_jobs.redcap.logic import Reference
from redcap_jobs.redcap.records import ParticipantView
from redcap_jobs.redcap.typed import parse_dates
from redcap_jobs.study.config import OffStudy, Study
from redcap_jobs.study.texts_config import ONLY_LANGUAGE

WHOLE_STUDY = ("study", "")
OPTED_OUT = "has opted out (REDCap)"


@dataclass(frozen=True)
class Recipient:
    """One participant as a text meets them; ``no`` says why they get none, '' if they may.

    ``problem`` says what is wrong with their data, where somebody must mend it. ``values`` are what
    a text may name: private, as is the phone.
    """

    record: str
    zone: str
    language: str
    no: str
    problem: tuple[str, str, str]
    phone: str
    phone_hash: str
    values: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Recipient({self.record})"

    def local(self, instant: datetime) -> datetime:
        """Give an aware instant as the participant's clock shows it."""
        return instant.astimezone(ZoneInfo(self.zone))


def recipients(
    study: Study, inputs: Inputs, people: People, as_of: datetime
) -> dict[str, Recipient]:
    """Give everybody who takes part, by record, as they stand at an aware instant."""
    view = people.view.at(None)
    why = reasons(study, view)
    out = opted_out(study, view) | ticked(study, inputs, people.arms, or_unknown=True)
    written = texts_of(view, study.participants.mobile)
    parsed = phones(written, study.study.region)
    hashes = {each: inputs.keyed(each, "phone") for each in parsed["e164"].unique() if each}
    stops = inputs.tables[ReadStops()]
    stopped = stops_by_subject(stops)
    own_zone = texts_of(view, study.participants.time_zone)
    columns = {
        "zone": zones(study, people, own_zone),
        "own zone": own_zone,
        "code": texts_of(view, study.participants.language),
        "mobile": written,
        "why": why.mask((why == "") & out, OPTED_OUT),
        **parsed,
        **{f"value {name}": texts for name, texts in placeholders(study, view)},
    }
    rows = [
        {str(key): str(value) for key, value in row.items()}
        for row in pd.DataFrame(columns).assign(record=view.index).to_dict("records")
    ]
    elsewhere = refusals(study, inputs, as_of)
    leave = said_of_records(stops, "allowed")
    found = {}
    for one in rows:
        phone_hash = hashes.get(one["e164"], "")
        about = (("phone", phone_hash), ("record", one["record"]), WHOLE_STUDY)
        stop = next((stopped[each] for each in about if each in stopped), "")
        stop = stop or refused_elsewhere(one["record"], elsewhere.get(one["e164"], ()), leave)
        language, unknown = language_of(study, one["code"])
        no = one["why"] or stop or ("" if one["mobile"] else "no mobile number")
        found[one["record"]] = Recipient(
            one["record"],
            one["zone"],
            language,
            no,
            phone_problem(study, one["problem"]) or zone_problem(one) or unknown,
            one["e164"],
            phone_hash,
            {key.removeprefix("value "): one[key] for key in one if key.startswith("value ")},
        )
    return found


def reasons(study: Study, view: ParticipantView) -> pd.Series:
    """Give per participant why they get no text, ``str``; '' where nothing speaks against it."""
    people = study.participants
    why = pd.Series("", index=view.index, dtype="str")
    for off in people.off_study:
        why = why.mask((why == "") & left(off, view), "off study")
    if people.may_text is None:
        return why.mask(why == "", "participants.may_text is not given in the study file")
    agreed = view.surely(people.may_text.expression)
    why = why.mask((why == "") & ~agreed, "has not agreed to texts")
    if people.opted_out is not None:
        out = view.stops(people.opted_out.expression)
        why = why.mask((why == "") & out, OPTED_OUT)
    return why


def left(off: OffStudy, view: ParticipantView) -> pd.Series:
    """Say who has left by one table: a date, even in the future, stops texts; so does a flag alone.

    A missing-data code in place of either stops, too. Once ``until`` has come it says nothing, but
    of who left again after it.
    """
    gone = pd.Series(data=False, index=view.index)
    if off.when is not None:
        gone |= view.stops(off.when.expression)
    back, _ = parse_dates(view.first(off.until))
    is_back = back <= view.today
    for reference in off.from_:
        left_on = view.values(reference)
        gone |= (left_on != "") | view.coded_missing(reference)
        is_back &= ~(parse_dates(left_on)[0] > back)
    return gone & ~is_back


def texts_of(view: ParticipantView, references: tuple[Reference, ...]) -> pd.Series:
    """Give a participant's field, trimmed; '' where none is named."""
    if not references:
        return pd.Series("", index=view.index, dtype="str")
    return view.first(references).str.strip()


def placeholders(study: Study, view: ParticipantView) -> Iterator[tuple[str, pd.Series]]:
    """Yield what a text may name, besides the link."""
    yield "first_name", texts_of(view, study.participants.first_name)
    for name, references in study.participants.placeholders.items():
        yield name, texts_of(view, references)


def zones(study: Study, people: People, own: pd.Series) -> pd.Series:
    """Give each participant's time zone: their own field's, the site's, the study's."""
    known = {name: site.time_zone or study.study.time_zone for name, site in study.sites.items()}
    of_site = people.sites.map(lambda name: known.get(name, study.study.time_zone)).astype("str")
    return own.where(own.map(is_zone).astype(bool), of_site)


def is_zone(name: str) -> bool:
    """Tell whether a text names a time zone."""
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return False
    return bool(name)


def language_of(study: Study, code: str) -> tuple[str, tuple[str, str, str]]:
    """Give the language of the texts, or the Problem with a choice that stands for none."""
    people = study.participants
    if not people.language:
        return ONLY_LANGUAGE, ("", "", "")
    if code in people.languages:
        return people.languages[code], ("", "", "")
    what = "is blank" if not code else "holds a choice that participants.languages does not name"
    return "", ("language", what, "enter the language, or add the choice to the study file")


def zone_problem(one: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Give the Problem with a time zone that is none: the hours of the site may be their night."""
    if not one["own zone"] or is_zone(one["own zone"]):
        return None
    hint = "enter one such as America/New_York; blank: that of the site"
    return ("time zone", "holds no time zone that is known", hint)


def phone_problem(study: Study, problem: str) -> tuple[str, str, str] | None:
    """Give the Problem with a number that cannot receive texts."""
    if not problem:
        return None
    names = " or ".join(str(reference) for reference in study.participants.mobile)
    return (f"mobile: {names}", problem, "correct the number in REDCap")


def stops_by_subject(stops: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Give for each phone and record that must not be texted the reason."""
    return {
        (row["scope"], row["subject"]): f"{row['state']}: {row['reason'] or row['source']}"
        for row in stops.to_dict("records")
        if row["state"] in HINDERS
    }
