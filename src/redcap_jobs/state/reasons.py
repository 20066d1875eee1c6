"""What a person gives as the reason for something that the jobs heed from then on."""

from __future__ import annotations

from redcap_jobs.errors import UsageError
from redcap_jobs.notify.logs import redact_foreign
from redcap_jobs.state.runs import one_line


def checked(reason: str) -> str:
    """Return a reason on one line and redacted. Raises UsageError for a blank one."""
    if not reason.strip():
        raise UsageError("--reason is blank; say in a few words why, without naming anybody")
    return one_line(redact_foreign(reason))
