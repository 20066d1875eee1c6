"""deploy.sh against a real sshd: first and second deploy, refusals, going back."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ssh_server import SshServer, running_sshd
from study_home import Done
from tests.debian import program

import redcap_jobs
from redcap_jobs.study.loading import bundled_study_text

ROOT = Path(__file__).parents[2]
ISMILE = bundled_study_text("ismile")
CRONTAB = "5 0 * * * /nowhere/redcap-jobs --version\n"
REAL = {name: shutil.which(name) or name for name in ("ssh", "sshpass", "python3")}


@dataclass
class Desk:
    """The data manager's side: a clean checkout, study files, and a log of all arguments."""

    folder: Path
    server: SshServer

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def directory(self) -> Path:
        """Where it is deployed to, on the server."""
        return self.server.home / "srv" / "redcap-jobs"

    @property
    def target(self) -> str:
        return f"{self.server.account}@127.0.0.1:{self.directory}"

    def study(self, name: str, text: str) -> Path:
        path = self.folder / "my studies" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def shim(self, name: str, script: str) -> None:
        """Put a program of this name first on PATH."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def logged(self) -> str:
        """Return the arguments of every ssh and sshpass so far."""
        return (self.folder / "arguments").read_text()

    def deploy(
        self,
        *arguments: str | Path,
        password: str = "",
        checkout: Path | None = None,
        known_hosts: Path | None = None,
        **environment: str,
    ) -> Done:
        """Run deploy.sh without a terminal, by key unless a password is given."""
        options = self.server.options(known_hosts)
        by_key = (
            ["-o", "PubkeyAuthentication=no"] if password else ["--identity", str(self.server.key)]
        )
        ours = {name: value for name, value in os.environ.items() if name != "SSH_ASKPASS"}
        ours["PATH"] = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            [(checkout or self.checkout) / "deploy.sh", *options, *by_key, *map(str, arguments)],
            cwd=self.server.folder,
            env={**ours, **({"SSHPASS": password} if password else {}), **environment},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def now(self) -> Server:
        """Look at the server's folder."""

        def names(folder: str) -> list[str]:
            found = self.directory / folder
            return sorted(path.name for path in found.iterdir()) if found.exists() else []

        studies = {
            path.name: path.read_text() for path in (self.directory / "studies").glob("*.toml")
        }
        current = self.directory / "current"
        return Server(
            str(current.readlink()) if current.is_symlink() else "",
            names("releases"), names("backups"), names("incoming"), studies,
        )  # fmt: skip


@dataclass(frozen=True)
class Server:
    """What stood on the server at one moment."""

    current: str
    releases: list[str]
    backups: list[str]
    incoming: list[str]
    studies: dict[str, str]


@dataclass(frozen=True)
class Story:
    """What a call of deploy.sh did: its output, and the server before and after."""

    done: Done
    before: Server
    after: Server


