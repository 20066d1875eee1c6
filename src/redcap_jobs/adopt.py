"""``state adopt``: a journal that was lost is made again from REDCap's own message log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from redcap_jobs.errors import Finding, StudyFileError
from redcap_jobs.plan import ReadRows

if TYPE_CHECKING:
    from redcap_jobs.messaging.delivery import TwilioMessage
    from redcap_jobs.messaging.logged_texts import LoggedText, LoggedTexts
    from redcap_jobs.messaging.twilio import TwilioClient
    from redcap_jobs.open_study import OpenStudy
    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.state.fingerprint import Fingerprinter
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.study.texts_config import MessageLog, Sender

JOB = "state adopt"


@dataclass(frozen=True)
class Adopted:
    """What was taken over (or would be), and what the log holds besides."""

    texts: tuple[LoggedText, ...]
    known: int
    elsewhere: int
    unreadable: tuple[tuple[str, str], ...]

    @property
    def unknown(self) -> int:
        """How many of the texts nobody knows about: they are for a person to settle."""
        return sum(text.state == "unknown" for text in self.texts)


def adopt(opened: OpenStudy, token: str, client: RedcapClient, *, dry: bool) -> Adopted:
    """Read the message log of the project behind ``token``, and enter what the journal lacks.

    The state's fingerprint key is checked first: a state under another key recognises no phone.

    Raises:
        StudyFileError: The study file names no ``[sender]`` or no ``[message_log]``.
        GuardRefused: The token opens another project than the study file declares.

    Raises also what the clients and the state raise. Unless it is dry, Twilio is asked for the
    phones of the texts, which are kept as hashes, and for every reply since the first of them.

    """
    from redcap_jobs.messaging.twilio import Account, TwilioClient
    from redcap_jobs.recorded import recorded
    from redcap_jobs.state.adoption import adopt_texts, lacking
    from redcap_jobs.state.fingerprint import KEY_VARIABLE, Fingerprinter, check_key

    project = opened.project(token)
    sender, log = required(opened)
    key = Fingerprinter(opened.credentials.get(KEY_VARIABLE))
    check_key(opened.store, key)
    twilio = TwilioClient(Account.of(sender, opened.credentials), sender.url, key.one)
    found = read_log(opened, token, client, log, project)
    if dry:
        texts = lacking(opened.store, project, found.texts)
    else:
        listed = listed_texts(twilio, found.texts)
        with recorded(opened, token, JOB) as run:
            texts = adopt_texts(
                opened.store,
                project,
                found.texts,
                listed,
                sender=twilio.sender_hash,
                job=JOB,
                run_id=run.id,
            )
            run.counts = {"texts_adopted": len(texts)}
            times = [text.at for text in found.texts if text.at is not None]
            if times:
                read_all_replies(opened, project, twilio, key, min(times))
    known = len(found.texts) - len(texts)
    return Adopted(tuple(texts), known, found.elsewhere, found.unreadable)


def read_all_replies(
    opened: OpenStudy,
    project: ProjectKey,
    twilio: TwilioClient,
    key: Fingerprinter,
    first: datetime,
) -> None:
    """Read every reply since the first text: who asked for no more is not known here otherwise.

    A run may have read the newest ones since the state was lost, and would read no older ones.
    """
    from redcap_jobs.messaging.watch import Seen, Watch

    store = opened.store
    watch = Watch(store, opened.id, project, twilio, key.one, store.clock)
    watch.read_replies(Seen(), first)


def listed_texts(twilio: TwilioClient, texts: Sequence[LoggedText]) -> dict[str, TwilioMessage]:
    """List the sender's messages since the oldest of the texts, by SID."""
    times = [text.at for text in texts if text.sid and text.at is not None]
    if not times:
        return {}
    since = min(times).astimezone(UTC).date() - timedelta(days=1)
    return {message.sid: message for message in twilio.outbound(since)}


def required(opened: OpenStudy) -> tuple[Sender, MessageLog]:
    """Return what the study file must name; raise StudyFileError for what it does not."""
    study = opened.study
    findings = [
        Finding(f"{study.path}: [{name}]", "is missing, so there is no log to read", "add it")
        for name, table in (("sender", study.sender), ("message_log", study.message_log))
        if table is None
    ]
    if study.sender is None or study.message_log is None:
        raise StudyFileError(findings)
    return study.sender, study.message_log


def read_log(
    opened: OpenStudy, token: str, client: RedcapClient, log: MessageLog, project: ProjectKey
) -> LoggedTexts:
    """Read REDCap's message log, once the server has said which project the token opens."""
    from redcap_jobs.messaging.log_rows import log_events
    from redcap_jobs.messaging.logged_texts import log_fields, logged_texts
    from redcap_jobs.reading import export, open_side
    from redcap_jobs.study.uses import ABOUT_TEXTS

    side = open_side(opened.study, token, client, target=True, writes=False, about=ABOUT_TEXTS)
    read = ReadRows("target", log_fields(log), log_events(log, side.project))
    rows = export(side, [read], ())
    return logged_texts(rows, log, str(project), opened.study.study.time_zone)
