"""What decides, read again moments before an action: one read for all who are next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from redcap_jobs.couriers import NotThere
from redcap_jobs.redcap.errors import RecordsGone

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.plan import Action, Inputs

FRESH_FOR = timedelta(minutes=1)
"""What was read longer ago decides about nobody any more."""


def is_out_of_date(read_at: datetime, now: datetime) -> bool:
    """Tell whether what was read at an instant must be read again; so it is on a clock set back."""
    return not timedelta(0) <= now - read_at < FRESH_FOR


def about(action: Action) -> tuple[str, ...]:
    """Name the records that decide about an action."""
    from redcap_jobs.plan import Text

    return (action.record, *action.kin) if isinstance(action, Text) else (action.record,)


class FreshReads:
    """Reads for the action at hand and those that follow it, and again when that is a minute old.

    ``read`` gathers the job's inputs for some records, and raises what the client raises. What it
    says does not exist any more (RecordsGone) was deleted or renamed since the run began, and is
    not asked for again.
    """

    def __init__(self, read: Callable[[Sequence[str]], Inputs], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._records: frozenset[str] = frozenset()
        self._inputs: Inputs | None = None
        self._at: datetime | None = None
        self._gone: set[str] = set()

    def __call__(self, actions: Sequence[Action]) -> Inputs:
        """Return inputs that hold the first action's record and are not older than a minute.

        Raises NotThere where that record does not exist any more, and what ``read`` raises.
        """
        now, record = self._clock.now(), actions[0].record
        old = self._at is None or is_out_of_date(self._at, now)
        if self._inputs is not None and not old and record in self._records:
            return self._inputs
        wanted = dict.fromkeys(each for action in actions for each in about(action))
        while record not in self._gone:
            records = [each for each in wanted if each not in self._gone]
            try:
                self._inputs = self._read(records)
            except RecordsGone as error:
                if self._gone.issuperset(error.missing):
                    raise
                self._gone.update(error.missing)
                continue
            self._records, self._at = frozenset(records), now
            return self._inputs
        raise NotThere(f"record {record} was deleted or renamed since the run began")
