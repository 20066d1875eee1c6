"""A mail server on this machine that keeps what it is given, plain or with STARTTLS and a login."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from tests.debian import program


@dataclass
class Mails:
    """The server's port, the mails it took, who logged in, and how it answers."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    users: list[bytes] = field(default_factory=list)
    answer: str = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a mail, or refuse it as told."""
        if self.answer.startswith("250"):
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.taken.append(mail)
            self.encrypted.append(session.ssl is not None)
        return self.answer

    def check(self, server: Any, session: Any, envelope: Any, how: str, who: Any) -> AuthResult:
        """Let everybody in who has the right password."""
        assert isinstance(who, LoginPassword)
        self.users.append(who.login)
        right = who.password == b"correct horse"
        return AuthResult(success=right, handled=False)


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[Mails]:
    """Serve on this machine; with ``tls`` nothing is taken before STARTTLS and a login."""
    mails = Mails(port=free_port())
    more: dict[str, Any] = {}
    if tls is not None:
        more = {
            "tls_context": tls,
            "require_starttls": True,
            "authenticator": mails.check,
            "auth_required": True,
        }
    server = Controller(mails, hostname="127.0.0.1", port=mails.port, **more)
    server.start()
    try:
        yield mails
    finally:
        server.stop()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a certificate for this machine; return the server's context and one that trusts it."""
    key, made = folder / "key.pem", folder / "certificate.pem"
    command = [
        *(program("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
        *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", str(key), "-out", str(made)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(made, key)
    return server, ssl.create_default_context(cafile=str(made))
