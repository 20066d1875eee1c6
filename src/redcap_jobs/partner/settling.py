"""What became of calls whose answers were lost: looked up once they can take effect no more.

As with FHIR's conditional create: no member of that study id, and the enrolment may be repeated;
just one, and that is it; several, and a person must decide. A change of a member says how things
are, so that repeating it does no harm.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from redcap_jobs.jobs.partner_history import LOOKED_UP
from redcap_jobs.plan import Problem
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_evidence import found, not_done
from redcap_jobs.state.partner_calls import unknown_calls

if TYPE_CHECKING:
    from redcap_jobs.partner.agile import PartnerClient
    from redcap_jobs.state.journal_entry import Entry
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store


def settle_unknown(
    store: Store,
    project: ProjectKey,
    partner: str,
    client: PartnerClient | None,
    wait: timedelta,
    run_id: str,
) -> list[Problem]:
    """Settle what can be settled of the calls to one partner; return what a person must.

    ``wait``: so long after it was made a call may still take effect. Raises what the client raises.
    """
    Journal(store, run_id).recover()
    problems: list[Problem] = []
    now = store.clock.now()
    for entry in unknown_calls(store, project, partner):
        if now - entry.last_sign < wait:
            continue
        if entry.message != "enrol":
            not_done(store, entry.key, entry.attempt, LOOKED_UP, "says how things are: repeated")
        elif client is not None:
            problems += settle_enrolment(store, entry, client)
    return problems


def settle_enrolment(store: Store, entry: Entry, client: PartnerClient) -> list[Problem]:
    """Look one participant up by the study's id."""
    members = client.members_of(entry.record)
    if len(members) > 1:
        what = f"an enrolment's answer was lost, and the partner has {len(members)} members of it"
        hint = "have the partner remove all but one; the next run finds it"
        return [Problem(entry.record, "enrolment", what, hint)]
    if members:
        member = str(members[0][client.adapter.member_id])
        status = str(members[0].get(client.adapter.status) or "")
        found(store, entry.key, entry.attempt, member, status)
    else:
        not_done(store, entry.key, entry.attempt, LOOKED_UP, "the partner has no such member")
    return []
