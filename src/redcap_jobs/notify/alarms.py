"""A mail when a job that texts or calls the partner begins to fail, once a day while that lasts, and when it is over.

Sent for production projects only: a development run reaches nobody. A mail that cannot be sent
changes nothing about the run; the next run tries again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias
from zoneinfo import ZoneInfo

from redcap_jobs.errors import ExitCode, RedcapJobsError
from redcap_jobs.notify.email import Letter, send_letter
from redcap_jobs.notify.logs import REDACT
from redcap_jobs.state.alarms import Alarm, Standing

if TYPE_CHECKING:
    import ssl

    from redcap_jobs.clock import Clock
    from redcap_jobs.notify.outcome import RunOutcome
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.credentials import Credentials

AGAIN = timedelta(hours=20)
"""A standing fault is told of again after this: once a day, whatever the minute cron starts at."""
RANK: dict[Standing, int] = {"ok": 0, "partly": 1, "failing": 2}
NOT_JUDGED = ("dry", "cancelled", "running")
RECORDS_NAMED = 50

News: TypeAlias = Literal["", "began", "worse", "better", "still", "well"]
WORDS: dict[News, str] = {
    "began": "did not end well",
    "worse": "fails now",
    "better": "works again in part",
    "still": "still does not end well",
    "well": "is well again",
}


@dataclass(frozen=True)
class Waiting:
    """What waits for a person: records of texts and of partner calls nobody knows about, of replies."""

    unknown: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


def standing(outcome: RunOutcome) -> Standing | None:
    """Say how a job stands after a run; None for a run that says nothing of that."""
    if outcome.state in NOT_JUDGED or outcome.exit_code == ExitCode.ANOTHER_RUN_ACTIVE:
        return None
    if outcome.exit_code == ExitCode.DONE:
        return "ok"
    return "partly" if outcome.state == "partial" else "failing"


def step(before: Alarm | None, now_is: Standing, now: datetime) -> tuple[Alarm, News]:
    """Say how a job stands now, and which news its people should get; '' for none.

    The alarm returned says that nobody was told yet.
    """
    before = before or Alarm("ok", now)
    since = before.since if before.state == now_is else now
    after = replace(before, state=now_is, since=since)
    if now_is == before.told:
        if now_is == "ok" or before.told_at is None:
            return after, ""
        recent = timedelta(0) <= now - before.told_at < AGAIN
        return after, "" if recent else "still"
    if now_is == "ok":
        return after, "well"
    if before.told == "ok":
        return after, "began"
    return after, "worse" if RANK[now_is] > RANK[before.told] else "better"


def after_run(
    outcome: RunOutcome,
    *,
    store: Store,
    study: Study,
    credentials: Credentials,
    project: ProjectKey,
    clock: Clock,
    whole: bool = True,
    trust: ssl.SSLContext | None = None,
) -> None:
    """Tell the study's people by mail what changed with this run, if anything did.

    ``whole`` is False for a run of single records: it says nothing of how the job stands. Never
    raises; what goes wrong is one line on stderr.
    """
    smtp, now_is = study.notify.smtp, standing(outcome)
    if not (study.notify.mail_to and smtp and whole and now_is):
        return
    if project.mode != "production":
        return
    try:
        tell(outcome, now_is, store, study, credentials, project, clock, trust)
    except Exception as error:  # noqa: BLE001 - a mail must never change how a run ends
        known = str(error) if isinstance(error, RedcapJobsError) else type(error).__name__
        run = f" [run {outcome.run_id}]" if outcome.run_id else ""
        line = f"redcap-jobs {outcome.job}: no mail could be sent: {known}{run}"
        sys.stderr.write(REDACT(" ".join(line.split())) + "\n")


def tell(
    outcome: RunOutcome,
    now_is: Standing,
    store: Store,
    study: Study,
    credentials: Credentials,
    project: ProjectKey,
    clock: Clock,
    trust: ssl.SSLContext | None,
) -> None:
    """Work out the news, mail them, and keep what was told. Raises what mailing raises."""
    from redcap_jobs.state.alarms import keep_alarm, load_alarm

    smtp = study.notify.smtp
    if smtp is None:
        return
    now, job = clock.now(), f"{outcome.job} on {project}"
    before = load_alarm(store, study.study.id, job)
    alarm, news = step(before, now_is, now)
    if alarm != before:
        keep_alarm(store, study.study.id, job, alarm)
    if not news:
        return
    refuse_mixture(study)
    letter = letter_of(outcome, news, alarm, study, project, waiting(store, study, project), now)
    send_letter(smtp, credentials, letter, now, trust)
    keep_alarm(store, study.study.id, job, replace(alarm, told=now_is, told_at=now))


def refuse_mixture(study: Study) -> None:
    """Refuse to mail people about a sandbox's participants."""
    from redcap_jobs.study.addresses import is_loopback

    smtp = study.notify.smtp
    if study.redcap.is_loopback and smtp is not None and not is_loopback(smtp.host):
        raise RedcapJobsError(
            f"REDCap is on this machine (a sandbox), but [notify.smtp] host is {smtp.host}; people "
            "would be told of made-up participants"
        )


