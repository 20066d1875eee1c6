"""A mail leaves encrypted or not at all, and holds nothing private."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from tests.notify.mail_server import certificate, free_port, mail_server

from redcap_jobs.errors import CredentialsError
from redcap_jobs.notify.email import Letter, MailNotSent, message_of, send_letter
from redcap_jobs.study.credentials import Credentials
from redcap_jobs.study.texts_config import Smtp

AT = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
LETTER = Letter(("ann@example.org", "ben@example.org"), "[small] failed", "record 1001\n")
PASSWORD = Credentials(in_environment={"SMTP_USER": "small", "SMTP_PASSWORD": "correct horse"})
WRONG = Credentials(in_environment={"SMTP_USER": "small", "SMTP_PASSWORD": "wrong horse"})


def smtp(port: int, *, login: bool = False) -> Smtp:
    named = {"user": "SMTP_USER", "password": "SMTP_PASSWORD"} if login else {}
    return Smtp(host="localhost", port=port, sender="jobs@example.org", **named)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return certificate(tmp_path_factory.mktemp("certificate"))


def test_starttls_comes_before_the_login(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """The server takes password and mail over the encrypted connection only."""
    server, trust = contexts
    with mail_server(server) as mails:
        send_letter(smtp(mails.port, login=True), PASSWORD, LETTER, AT, trust)
    assert (mails.encrypted, mails.users) == ([True], [b"small"])
    assert mails.taken[0]["To"] == "ann@example.org, ben@example.org"
    assert parsedate_to_datetime(mails.taken[0]["Date"]) == AT
    assert mails.taken[0].get_content().split() == ["record", "1001"]


def test_a_certificate_that_nobody_vouches_for_gets_no_password(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """The connection ends before the login."""
    with mail_server(contexts[0]) as mails, pytest.raises(MailNotSent, match="SSL"):
        send_letter(
            smtp(mails.port, login=True), PASSWORD, LETTER, AT, ssl.create_default_context()
        )
    assert (mails.taken, mails.users) == ([], [])


def test_a_server_without_starttls_gets_nothing(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Where encryption is wanted and not offered, nothing is said in the clear."""
    with mail_server() as mails, pytest.raises(MailNotSent, match="NotSupported"):
        send_letter(smtp(mails.port), PASSWORD, LETTER, AT, contexts[1])
    assert mails.taken == []


def test_a_server_on_this_machine_needs_no_encryption() -> None:
    """What never leaves the machine can be read by nobody else."""
    with mail_server() as mails:
        send_letter(smtp(mails.port), Credentials(), LETTER, AT)
    assert mails.encrypted == [False]


def test_what_goes_wrong_is_told_without_addresses(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Nobody listens, the mail is refused, the password is wrong, a variable is not set."""
    with pytest.raises(MailNotSent, match="localhost took no mail"):
        send_letter(smtp(free_port()), Credentials(), LETTER, AT)
    with mail_server() as mails:
        mails.answer = "554 ann@example.org is not liked"
        with pytest.raises(MailNotSent, match="554") as refused:
            send_letter(smtp(mails.port), Credentials(), LETTER, AT)
        assert "example.org" not in str(refused.value)
    with mail_server(contexts[0]) as mails, pytest.raises(MailNotSent, match="535"):
        send_letter(smtp(mails.port, login=True), WRONG, LETTER, AT, contexts[1])
    with pytest.raises(CredentialsError, match="SMTP_USER"):
        send_letter(smtp(mails.port, login=True), Credentials(), LETTER, AT)


def test_private_things_are_taken_out_of_subject_and_body() -> None:
    """Whatever slips into a mail is redacted as a log line is; a subject stays one line."""
    body = "call +12025550123 or parent.one@example.org, token 0123456789ABCDEF0123456789ABCDEF"
    message = message_of(
        "jobs@example.org", Letter(("a@example.org",), f"x\r\nBcc: {body}", body), AT
    )
    for text in (message["Subject"], message.get_content()):
        assert "2025550123" not in text
        assert "parent.one" not in text
        assert "0123456789ABCDEF" not in text
    assert message["Bcc"] is None
