"""No artefact of texting holds a token, phone, name, address, link, text or reply."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from private_things import files_in, found_in, notations, private_things
from rich.console import Console
from study_home import PROD
from test_mail import NOTIFY
from tests.notify.mail_server import Mails, mail_server
from texting import ACCOUNT, Texting, texting
from typed import typed

from redcap_jobs.notify.logs import RedactingFormatter
from redcap_jobs.request import RunRequest, Terminal
from redcap_jobs.run import run_job

OURS = ACCOUNT.numbers[0]
UNCLEAR = "please ring Quixotina about Xylographie"
FAULTS = ("twilio-5xx-after", "twilio-cut-json", "html-200", "cut-json")


@pytest.fixture
def mails() -> Iterator[Mails]:
    with mail_server() as served:
        yield served


@pytest.fixture
def study(tmp_path: Path, mails: Mails) -> Iterator[Texting]:
    with texting(tmp_path, participants=90, seed=5) as made:
        made.home.edit_study("[message_log]\n", NOTIFY.replace("PORT", str(mails.port)))
        yield made


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Give what is logged by anything at the lowest level, through this project's formatter."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(RedactingFormatter("%(name)s %(message)s"))
    root = logging.getLogger()
    old = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(old)


@pytest.fixture
def own_log() -> Iterator[StringIO]:
    """Give what this project itself logs, as it is before anything is redacted."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    own = logging.getLogger("redcap_jobs")
    old = own.level
    own.addHandler(handler)
    own.setLevel(logging.DEBUG)
    try:
        yield written
    finally:
        own.removeHandler(handler)
        own.setLevel(old)


@pytest.fixture
def set_umask() -> Iterator[Callable[[int], int]]:
    """Give a way to set this process's umask for one test."""
    old = os.umask(0o022)
    os.umask(old)
    try:
        yield os.umask
    finally:
        os.umask(old)


def run_and_show(study: Texting, job: str) -> str:
    """Run a job at its most talkative, with nobody looking on; return what it showed."""
    shown = StringIO()
    request = RunRequest(
        job, study.home.study, PROD, PROD, study.home.env_file, yes=True, verbose=True
    )
    console = Console(file=shown, width=200)
    run_job(request, Terminal(False, False, console, lambda question: True), study.clock)
    study.clock.pass_by(timedelta(minutes=15))
    return shown.getvalue()


def a_bad_week(study: Texting) -> str:
    """Text through refusals that quote phones, lost answers, pages of HTML and replies."""
    project = study.home.sandbox.project(3041).store.current.records
    phones = sorted(
        "+1" + "".join(filter(str.isdigit, row["part_mobile_number"]))
        for record in project.values()
        for row in record.rows.values()
        if len("".join(filter(str.isdigit, row.get("part_mobile_number", "")))) == 10
    )
    fates = ("landline", "invalid", "unreachable", "filtered", "unknown-error")
    for number, phone in enumerate(phones[::3]):
        study.home.sandbox.twilio.set_fate(phone, fates[number % len(fates)])
    shown = [run_and_show(study, "send-surveys")]
    assert len(study.accepted) > 1
    texted = sorted({text.to for text in study.accepted})
    for phone, reply in zip(texted, (UNCLEAR, "ALTO"), strict=False):
        study.home.sandbox.twilio.receive(phone, OURS, reply)
    for fault in FAULTS:
        study.home.sandbox.fault(fault, times=1)
        study.clock.pass_by(timedelta(hours=24))
        shown.append(run_and_show(study, "send-surveys"))
        study.home.sandbox.no_faults()
    study.home.sandbox.twilio.set_status("suspended")
    shown.append(run_and_show(study, "poll-messages"))
    return "".join(shown)


def commands(study: Texting) -> dict[str, str]:
    """Type every command that tells of texts, its output into a file; return what each said."""
    file = study.home.study
    records = sorted({row["record"] for row in study.log_rows()})
    asked: list[tuple[str | Path, ...]] = [
        ("messages", file),
        ("messages", "list", file, "--output", "csv"),
        ("messages", "list", file, "--since", "2026-11-01"),
        ("due", file, "--days", "30", "--verbose"),
        ("due", file, "--output", "csv"),
        ("check", file, "--token", PROD),
        ("runs",),
        ("state", "info"),
        ("state", "backup", study.home.folder / "backup.db"),
        *(("why", file, record) for record in records[:3]),
    ]
    told = {}
    for words in asked:
        done = typed(study, *words)
        assert done.out or words[1] == "backup", (words, done.err)
        told[" ".join(map(str, words))] = done.out + done.err
    return told


def test_no_artefact_holds_a_private_thing(
    study: Texting,
    mails: Mails,
    log: StringIO,
    own_log: StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Files, logs, plans as shown, mails, what commands say: after a week of faults, too."""
    shown = a_bad_week(study)
    told = commands(study)
    caught = capfd.readouterr()
    files = files_in(study.home.folder, but=(study.home.env_file, study.home.study))
    assert {"state.db", "backup.db"} <= set(files)
    assert len(mails.taken) >= 2
    private = private_things(study, (UNCLEAR,)) | notations(OURS.removeprefix("+1"))
    assert len(private) > 1000
    said = {
        "log": log.getvalue(),
        "own log before it is redacted": own_log.getvalue(),
        "plans as shown": shown,
        "stderr": caught.err,
        "mails": "".join(mail.as_string() for mail in mails.taken),
    }
    assert all(said.values()), [name for name, text in said.items() if not text]
    names = {"names of files": "\n".join(files)}
    assert found_in({**said, **names, **files, **told}, private) == []


def test_the_search_finds_what_it_looks_for(study: Texting) -> None:
    """Each form of a thing is found where it stands; a search that cannot fail shows nothing."""
    study.run()
    private = private_things(study, (UNCLEAR,))
    text = study.accepted[0]
    digits = text.to.removeprefix("+1")
    body = study.home.sandbox.twilio.messages()[0].body
    planted = (*notations(digits), body, UNCLEAR, "Quixotina", "0f" * 20)
    for each in planted:
        assert found_in({"a line": f"to={each}&x=1"}, private), each


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_no_file_can_be_read_by_others_whatever_the_umask(
    study: Texting, umask: int, set_umask: Callable[[int], int]
) -> None:
    """State, what SQLite keeps beside it, locks, request counts and backup: 0600."""
    set_umask(umask)
    study.run()
    typed(study, "state", "backup", study.home.folder / "backup.db")
    files = {path for path in study.home.folder.rglob("*") if path.is_file()} - {study.home.study}
    assert {"state.db", "backup.db"} <= {path.name for path in files}
    open_to_others = {str(path) for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077}
    assert open_to_others == set()


def test_what_was_typed_in_the_wrong_place_is_not_repeated(study: Texting) -> None:
    """Usage errors quote the command line; cron mails them, and terminals are recorded."""
    token, phone = study.home.sandbox.tokens[PROD], "+12025550123"
    for words in (
        (token,),
        ("due", study.home.study, "--days", token),
        ("send-surveys", "--study", study.home.study, "--as-of", phone),
        ("send-surveys", "--study", token),
        ("messages", "stop", study.home.study, phone, "--reason", "asked"),
        ("messages", "settle", study.home.study, "1", "--not-sent", token),
        ("why", study.home.study, phone),
        ("runs", token),
    ):
        done = typed(study, *words)
        assert done.code != 0 or words[0] == "why", words
        assert done.err, words
        assert found_in({"said": done.out + done.err}, {token, phone, phone[1:]}) == []
