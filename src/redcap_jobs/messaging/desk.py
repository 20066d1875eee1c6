"""Everything a run needs of the sender, put together once: client, watch, throttle, courier.

Also the place where it is decided whom a run may reach: participants only where the production
project is written; else the study file's development recipients, or nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redcap_jobs.errors import CredentialsError, Finding, GuardRefused, StudyFileError
from redcap_jobs.messaging.phone import BadPhone, e164

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.messaging.courier import TextCourier
    from redcap_jobs.messaging.watch import Watch
    from redcap_jobs.plan import Reaches
    from redcap_jobs.state.fingerprint import Fingerprinter
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.credentials import Credentials
    from redcap_jobs.study.texts_config import Messages, Sender


@dataclass(frozen=True)
class TextDesk:
    """What one run texts with."""

    watch: Watch
    courier: TextCourier


@dataclass(frozen=True)
class Reach:
    """Whom a run's texts may reach; ``phones`` are those of a development run, in E.164."""

    reaches: Reaches
    phones: tuple[str, ...] = field(default=(), repr=False)


def reach_of(study: Study, credentials: Credentials, project: ProjectKey) -> Reach:
    """Say whom the texts of a run on a project may reach.

    Raises:
        StudyFileError: ``[sender]``, ``[messages]`` or ``[[surveys]]`` is missing.
        CredentialsError: A phone that ``[development]`` names is not set, or is none.
        GuardRefused: REDCap and the sender do not go together.

    """
    sender, _ = required(study)
    reaches: Reaches = "participants" if project.mode == "production" else "development"
    refuse_mixture(study, sender, reaches)
    if reaches == "participants":
        return Reach(reaches)
    return Reach(reaches, development_phones(study, credentials))


def required(study: Study) -> tuple[Sender, Messages]:
    """Return what a job that texts cannot do without.

    Raises:
        StudyFileError: The study file lacks one of them.

    """
    lacking = [
        Finding(f"{study.path}: [{name}]", "is missing, and this job sends texts", "add it")
        for name, table in (("sender", study.sender), ("messages", study.messages))
        if table is None
    ]
    if not study.surveys:
        lacking.append(Finding(f"{study.path}: surveys", "there are none", "add [[surveys]]"))
    if study.sender is None or study.messages is None or lacking:
        raise StudyFileError(lacking)
    return study.sender, study.messages


def refuse_mixture(study: Study, sender: Sender, reaches: Reaches) -> None:
    """Refuse a sandbox's participants texted for real, and real ones marked by a sandbox.

    Raises:
        GuardRefused: REDCap is on this machine and the sender is not; or the other way round.

    """
    if study.redcap.is_loopback and not sender.is_loopback:
        raise GuardRefused(
            "sender",
            f"REDCap is on this machine (a sandbox), but [sender] url is {sender.url}: made-up "
            "participants would be texted for real. Name the sandbox's address there",
        )
    if reaches == "participants" and sender.is_loopback and not study.redcap.is_loopback:
        raise GuardRefused(
            "sender",
            f"[sender] url is {sender.url}, a sandbox: participants would count as texted and "
            "never be. Remove the key from the study file",
        )


def development_phones(study: Study, credentials: Credentials) -> tuple[str, ...]:
    """Return the phones a development run may reach, in E.164.

    Raises:
        CredentialsError: A variable is not set, or holds no phone.

    """
    found = []
    for name in study.development.recipients:
        phone = e164(credentials.require(name), study.study.region)
        if isinstance(phone, BadPhone):
            raise CredentialsError(f"{name} {phone.reason}; [development] recipients names it")
        found.append(phone.e164)
    return tuple(found)


def open_desk(
    study: Study,
    credentials: Credentials,
    store: Store,
    project: ProjectKey,
    run_id: str,
    job: str,
    keyed: Fingerprinter,
    clock: Clock,
    reach: Reach,
) -> TextDesk:
    """Put the desk together; nothing is asked of Twilio yet.

    Raises:
        StudyFileError: ``[sender]``, ``[messages]`` or ``[[surveys]]`` is missing.
        CredentialsError: A variable that ``[sender]`` names is not set.

    """
    from redcap_jobs.messaging.courier import TextCourier
    from redcap_jobs.messaging.twilio import Account, TwilioClient
    from redcap_jobs.messaging.watch import Watch
    from redcap_jobs.state.throttle import Throttle

    sender, messages = required(study)
    account = Account.of(sender, credentials)
    client = TwilioClient(account, sender.url, keyed.one, clock)
    watch = Watch(store, study.study.id, project, client, keyed.one, clock)
    throttle = Throttle(
        store,
        client.sender_hash,
        run_id,
        seconds_between=messages.seconds_between,
        loopback=sender.is_loopback,
    )
    courier = TextCourier(
        study=study,
        messages=messages,
        project=project,
        job=job,
        store=store,
        client=client,
        throttle=throttle,
        watch=watch,
        keyed=keyed.one,
        clock=clock,
        only_to=None if reach.reaches == "participants" else frozenset(reach.phones),
    )
    return TextDesk(watch, courier)
