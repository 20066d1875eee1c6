"""The file of an SQLite state: is it there, is it a file, may this account use it."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from redcap_jobs.errors import StateUnusable
from redcap_jobs.state.address import URL_VARIABLE, check_disk, missing

CORRECT = f"correct {URL_VARIABLE}"


def check_state_file(path: Path) -> None:
    """Refuse what cannot be an SQLite state, before SQLite is asked.

    Raises:
        StateMissing: There is no such file.
        StateUnusable: A folder, another user's, readable by others, on a network disk.

    """
    check_disk(path.parent)
    try:
        found = path.stat()
    except FileNotFoundError:
        raise missing(f"there is no state at sqlite:///{path}") from None
    except NotADirectoryError:
        raise StateUnusable(f"{path.parent} is a file and no folder; {CORRECT}") from None
    except PermissionError:
        raise StateUnusable(no_access(path.parent, "look into")) from None
    except OSError as error:
        raise StateUnusable(f"{path}: {error.strerror}; {CORRECT}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no ordinary file"
        raise StateUnusable(
            f"{path} is {kind}; a state is one file, such as {path / 'state.db'}: {CORRECT}"
        )
    if not may(path, os.R_OK | os.W_OK):
        raise StateUnusable(no_access(path, "read and write"))
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise StateUnusable(
            f"{path} can be read or written by other users (mode {mode:o}); type: chmod 600 {path}"
        )
    if not may(path.parent, os.W_OK | os.X_OK):
        raise StateUnusable(
            no_access(path.parent, "write into") + ": SQLite keeps files of its own there"
        )


def create_private_file(path: Path) -> None:
    """Make an empty file that only its owner can read, and its folder where it is lacking.

    A file that exists is left as it is.

    Raises:
        StateUnusable: It cannot be made there.

    """
    try:
        nearest = next(folder for folder in path.parents if folder.exists())
        check_disk(nearest)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not path.parent.is_dir():
            raise StateUnusable(f"{path.parent} is a file and no folder; {CORRECT}") from None
    except NotADirectoryError:
        raise StateUnusable(f"a part of {path.parent} is a file and no folder; {CORRECT}") from None
    except PermissionError:
        raise StateUnusable(no_access(path.parent, "make a file in")) from None
    except OSError as error:
        raise StateUnusable(f"{path} cannot be made: {error.strerror}; {CORRECT}") from error


def may(path: Path, how: int) -> bool:
    """Tell whether this process may use a path like that."""
    return os.access(path, how, effective_ids=True)


def no_access(path: Path, what: str) -> str:
    """Say that this account may not do something with a path, whose it is, and what to do."""
    me = account(os.geteuid())
    try:
        owner = account(path.stat().st_uid)
    except OSError:
        owner = ""
    if owner == me:
        mode = "u+rwx" if path.is_dir() else "600"
        return f"{me} may not {what} {path}; type: chmod {mode} {path}"
    whose = f", which belongs to {owner}" if owner else ""
    return f"{me} may not {what} {path}{whose}; run as the account that cron uses"


def account(number: int) -> str:
    """Return an account's name, or its number where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
