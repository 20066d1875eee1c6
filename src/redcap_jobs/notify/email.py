"""One mail through the study's server: STARTTLS, or a server on this machine.

A mail holds counts and record ids; whatever else slips into one is redacted as a log line is.
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING

from redcap_jobs.errors import RedcapJobsError
from redcap_jobs.notify.logs import REDACT

if TYPE_CHECKING:
    from datetime import datetime

    from redcap_jobs.study.credentials import Credentials
    from redcap_jobs.study.texts_config import Smtp

TIMEOUT_SECONDS = 30.0
PRIVATE_IN_SUBJECT = str.maketrans({"\r": " ", "\n": " "})


class MailNotSent(RedcapJobsError):
    """The mail server did not take a mail; the message says why, never to whom."""


@dataclass(frozen=True)
class Letter:
    """One mail: to whom, and what it says."""

    to: tuple[str, ...]
    subject: str
    body: str


def send_letter(
    smtp: Smtp,
    credentials: Credentials,
    letter: Letter,
    at: datetime,
    trust: ssl.SSLContext | None = None,
) -> None:
    """Hand one mail to the study's server; ``at`` is the aware instant it is dated with.

    Anywhere but on this machine the connection is encrypted before anything is said, and the
    server's certificate is checked (by ``trust``, or by the certificates this machine trusts).

    Raises:
        MailNotSent: The server cannot be reached, offers no STARTTLS, or refuses.
        CredentialsError: A variable that ``[notify.smtp]`` names is not set.

    """
    from redcap_jobs.study.addresses import is_loopback

    user = credentials.require(smtp.user) if smtp.user else ""
    password = credentials.require(smtp.password) if smtp.password else ""
    REDACT.learn([password])  # its variable may be called anything
    try:
        with smtplib.SMTP(smtp.host, smtp.port, timeout=TIMEOUT_SECONDS) as server:
            if trust is not None or not is_loopback(smtp.host):
                server.starttls(context=trust or ssl.create_default_context())
            if user:
                server.login(user, password)
            server.send_message(message_of(smtp.sender, letter, at))
    except (OSError, smtplib.SMTPException) as error:
        code = getattr(error, "smtp_code", "")
        raise MailNotSent(
            f"{smtp.host} took no mail ({type(error).__name__}{f' {code}' if code else ''}); check "
            "[notify.smtp] in the study file"
        ) from None  # the error's own text quotes addresses and the server's answer


def message_of(sender: str, letter: Letter, at: datetime) -> EmailMessage:
    """Build the message; subject and body are redacted."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(letter.to)
    message["Subject"] = REDACT(letter.subject.translate(PRIVATE_IN_SUBJECT))
    message["Date"] = formatdate(at.timestamp(), usegmt=True)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("<> ") or "localhost")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(REDACT(letter.body))
    return message