def copy_checkout(target: Path) -> Path:
    """Make a clean checkout of what stands here, committed or not."""
    git = program("git", "git")
    listed = subprocess.run(
        [git, "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.edu"]
    for arguments in (["init"], ["add", "."], [*author, "commit", "-m", "as it stands"]):
        subprocess.run([git, "-C", target, *arguments], capture_output=True, check=True)
    return target


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Give a checkout and a server; ssh and sshpass write down their arguments."""
    with running_sshd() as server:
        desk = Desk(tmp_path_factory.mktemp("desk"), server)
        copy_checkout(desk.checkout)
        for name in ("ssh", "sshpass"):
            log = f'printf "%s " "{name}" "$@" >> "{desk.folder}/arguments"'
            desk.shim(name, f'{log}\nexec {REAL[name]} "$@"')
        (desk.folder / "arguments").touch()
        yield desk


@pytest.fixture(scope="module")
def first(desk: Desk) -> Story:
    """Deploy for the first time, by password where there is one, with no study file at all."""
    if desk.server.password:
        program("sshpass", "sshpass")
    desk.server.run("mkdir", "-p", "-m", "755", desk.directory)
    before = desk.now()
    done = desk.deploy(desk.target, password=desk.server.password)
    assert done.code == 0, done.err
    return Story(done, before, desk.now())


@pytest.fixture(scope="module")
def second(desk: Desk, first: Story) -> Story:
    """Deploy again, onto a server where people wrote a study file, a crontab and ``.env``."""
    desk.server.run("tee", desk.directory / "studies" / "pilot.toml", text=ISMILE)
    program("crontab", "cron")
    if desk.server.password:  # else the account is a person's own
        desk.server.run("crontab", "-", text=CRONTAB)
    desk.server.run(
        desk.directory / "current/bin/redcap-jobs", "state", "init",
        "--env-file", desk.directory / ".env",
    )  # fmt: skip
    changed = desk.study("pilot.toml", ISMILE + "# changed\n")
    new = desk.study("ismile.toml", ISMILE)
    before = desk.now()
    done = desk.deploy(desk.target, changed, new)
    assert done.code == 0, done.err
    return Story(done, before, desk.now())


def test_first_deploy_installs_a_release_that_answers(desk: Desk, first: Story) -> None:
    """Without internet on the server, `current` is a release that answers, and next steps are told."""
    assert first.after.current == f"releases/{first.after.releases[0]}"
    answer = desk.server.run(desk.directory / first.after.current / "bin/redcap-jobs", "--version")
    assert redcap_jobs.__version__ in answer
    assert first.after.incoming == []
    assert "state init" in first.done.out
    assert desk.server.run("cat", desk.directory / first.after.current / "crontab.example")


def test_the_password_is_on_no_command_line(desk: Desk, first: Story) -> None:
    """SSHPASS goes through the environment: no ssh and no sshpass got it as an argument."""
    if not desk.server.password:
        pytest.skip("only root can make an account with a password")
    assert "sshpass -e" in desk.logged()
    assert desk.server.password not in desk.logged()
    assert desk.server.password not in first.done.out + first.done.err


def test_nothing_is_open_to_others(desk: Desk, second: Story) -> None:
    """Even in a folder that everyone may enter, another account reaches nothing of what is there."""
    assert stat.S_IMODE(desk.directory.stat().st_mode) == 0o755
    paths = [path for path in desk.directory.iterdir() if not path.is_symlink()]
    assert {"releases", "backups", "studies", "incoming", ".env"} <= {path.name for path in paths}
    assert [path.name for path in paths if path.stat().st_mode & 0o077] == []


def test_second_deploy_switches_to_a_new_release_and_keeps_the_old(second: Story) -> None:
    """The new release is current, the old one stays; study files sent are the ones in place."""
    assert len(second.after.releases) == 2
    assert second.after.current == f"releases/{second.after.releases[-1]}"
    assert second.before.current == f"releases/{second.after.releases[0]}"
    assert second.after.studies == {"pilot.toml": ISMILE + "# changed\n", "ismile.toml": ISMILE}
    assert "pilot.toml: changed" in second.done.out
    assert "ismile.toml: new" in second.done.out


def test_second_deploy_saves_what_was_there_but_no_credentials(desk: Desk, second: Story) -> None:
    """The backup is named by its time, mode 600: study files, crontab, state, packages; no .env."""
    (name,) = set(second.after.backups) - set(second.before.backups)
    assert name.removesuffix(".tar.gz") == second.after.current.removeprefix("releases/")
    path = desk.directory / "backups" / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with tarfile.open(path) as archive:
        saved = {
            member.name.removeprefix("./"): opened.read().decode(errors="replace")
            for member in archive
            if (opened := archive.extractfile(member))
        }
    assert set(saved) == {"studies/pilot.toml", "crontab", "release", "packages.txt", "state.db"}
    assert saved["studies/pilot.toml"] == ISMILE
    assert saved["release"].strip() == second.before.current
    assert f"redcap-jobs=={redcap_jobs.__version__}" in saved["packages.txt"].replace("_", "-")
    if desk.server.password:
        assert CRONTAB in saved["crontab"]
    assert (desk.directory / ".env").exists()


def test_a_broken_study_file_is_refused_and_nothing_is_switched(desk: Desk, second: Story) -> None:
    """One mistake in one of two study files: its place is told, neither file nor release change."""
    before = desk.now()
    good = desk.study("pilot.toml", ISMILE + "# changed again\n")
    broken = desk.study("broken.toml", "nonsense = 1\n" + ISMILE)
    done = desk.deploy(desk.target, good, broken)
    assert done.code == 1
    assert "broken.toml:1: nonsense" in done.err
    assert "nothing was switched" in done.err
    assert desk.now() == before


def test_rollback_goes_back_until_there_is_nothing_before(desk: Desk, second: Story) -> None:
    """The release before is current again, study files stay; from the first one it is refused."""
    start = desk.now()
    done = desk.deploy("--rollback", desk.target)
    assert done.code == 0, done.err
    back = desk.now()
    assert back.current == second.before.current
    assert back.studies == start.studies
    again = desk.deploy("--rollback", desk.target)
    assert again.code == 1
    assert "nothing changed" in again.err
    assert desk.now() == back
    desk.server.run("ln", "-sfn", second.after.current, desk.directory / "current")


def test_rollback_is_refused_where_the_older_release_refuses_a_study_file(
    desk: Desk, second: Story
) -> None:
    """Nothing changes, and the command that puts the study file of then back is told."""
    path = desk.directory / "studies" / "pilot.toml"
    kept = path.read_text()
    desk.server.run("tee", path, text="nonsense = 1\n" + ISMILE)
    before = desk.now()
    done = desk.deploy("--rollback", desk.target)
    assert done.code == 1
    assert desk.now() == before
    told = done.err[done.err.index("cd /") :].strip()
    desk.server.run("sh", "-c", told)
    assert path.read_text() == ISMILE
    desk.server.run("tee", path, text=kept)


def test_only_one_deploy_at_a_time(desk: Desk, second: Story) -> None:
    """While another deploy holds the server's lock, nothing is changed and it says why."""
    before = desk.now()
    with (desk.directory / ".deploying").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = desk.deploy("--rollback", desk.target)
    assert done.code == 1
    assert "another deploy" in done.err
    assert desk.now() == before


def test_an_unknown_host_key_or_a_wrong_password_ends_it(desk: Desk, tmp_path: Path) -> None:
    """Nobody is trusted by default: a new host key, or a refused password, is exit 1 with advice."""
    empty = tmp_path / "known_hosts"
    empty.touch()
    unknown = desk.deploy("--rollback", desk.target, known_hosts=empty)
    assert unknown.code == 1
    assert "Host key verification failed" in unknown.err
    assert empty.read_text() == ""
    program("sshpass", "sshpass")
    unknown = desk.deploy("--rollback", desk.target, known_hosts=empty, password="made-up")
    assert unknown.code == 1
    assert "connect once by hand" in unknown.err
    wrong = desk.deploy("--rollback", desk.target, password="made-up")
    assert wrong.code == 1
    assert "refused the password" in wrong.err


def test_another_python_on_the_server_is_refused_before_anything_is_built(desk: Desk) -> None:
    """Wheels for one Python do not run on another: both versions are told, no file is made."""
    path = desk.folder / "other"
    path.mkdir()
    python = path / "python3"
    python.write_text("#!/bin/sh\necho 3.99 riscv\n")
    python.chmod(0o755)
    before = desk.now()
    done = desk.deploy(desk.target, PATH=f"{path}:{os.environ['PATH']}")
    assert done.code == 1
    assert "the wheels would be for 3.99 riscv" in done.err
    assert desk.now() == before


def test_uncommitted_changes_are_refused(desk: Desk, tmp_path: Path) -> None:
    """What runs on the server is a commit: a changed or a new file is named, nothing is sent."""
    dirty = tmp_path / "dirty"
    shutil.copytree(desk.checkout, dirty)
    (dirty / "README.md").write_text("changed")
    (dirty / "forgotten.py").touch()
    logged = desk.logged()
    done = desk.deploy(desk.target, checkout=dirty)
    assert done.code == 1
    assert "README.md" in done.err
    assert "forgotten.py" in done.err
    assert desk.logged() == logged


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["127.0.0.1:/srv/redcap-jobs"],
        ["someone@127.0.0.1"],
        ["someone@127.0.0.1:relative"],
        ["someone@127.0.0.1:/srv/red cap"],
        ["someone@127.0.0.1:/srv/$(id)"],
        ["--force", "someone@127.0.0.1:/srv/redcap-jobs"],
        ["--port", "ssh", "someone@127.0.0.1:/srv/redcap-jobs"],
        ["--port"],
        ["--identity", "no-such-file", "someone@127.0.0.1:/srv/redcap-jobs"],
        ["someone@127.0.0.1:/srv/redcap-jobs", "no-such-study.toml"],
        ["someone@127.0.0.1:/srv/redcap-jobs", ROOT / "README.md"],
        ["someone@127.0.0.1:/srv/redcap-jobs", "a/study.toml", "b/study.toml"],
        ["--rollback", "someone@127.0.0.1:/srv/redcap-jobs", "a/study.toml"],
    ],
)
def test_usage_errors_are_exit_2(arguments: list[str | Path], tmp_path: Path) -> None:
    """A command line that cannot be meant ends with 2 and its reason before anyone is called."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.toml").write_text(ISMILE)
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f"#!/bin/sh\ntouch '{tmp_path}/called'\nexit 1\n")
    ssh.chmod(0o755)
    done = subprocess.run(
        [ROOT / "deploy.sh", *arguments],
        cwd=tmp_path, env={"PATH": f"{ssh.parent}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr
    assert not (tmp_path / "called").exists()


def test_help_names_every_option_and_exit_code() -> None:
    """--help is on stdout with exit 0 and names the options the script takes."""
    done = subprocess.run(
        [ROOT / "deploy.sh", "--help"], capture_output=True, text=True, check=True
    )
    for word in ("--rollback", "--port", "--identity", "-o ", "SSHPASS", "Exit codes: 0"):
        assert word in done.stdout
