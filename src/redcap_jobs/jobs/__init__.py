"""The jobs, one file each, all pure: no network, no disk, no clock, no environment.

:data:`JOBS` names them without importing them, so that ``--help`` stays fast.
"""

from __future__ import annotations

import difflib
import importlib

from redcap_jobs.errors import UsageError
from redcap_jobs.plan import Job

JOBS: dict[str, tuple[str, str]] = {
    "compute-visit-windows": (
        "redcap_jobs.jobs.compute_visit_windows",
        "Compute each participant's visit windows and states.",
    ),
    "poll-participants": (
        "redcap_jobs.jobs.poll_participants",
        "Tell the texting partner who was enrolled, who changed and who left.",
    ),
    "sync-agile": (
        "redcap_jobs.jobs.sync_agile",
        "Bring the partner's word back to REDCap, and compare both sides.",
    ),
    "poll-messages": (
        "redcap_jobs.jobs.poll_messages",
        "Learn what became of the texts and which replies came.",
    ),
    "send-surveys": (
        "redcap_jobs.jobs.send_surveys",
        "Text survey invitations and reminders to those who are due.",
    ),
}
"""Job → the module that holds it as ``JOB``, and its one-line help."""


def load_job(name: str) -> Job:
    """Import and return one job. Raises UsageError for a name that does not exist."""
    if name not in JOBS:
        near = difflib.get_close_matches(name, JOBS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; jobs: {', '.join(sorted(JOBS))}"
        raise UsageError(f"no job {name!r}{hint}")
    job: Job = importlib.import_module(JOBS[name][0]).JOB
    return job
