"""A handful of participants and members as the partner jobs' inputs, without a server between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from ismile_data import fingerprint, ismile

from redcap_jobs.jobs import poll_participants, sync_agile
from redcap_jobs.plan import (
    DECISION_COLUMNS,
    KEYS,
    PARTNER_CALL_COLUMNS,
    Inputs,
    Plan,
    ReadChanged,
    ReadConfirmed,
    ReadDecisions,
    ReadMembers,
    ReadPartnerCalls,
    ReadRows,
    ReadToldAgain,
)
from redcap_jobs.sandbox.filter_logic import project_view
from redcap_jobs.study.config import Study
from redcap_jobs.study.loading import load_bundled_or_file

STUDY = load_bundled_or_file("ismile")
PROJECT = project_view(ismile(1))
NOW = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
COMPLETE = {
    "consent___1": "1",
    "consent___3": "1",
    "rand_group": "1",
    "part_first_name": "Wren",
    "part_mobile_number": "4155550101",
    "part_language": "1",
    "child_name": "Robin",
}
PAYLOAD = {
    "childName": "Robin",
    "firstName": "Wren",
    "language": "en",
    "mobilePhone": "+14155550101",
}
NAMES = ("member", "study_id", "status", *(each.partner for each in STUDY.partner.fields))


def keyed(text: str, kind: str) -> str:
    """Stand in for the keyed hash: the text itself."""
    return f"{kind} {text}"


def text_of(payload: Mapping[str, str]) -> str:
    """Give what a payload's hash is made of."""
    return "{" + ", ".join(f'"{key}": "{payload[key]}"' for key in sorted(payload)) + "}"


def row(record: str, event: str = "baseline_arm_1", **values: str) -> dict[str, str]:
    """Give one row of REDCap: a complete participant with what is said otherwise."""
    return {"record": record, "event": event, **COMPLETE, **values}


def member(record: str, number: int | None = None, **values: str) -> dict[str, str]:
    """Give one member as the partner lists it: as it should be, with what is said otherwise."""
    own = f"AH-{number or record}"
    fields = {"member": own, "study_id": record, "status": "enrolled", "arm": "OHT", **PAYLOAD}
    return {**fields, **values}


def call(record: str, what: str = "enrol", **values: str) -> dict[str, str]:
    """Give one row of the journal: a call that took effect, with what is said otherwise."""
    sent = {"enrol": PAYLOAD, "update": PAYLOAD, "arm": {"arm": "OHT"}, "withdraw": {}}[what]
    fields = {
        "call": what,
        "record": record,
        "state": "sent",
        "member": f"AH-{record}",
        "payload_hash": keyed(text_of(sent), "partner"),
        "at": (NOW - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S"),
    }
    return {**fields, **values}


def with_partner(*records: str) -> list[dict[str, str]]:
    """Give the journal of participants who were enrolled and assigned."""
    return [call(record, what) for record in records for what in ("enrol", "arm")]


def frame(rows: Iterable[Mapping[str, str]], columns: Iterable[str]) -> pd.DataFrame:
    """Put rows in a frame of texts; what is not said is blank."""
    names = list(columns)
    return pd.DataFrame([[r.get(n, "") for n in names] for r in rows], columns=names, dtype="str")


def inputs_of(
    rows: Iterable[Mapping[str, str]],
    members: Iterable[Mapping[str, str]] = (),
    calls: Iterable[Mapping[str, str]] = (),
    *,
    job: Any = sync_agile,
    confirmed: Mapping[str, str] | None = None,
    again: Mapping[str, str] | None = None,
    changed: Iterable[str] | None = None,
    decided: Mapping[str, str] | None = None,
    study: Study = STUDY,
    **more: Any,
) -> Inputs:
    """Answer a job's reads from these rows; ``changed``: only they did since the last good run."""
    rows, members = list(rows), list(members)
    columns = [*KEYS, "dag", *(c for f in PROJECT.fields for c in PROJECT.export_columns(f))]
    whole = frame(rows, columns)
    before = [
        {"record": record, "subject": "partner", "decision": word}
        for record, word in (decided or {}).items()
    ]
    words = [
        {"record": record, "value_hash": keyed(text_of({"arm": arm}), "partner")}
        for record, arm in (confirmed or {}).items()
    ]
    since = None if changed is None else NOW - timedelta(minutes=20)
    given = {"source": PROJECT, "target": PROJECT, **more}
    inputs = Inputs(
        roster=whole[["record", "event", "dag"]].drop_duplicates(),
        tables={},
        fingerprint=fingerprint,
        keyed=keyed,
        project="p",
        as_of=NOW,
        since=since,
        **{"held": frozenset(whole["record"]), **given},
    )
    said = [{"record": one, "occurrence": number} for one, number in (again or {}).items()]
    known = {
        ReadPartnerCalls: frame(calls, PARTNER_CALL_COLUMNS),
        ReadConfirmed: frame(words, ("record", "value_hash")),
        ReadToldAgain: frame(said, ("record", "occurrence")),
        ReadDecisions: frame(before, DECISION_COLUMNS),
        ReadChanged: frame([{"record": one} for one in changed or ()], ("record",)),
    }
    tables: dict[Any, pd.DataFrame] = {}
    while True:
        inputs = replace(inputs, tables=tables)
        missing = [each for each in job.reads(study, inputs) if each not in tables]
        if not missing:
            return inputs
        for each in missing:
            if isinstance(each, ReadRows):
                kept = whole["record"].isin(each.records) if each.records else slice(None)
                tables[each] = whole.loc[kept]
            elif isinstance(each, ReadMembers):
                wanted = [
                    m for m in members if not each.study_ids or m["study_id"] in each.study_ids
                ]
                tables[each] = frame(wanted, NAMES)
            else:
                tables[each] = known[type(each)]


def synced(*given: Any, **more: Any) -> Plan:
    """Plan ``sync-agile``."""
    return sync_agile.plan(more.get("study", STUDY), inputs_of(*given, **more), NOW)


def polled(*given: Any, **more: Any) -> Plan:
    """Plan ``poll-participants``."""
    inputs = inputs_of(*given, job=poll_participants, **more)
    return poll_participants.plan(more.get("study", STUDY), inputs, NOW)


def cells(plan: Plan) -> dict[tuple[str, str], str]:
    """Give what is written, by record and field; not the stamp."""
    rows = plan.changes[plan.changes["field"] != "ag_synced_at"]
    return {(r, f): n for r, f, n in zip(rows["record"], rows["field"], rows["new"], strict=True)}


def told(plan: Plan) -> list[tuple[str, str]]:
    """Give who is told about, and what about."""
    return [(problem.record, problem.where) for problem in plan.problems]


def made(plan: Plan) -> list[tuple[str, str, bool]]:
    """Give each call: whose, which, and whether it only takes over what stands there."""
    return [(each.record, each.call, each.adopts) for each in plan.actions]
