"""The one place a finished run passes: every way of telling someone hangs here.

A clean run is silent. A failed or partly failed one prints a single line with its run id to
stderr, which cron mails to the crontab's owner. Mail to the study's list and the dead-man ping
are further notifiers of the same shape.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from redcap_jobs.errors import ExitCode
from redcap_jobs.notify.logs import REDACT

if TYPE_CHECKING:
    from redcap_jobs.state.runs import RunState
    from redcap_jobs.typed import Typed


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: ``state`` is the run record's word, ``message`` one line for a person.

    ``counts`` holds numbers only; ``problems`` name record, place and what is wrong, no values;
    ``typed`` is how a command about this study and project is typed.
    """

    run_id: str
    job: str
    study: str
    state: RunState
    exit_code: ExitCode
    message: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    skip_reasons: Mapping[str, int] = field(default_factory=dict)
    problems: Sequence[str] = ()
    typed: Typed | None = None


Notifier = Callable[[RunOutcome], None]


def one_line_to_stderr(outcome: RunOutcome, stream: TextIO | None = None) -> None:
    """Print one redacted line about a run that did not end well; nothing for one that did."""
    if outcome.exit_code == ExitCode.DONE:
        return
    message = " ".join(outcome.message.split())
    where = f" [run {outcome.run_id}]" if outcome.run_id else ""
    line = f"redcap-jobs {outcome.job}: {outcome.state}: {message}{where}"
    print(REDACT(line), file=stream or sys.stderr)


NOTIFIERS: tuple[Notifier, ...] = (one_line_to_stderr,)


def notify(outcome: RunOutcome, notifiers: Sequence[Notifier] = NOTIFIERS) -> None:
    """Tell everyone who asked to be told how a run ended."""
    for notifier in notifiers:
        notifier(outcome)
