"""Everything this package raises on purpose, and the exit code each kind ends with.

::

    RedcapJobsError                     1  partly or wholly failed
    ├── UsageError                      2  the command line
    ├── SetupError                      3  study file, credentials or dictionary
    │   ├── StudyFileError                 (carries every problem found, not the first)
    │   ├── CredentialsError
    │   └── DictionaryError
    ├── GuardRefused                    4  a guard said no; names how to allow it once
    │   └── StateMissing
    ├── AnotherRunActive               75  the lock is held; names the holder
    ├── StateError                      1  the state failed: locked, disk full, lock lost
    │   └── StateUnusable               3  what is named as the state cannot be it: set-up
    └── RedcapError                     1  see redcap_jobs.redcap.errors
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit code tells cron; documented in every job's ``--help``."""

    DONE = 0
    PARTLY_FAILED = 1
    USAGE = 2
    SETUP = 3
    REFUSED = 4
    ANOTHER_RUN_ACTIVE = 75


@dataclass(frozen=True)
class Finding:
    """One thing wrong in a file or set-up: where it stands, what is wrong, how to mend it."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.hint}" if self.hint else "")


class RedcapJobsError(Exception):
    """The root: a message for a person, and the exit code the command ends with."""

    exit_code: ExitCode = ExitCode.PARTLY_FAILED


class UsageError(RedcapJobsError):
    """The command line asks for something that cannot be done that way."""

    exit_code = ExitCode.USAGE


class SetupError(RedcapJobsError):
    """The study file, the credentials or the data dictionary stand in the way."""

    exit_code = ExitCode.SETUP


class StudyFileError(SetupError):
    """A study file with mistakes: ``findings`` holds all of them, in file order."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class CredentialsError(SetupError):
    """A variable is missing, a ``.env`` is readable by others, or a token was refused."""


class DictionaryError(SetupError):
    """The project's data dictionary lacks what the study file names."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class GuardRefused(RedcapJobsError):
    """A guard said no before anything was written; ``guard`` is its name."""

    exit_code = ExitCode.REFUSED

    def __init__(self, guard: str, message: str) -> None:
        self.guard = guard
        super().__init__(message)


class StateMissing(GuardRefused):
    """A production project was asked for, but no state is named or it does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__("state", message)


class StateError(RedcapJobsError):
    """The state failed although it is set up rightly: locked, disk full, connection lost."""


class StateUnusable(StateError):
    """What is named as the state cannot be used as it stands, whenever it is tried again.

    No state at all, damaged, not readable for this account, on a network disk, too new.
    """

    exit_code = ExitCode.SETUP


class AnotherRunActive(RedcapJobsError):
    """Another run of the same job on the same project holds the lock; the message names it."""

    exit_code = ExitCode.ANOTHER_RUN_ACTIVE
