"""The only place that changes the world: it walks a plan in a fixed order.

Actions first (texts, partner calls, mails: each through the journal), then what they led to, then
field changes: cells filled or overwritten, then cells erased, each as imports of their own. A dry
run is not a flag in here: it is this file not being called. Every step can be cut off by a power
failure; the next run finds what is still different and does only that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redcap_jobs.plan import Action, Outcome, Plan, Problem, Stands, Withhold

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.redcap.client import ImportResult, RedcapClient
    from redcap_jobs.state.journal import Journal
    from redcap_jobs.state.scope import JobScope

log = logging.getLogger(__name__)

Courier = Callable[[Action], Outcome]
"""Does one action once and says what became of it; never repeats by itself, never raises for an
answer it could not read: that is the outcome ``unknown``."""


@dataclass(frozen=True)
class Executed:
    """What was done: cells written and erased, outcomes of the actions, what was refused."""

    cells: int = 0
    records: int = 0
    imports: int = 0
    outcomes: tuple[Outcome, ...] = ()
    problems: tuple[Problem, ...] = field(default=())
