"""A real sshd on a free loopback port, with a throw-away account that has a password and a key."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.debian import program

NOWHERE = "http://127.0.0.1:9"
"""A proxy that nobody serves: whatever the account wants from the internet fails at once."""


@dataclass(frozen=True)
class SshServer:
    """Where the server is and who may come in; ``password`` is '' where only the key works."""

    folder: Path
    port: int
    account: str
    password: str
    home: Path

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def options(self, known_hosts: Path | None = None) -> list[str]:
        """Return deploy.sh's options that reach this server and nobody's own set-up."""
        hosts = known_hosts or self.known_hosts
        return [
            *("--port", str(self.port)),
            *("-o", f"UserKnownHostsFile={hosts}", "-o", "GlobalKnownHostsFile=/dev/null"),
            *("-o", "IdentityAgent=none", "-o", "IdentitiesOnly=yes"),
        ]

    def run(self, *command: str | Path, text: str | None = None) -> str:
        """Run a command as the account, in its home; return what it printed."""
        prefix = ["runuser", "-u", self.account, "--"] if os.geteuid() == 0 else []
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        done = subprocess.run(
            [*prefix, *map(str, command)],
            input=text, env=environment, cwd=self.home, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


def command(*arguments: str | Path, text: str | None = None) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(
        list(map(str, arguments)), input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments[0]}: {done.stdout}{done.stderr}"


@contextmanager
def account(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Make a Unix account for one test file, as root; anyone else is their own, without password.

    Yields its name, password and home.
    """
    if os.geteuid() != 0:
        home = folder / "home"
        home.mkdir()
        yield pwd.getpwuid(os.geteuid()).pw_name, "", home
        return
    name, password = f"rcj-test-{os.getpid()}", secrets.token_urlsafe(18)
    home = folder / "home"
    command("useradd", "--create-home", "--home-dir", home, "--shell", "/bin/bash", name)
    try:
        command("chpasswd", text=f"{name}:{password}\n")
        yield name, password, home
    finally:
        subprocess.run(["crontab", "-u", name, "-r"], capture_output=True, check=False)
        command("userdel", "--force", name)


def write_configuration(folder: Path, port: int, name: str) -> Path:
    """Write keys and sshd's configuration; nothing of this machine's own sshd is used."""
    for key in ("host_key", "key"):
        command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key)
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    host_key = (folder / "host_key.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(host_key)}\n")
    path = folder / "sshd_config"
    path.write_text(
        f"Port {port}\n"
        "ListenAddress 127.0.0.1\n"
        f"HostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\n"
        f"AllowUsers {name}\n"
        "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication yes\n"
        f"SetEnv http_proxy={NOWHERE} https_proxy={NOWHERE} PIP_INDEX_URL={NOWHERE}\n"
    )
    return path


@contextmanager
def running_sshd() -> Iterator[SshServer]:
    """Start the server in a temporary folder; stop it and remove all of it at the end."""
    sshd = program("sshd", "openssh-server")
    program("ssh", "openssh-client")
    folder = Path(tempfile.mkdtemp(prefix="redcap-jobs-ssh-"))
    folder.chmod(0o711)  # the account has to pass
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    try:
        with account(folder) as (name, password, home):
            configuration = write_configuration(folder, port, name)
            with subprocess.Popen(
                [sshd, "-D", "-e", "-f", configuration], stderr=subprocess.PIPE, text=True
            ) as process:
                try:
                    assert process.stderr is not None
                    line = next((line for line in process.stderr if "listening" in line), "")
                    assert line, "sshd did not start"
                    yield SshServer(folder, port, name, password, home)
                finally:
                    process.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
