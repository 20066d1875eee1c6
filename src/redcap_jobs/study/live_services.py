"""A study file against the services it names: Twilio and the partner are asked who may call them.

Only questions are asked; nothing is sent, and nobody is enrolled. What hinders a run from this
machine alone is a warning that says what it would end with: who checks a study file may not be who
holds the credentials of its texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from redcap_jobs.errors import CredentialsError, GuardRefused, RedcapJobsError
from redcap_jobs.study.check import CheckFinding
from redcap_jobs.study.key_lines import key_lines, place

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.credentials import Credentials
    from redcap_jobs.study.flaws import KeyPath

SENDER, PARTNER = ("sender",), ("partner",)


def check_services(
    study: Study, token: str, credentials: Credentials, clock: Clock
) -> Iterator[CheckFinding]:
    """Yield what hinders the jobs for one of the declared tokens to text or to call the partner.

    Errors are what a service itself refused, warnings what could not be asked.
    """
    from redcap_jobs.state.scope import ProjectKey

    identity = study.redcap.projects[token]
    if identity.role == "source":
        return
    project = ProjectKey(study.redcap.url, identity.project_id, identity.mode)
    if study.sender is not None and study.messages is not None and study.surveys:
        yield from check_sender(study, credentials, project)
    if study.partner is not None:
        yield from check_partner_access(study, credentials, project, clock)


def check_sender(
    study: Study, credentials: Credentials, project: ProjectKey
) -> Iterator[CheckFinding]:
    """Ask Twilio whether the account is active and the sender its own."""
    from redcap_jobs.messaging.desk import reach_of, required
    from redcap_jobs.messaging.twilio import Account, TwilioClient
    from redcap_jobs.messaging.twilio_answers import TwilioUnreachable

    sender, _ = required(study)
    try:
        reach_of(study, credentials, project)
        account = Account.of(sender, credentials)
    except (CredentialsError, GuardRefused) as error:
        yield not_possible(study, SENDER, "Twilio", error)
        return
    try:
        TwilioClient(account, sender.url, lambda text, kind: "").verify()  # noqa: ARG005 - nothing is kept
    except (CredentialsError, GuardRefused) as error:
        yield refused(study, SENDER, error)
    except TwilioUnreachable as error:
        yield not_asked(study, SENDER, "Twilio", error)


def check_partner_access(
    study: Study, credentials: Credentials, project: ProjectKey, clock: Clock
) -> Iterator[CheckFinding]:
    """Ask the partner for the first page of its members; development's in a development project."""
    from redcap_jobs.partner.agile import PartnerUnreachable
    from redcap_jobs.partner.desk import client_of

    try:
        client = client_of(study, credentials, project, clock)
    except (CredentialsError, GuardRefused) as error:
        yield not_possible(study, PARTNER, "the partner", error)
        return
    if client is None:
        what = "runs on this project reach no partner: there is no [partner.development]"
        yield replace(finding_at(study, PARTNER, what), severity="warning")
        return
    try:
        client.verify()
    except CredentialsError as error:
        yield refused(study, PARTNER, error)
    except PartnerUnreachable as error:
        yield not_asked(study, PARTNER, "the partner", error)
    finally:
        client.close()


def finding_at(study: Study, path: KeyPath, what: str) -> CheckFinding:
    """Say something of the table that names a service."""
    return CheckFinding(place(study.path, path, key_lines(study.text)), what)


def refused(study: Study, path: KeyPath, why: Exception) -> CheckFinding:
    """Say what a service answered."""
    return finding_at(study, path, str(why))


def not_possible(study: Study, path: KeyPath, whom: str, why: RedcapJobsError) -> CheckFinding:
    """Say that a run which needs a service ends at once here: a variable lacks, a guard refuses."""
    code = int(why.exit_code)
    what = f"{why}: {whom} was not asked, and a run that needs it ends with exit code {code}"
    return replace(finding_at(study, path, what), severity="warning")


def not_asked(study: Study, path: KeyPath, whom: str, why: Exception) -> CheckFinding:
    """Say that a service was not asked whether it knows the credentials, and why."""
    what = f"{whom} was not asked whether it knows the credentials: {why}"
    return replace(finding_at(study, path, what), severity="warning")