def waiting(store: Store, study: Study, project: ProjectKey) -> Waiting:
    """Return what waits for a person in the state."""
    from redcap_jobs.state.inbound import replies_to_read
    from redcap_jobs.state.partner_calls import unknown_calls
    from redcap_jobs.state.text_lists import last_attempts

    lost = unknown_calls(store, project, study.partner.who) if study.partner else []
    calls = [entry.record for entry in lost]
    unknown = [entry.record for entry in last_attempts(store, project) if entry.state == "unknown"]
    replies = [
        " and ".join(reply.records) or "of a phone no text went to"
        for reply in replies_to_read(store, study.study.id)
    ]
    return Waiting(tuple(unknown), tuple(replies), tuple(dict.fromkeys(calls)))


def letter_of(
    outcome: RunOutcome,
    news: News,
    alarm: Alarm,
    study: Study,
    project: ProjectKey,
    waits: Waiting,
    now: datetime,
) -> Letter:
    """Write the mail: counts and record ids, what the run itself says of a failure, what to type."""
    zone = ZoneInfo(study.study.time_zone)
    problems = records_of(outcome.problems)
    lines = [
        f"{outcome.job} of study {study.study.id} {WORDS[news]}.",
        "",
        f"When: {now.astimezone(zone):%Y-%m-%d %H:%M} ({study.study.time_zone})",
        f"Project: {project.words}",
    ]
    if alarm.state != "ok":
        lines.append(f"Since: {alarm.since.astimezone(zone):%Y-%m-%d %H:%M}")
    if alarm.state == "failing":
        lines.append(f"Why: {' '.join(outcome.message.split())}")
    counts = {name: number for name, number in outcome.counts.items() if number}
    lines += [f"{name.replace('_', ' ')}: {number}" for name, number in sorted(counts.items())]
    lines += named("Records with problems", problems)
    lines += named("Texts nobody knows about", waits.unknown)
    lines += named("Replies to read", waits.replies)
    lines += named("Calls to the partner nobody knows about", waits.calls)
    lines += [
        "",
        f"Everything about this run: redcap-jobs runs {outcome.run_id}"
        if outcome.run_id
        else "It failed before a run began, so that redcap-jobs runs holds none of it.",
        "Texts that wait for somebody: redcap-jobs messages STUDY",
    ]
    if study.partner is not None:
        lines.append("The same of the partner: redcap-jobs partner STUDY")
    subject = f"[{study.study.id}] {outcome.job} {WORDS[news]}"
    body = "\n".join(lines) + "\n"
    return Letter(
        study.notify.mail_to, subject, outcome.typed.complete(body) if outcome.typed else body
    )


def records_of(problems: Sequence[str]) -> tuple[str, ...]:
    """Return the record ids out of a run's problems; '-' stands for none."""
    ids = [
        each.removeprefix("record ").partition(": ")[0]
        for each in problems
        if each.startswith("record ")
    ]
    return tuple(dict.fromkeys(record for record in ids if record != "-"))


def named(title: str, records: Sequence[str]) -> list[str]:
    """Give a line that counts and names records, none where there are none."""
    if not records:
        return []
    first = ", ".join(records[:RECORDS_NAMED])
    more = len(records) - RECORDS_NAMED
    return [f"{title}: {len(records)} ({first}{f' and {more} more' if more > 0 else ''})"]
