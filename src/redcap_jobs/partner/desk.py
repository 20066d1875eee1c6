"""Everything a run needs of the partner, put together once: who may be reached, client, courier.

A development run calls the study file's development address only, a sandbox's REDCap a sandbox's
partner only, so that a made-up participant is never enrolled anywhere real.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pandas as pd

from redcap_jobs.errors import Finding, GuardRefused, StudyFileError
from redcap_jobs.plan import MEMBER_COLUMNS, Problem, ReadMembers
from redcap_jobs.state.partner_calls import has_members

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.partner.adapter import Adapter
    from redcap_jobs.partner.agile import PartnerClient
    from redcap_jobs.partner.courier import PartnerCourier
    from redcap_jobs.state.fingerprint import Fingerprinter
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.credentials import Credentials
    from redcap_jobs.study.partner_config import Partner, PartnerAccess

FEW = 20
"""So many members are looked up one by one; of more the whole list is cheaper."""


@dataclass(frozen=True)
class PartnerDesk:
    """What one run exchanges members with; ``client`` is None where nobody may be reached."""

    partner: Partner
    project: ProjectKey
    store: Store
    client: PartnerClient | None
    courier: PartnerCourier
    run_id: str

    def members(self, read: ReadMembers) -> pd.DataFrame:
        """Ask the partner; a members frame (MEMBER_COLUMNS and the table's fields)."""
        if self.client is None:
            return members_frame([], self.partner, None)
        if read.study_ids and len(read.study_ids) <= FEW:
            found = [each for one in read.study_ids for each in self.client.members_of(one)]
        else:
            found = self.client.all_members()
            if not found and has_members(self.store, self.project, self.partner.who):
                raise self.client.unreachable("its list of members is suddenly empty")
        frame = members_frame(found, self.partner, self.client.adapter)
        if read.study_ids:
            frame = frame[frame["study_id"].isin(read.study_ids)].reset_index(drop=True)
        return frame

    def settle(self) -> list[Problem]:
        """Look up what became of calls whose answers were lost, once they can take effect no more.

        Told are those that a person must settle.
        """
        from redcap_jobs.partner.settling import settle_unknown

        wait = timedelta(minutes=self.partner.settle_minutes)
        return settle_unknown(
            self.store, self.project, self.partner.who, self.client, wait, self.run_id
        )


def required(study: Study) -> Partner:
    """Return ``[partner]``. Raises StudyFileError where the study file has none."""
    if study.partner is None:
        where = f"{study.path}: [partner]"
        what = "is missing, and this job exchanges members with a partner"
        raise StudyFileError([Finding(where, what, "add it")])
    return study.partner


def access_of(study: Study, project: ProjectKey) -> PartnerAccess | None:
    """Say which address of the partner's a run on a project may call; None for none.

    Raises:
        StudyFileError: There is no ``[partner]``.
        GuardRefused: REDCap and the partner do not go together.

    """
    partner = required(study)
    access = partner if project.mode == "production" else partner.development
    if access is None:
        return None
    if study.redcap.is_loopback and not access.is_loopback:
        raise GuardRefused(
            "partner",
            f"REDCap is on this machine (a sandbox), but the partner is at {access.url}: made-up "
            "participants would be enrolled for real. Name the sandbox's address there",
        )
    if project.mode == "production" and access.is_loopback and not study.redcap.is_loopback:
        raise GuardRefused(
            "partner",
            f"[partner] url is {access.url}, a sandbox: participants would count as enrolled and "
            "never be. Name the partner's own address",
        )
    return access


def open_desk(
    study: Study,
    credentials: Credentials,
    store: Store,
    project: ProjectKey,
    run_id: str,
    job: str,
    keyed: Fingerprinter,
    clock: Clock,
) -> PartnerDesk:
    """Put the desk together; nothing is asked of the partner yet.

    Raises:
        StudyFileError: There is no ``[partner]``.
        CredentialsError: A variable that it names is not set.
        GuardRefused: REDCap and the partner do not go together, or what is said to be for
            development opens production's members.

    """
    from redcap_jobs.partner.courier import PartnerCourier

    partner, client = required(study), client_of(study, credentials, project, clock)
    courier = PartnerCourier(partner, project, job, run_id, store, client, keyed.one)
    return PartnerDesk(partner, project, store, client, courier, run_id)


def client_of(
    study: Study, credentials: Credentials, project: ProjectKey, clock: Clock
) -> PartnerClient | None:
    """Return who asks the partner in a run on a project; None where nobody may be reached.

    Raises what :func:`open_desk` raises.
    """
    from redcap_jobs.partner.adapter import ADAPTERS
    from redcap_jobs.partner.agile import Access, PartnerClient
    from redcap_jobs.redcap.budget import RequestBudget
    from redcap_jobs.state.address import state_home

    partner, access = required(study), access_of(study, project)
    if access is None:
        return None
    budget = RequestBudget(
        state_home() / "requests",
        access.url,
        per_minute=partner.requests_per_minute,
        clock=clock,
        service="partner",
    )
    signed = Access.of(access, credentials)
    if project.mode != "production":
        refuse_production_credentials(partner, access, credentials)
    return PartnerClient(signed, ADAPTERS[partner.adapter], clock=clock, budget=budget)


def place_of(url: str) -> tuple[str | None, int]:
    """Return the host and port that an address means, however it is written."""
    parts = urlsplit(url)
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def refuse_production_credentials(
    partner: Partner, access: PartnerAccess, credentials: Credentials
) -> None:
    """Refuse a development run what opens the members of production, whatever it is called.

    Only the values can tell: a ``.env`` may give two names one value. Raises GuardRefused.
    """
    if place_of(access.url) != place_of(partner.url):
        return
    for given, real in ((access.token, partner.token), (access.password, partner.password)):
        if given and real and credentials.get(given) == credentials.get(real):
            raise GuardRefused(
                "partner",
                f"{given} holds the same as {real}, at the same host: a development run would "
                "enrol for real. Set it to what the partner gave you for testing",
            )


def members_frame(
    found: Sequence[Mapping[str, Any]], partner: Partner, adapter: Adapter | None
) -> pd.DataFrame:
    """Give members as a frame: MEMBER_COLUMNS, and each field of the table by the partner's name."""
    from redcap_jobs.partner.translate import member_row

    own = [each.partner for each in partner.fields]
    columns = [*MEMBER_COLUMNS, *(name for name in own if name not in MEMBER_COLUMNS)]
    if adapter is None:
        return pd.DataFrame(columns=columns, dtype="str")
    names = {name: name for name in own}
    names |= {
        "member": adapter.member_id,
        "study_id": adapter.study_id,
        "status": adapter.status,
    }
    rows = [member_row(each, names) for each in found]
    return pd.DataFrame(rows, columns=columns, dtype="str")
