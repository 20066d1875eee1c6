"""Where a state may live: whole paths, local disks, and never a password in a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from redcap_jobs.errors import StateError
from redcap_jobs.state import address
from redcap_jobs.state.store import Store


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "holds no database URL"),
        ("state.db", "holds no database URL"),
        ("sqlite://", "one file named by its path"),
        ("sqlite:///:memory:", "one file named by its path"),
        ("sqlite:///state.db", "the path is relative"),
        ("sqlite:///file:/a?mode=memory", "one file named by its path"),
        ("sqlite:////srv/state.db?mode=memory", "one file named by its path"),
        ("mysql://u:hunter22@h/d", "cannot live in mysql"),
        ("postgresql://u:hunter22@host", "names no database"),
    ],
)
def test_addresses_that_cannot_hold_a_state_are_refused(url: str, says: str) -> None:
    """Each refusal says what a state's URL looks like, and never shows a password."""
    with pytest.raises(StateError, match=says) as caught:
        address.parse_url(url)
    assert "hunter22" not in str(caught.value)


def test_the_password_of_a_state_is_never_shown() -> None:
    """Neither the shown URL nor a failed connection's message holds it."""
    secret = "postgresql://jobs:hunter22@127.0.0.1:1/state"
    assert "hunter22" not in address.shown(address.parse_url(secret))
    with pytest.raises(StateError, match="is PostgreSQL running") as caught:
        Store.open(secret)
    assert "hunter22" not in str(caught.value)
    assert "hunter22" not in repr(caught.value.__cause__)


MOUNTINFO = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /srv rw,relatime shared:1 - xfs /dev/vdb rw
31 30 0:41 / /srv/share rw,relatime shared:2 - nfs4 server:/export rw,vers=4.2
32 27 0:42 / /mnt/with\040blank rw,relatime - cifs //server/share rw
33 27 0:43 / /home/u/remote rw,nosuid - fuse.sshfs u@host: rw
34 27 0:44 / /covered rw - ext4 /dev/vdc rw
35 27 0:45 / /covered rw - nfs server:/x rw
""".strip()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/x", "ext4"),
        ("/srv/redcap-jobs", "xfs"),
        ("/srv/share/x", "nfs4"),
        ("/srv/shared", "xfs"),
        ("/mnt/with blank/x", "cifs"),
        ("/home/u/remote", "fuse.sshfs"),
        ("/covered/x", "nfs"),
    ],
)
def test_the_file_system_under_a_path_is_found(path: str, kind: str) -> None:
    """The longest mount point that is a folder of the path decides; a later mount covers."""
    assert address.file_system_of(Path(path), MOUNTINFO) == kind


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "lustre", "ceph", "fuse.s3fs"],
)
def test_network_file_systems_are_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's locks cannot be trusted there; the message names the type and the way out."""
    table = tmp_path / "mountinfo"
    table.write_text(f"27 1 254:0 / / rw,relatime - {kind} somewhere rw\n")
    monkeypatch.setattr(address, "MOUNTINFO", table)
    with pytest.raises(StateError, match=rf"network file system \({kind}\).*PostgreSQL"):
        Store.create(f"sqlite:///{tmp_path}/deep/down/state.db")
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "overlay", "tmpfs", "zfs", "fuseblk"])
def test_local_file_systems_are_accepted(kind: str) -> None:
    """No false alarm on what servers and containers really use."""
    assert address.NETWORK_FILE_SYSTEMS.fullmatch(kind) is None
