"""Who takes part, in which arm, and which date it is for them: shared by the jobs.

A record whose rows stand in two arms, or in another arm than the study file assigns it to, is a
Problem that blocks it: REDCap would create its rows in the second arm without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from redcap_jobs.plan import Inputs, Problem, Skip
from redcap_jobs.redcap.records import ParticipantView, record_arms
from redcap_jobs.study.config import Study

NOT_TAKING_PART = "not taking part: participants.who is not true"


@dataclass(frozen=True)
class People:
    """The participants a job plans for; every Series has one entry per record, in one order.

    ``arms`` is Int64 (NA: no row in any arm), ``sites`` the unique name of the data access group
    or '', ``today`` datetime64[s] at midnight: the date at the participant's site. ``others`` gives
    the arms of those who do not take part, ``others_view`` what stands in their rows;
    ``contradictory`` the local time (datetime64[s]) of those of whom nothing else is sure, since
    their arm is not.
    """

    view: ParticipantView
    arms: pd.Series
    sites: pd.Series
    today: pd.Series
    others: pd.Series
    others_view: ParticipantView
    contradictory: pd.Series
    skips: tuple[Skip, ...]
    problems: tuple[Problem, ...]

    @property
    def records(self) -> pd.Index:
        """The participants' record ids."""
        return self.arms.index


def people(study: Study, inputs: Inputs, rows: pd.DataFrame, as_of: datetime) -> People:
    """Give the participants of the source project.

    ``rows`` is the rows frame that holds every field named by ``[arms]`` and
    ``participants.who``; ``as_of`` an aware instant.
    """
    found = record_arms(inputs.roster, inputs.source)
    sites = _sites(inputs.roster, found.index)
    now = local_times(study, sites, as_of)
    view = _view(inputs, rows, found["arm"], now)
    arms, contradictory, problems = _assigned(study, view, found)
    who = study.participants.who
    taking_part = pd.Series(data=True, index=arms.index)
    if who is not None:
        taking_part = who.expression.truth(view)
    skips = tuple(Skip(record, "", NOT_TAKING_PART) for record in arms.index[~taking_part])
    kept = arms.index[taking_part & ~contradictory]
    others = arms.loc[~taking_part & ~contradictory]
    return People(
        view=_view(inputs, rows, arms.loc[kept], now.loc[kept]),
        arms=arms.loc[kept],
        sites=sites.loc[kept],
        today=now.loc[kept].dt.floor("D"),
        others=others,
        others_view=_view(inputs, rows, others, now.loc[others.index]),
        contradictory=now.loc[contradictory],
        skips=skips,
        problems=tuple(problems),
    )


def views_in_each_arm(
    inputs: Inputs, rows: pd.DataFrame, people: People
) -> Iterator[ParticipantView]:
    """Yield views of those whose arm contradicts itself, in one arm of the project after the other."""
    now = people.contradictory
    for arm in sorted({event.arm for event in inputs.source.events}) if len(now) else ():
        yield _view(inputs, rows, pd.Series(arm, index=now.index, dtype="Int64"), now)


def local_times(study: Study, sites: pd.Series, as_of: datetime) -> pd.Series:
    """Give each participant's local time at ``as_of`` (datetime64[s], no zone).

    The zone is that of their site, else that of the study.
    """
    times = {}
    for name in sites.unique():
        site = study.sites.get(name)
        zone = (site.time_zone if site else None) or study.study.time_zone
        times[name] = pd.Timestamp(as_of.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
    return sites.map(times).astype("datetime64[s]")


def _sites(roster: pd.DataFrame, records: pd.Index) -> pd.Series:
    """Give each record's data access group; '' for none."""
    if "dag" not in roster:
        return pd.Series("", index=records, dtype="str")
    named = roster.loc[roster["dag"] != ""].drop_duplicates("record").set_index("record")["dag"]
    return named.reindex(records).fillna("").astype("str")


def _view(inputs: Inputs, rows: pd.DataFrame, arms: pd.Series, now: pd.Series) -> ParticipantView:
    codes = tuple(inputs.source.missing_data_codes)
    return ParticipantView(rows, arms.index, inputs.source, arms, missing_codes=codes, today=now)


def _assigned(
    study: Study, view: ParticipantView, found: pd.DataFrame
) -> tuple[pd.Series, pd.Series, list[Problem]]:
    """Give each record's arm, whether anything contradicts it, and the Problems that say so.

    The arm is that of the one ``[arms]`` condition that is true, else the one its rows are in.
    """
    assigned = pd.Series(pd.NA, index=found.index, dtype="Int64")
    twice = pd.Series(data=False, index=found.index)
    for arm in study.arms.values():
        if arm.when is None:
            continue
        truth = arm.when.expression.truth(view)
        twice |= truth & assigned.notna()
        assigned = assigned.mask(truth, arm.number)
    elsewhere = (assigned.notna() & found["arm"].notna() & (assigned != found["arm"])).fillna(
        value=False
    )
    elsewhere = elsewhere.astype(bool)
    two_arms = found["contradictory"].astype(bool)
    problems = [
        *_contradictions(found.index[two_arms], "its rows stand in more than one arm"),
        *_contradictions(found.index[twice & ~two_arms], "several [arms] conditions are true"),
        *_contradictions(
            found.index[elsewhere & ~two_arms & ~twice],
            "its rows stand in another arm than [arms] assigns it to",
        ),
    ]
    arms = assigned.fillna(found["arm"]).astype("Int64")
    return arms, two_arms | twice | elsewhere, problems


def _contradictions(records: pd.Index, what: str) -> Iterator[Problem]:
    for record in records:
        yield Problem(
            record,
            "arm",
            f"{what}; nothing is written for it",
            "correct the assignment, or move its data to the right arm in REDCap",
            blocks=True,
        )
