"""A run record for what a person does to the journal, so that ``runs`` tells who, when and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redcap_jobs.errors import ExitCode, RedcapJobsError

if TYPE_CHECKING:
    from redcap_jobs.open_study import OpenStudy


@dataclass
class RunKept:
    """A run of its own: its id, and the counts that its record is to hold."""

    id: str
    counts: dict[str, int] = field(default_factory=dict)


@contextmanager
def recorded(
    opened: OpenStudy, token: str, job: str, options: Mapping[str, str] | None = None
) -> Iterator[RunKept]:
    """Keep a run record of what is done within; ``token`` names the project's token."""
    from redcap_jobs.state.runs import RunEnd, RunStart, finish_run, start_run

    study, store = opened.study, opened.store
    start = RunStart(
        study=study.study.id,
        job=job,
        project=opened.project(token),
        export_token=token,
        import_token=token,
        as_of=store.clock.now(),
        study_file_hash=study.sha256,
        options=options or {},
    )
    run = RunKept(start_run(store, start))
    end = RunEnd("refused", ExitCode.REFUSED, "nothing was changed")
    try:
        yield run
        end = RunEnd("done", ExitCode.DONE, counts=run.counts)
    except RedcapJobsError as error:
        end = RunEnd("refused", error.exit_code, "nothing was changed")
        raise
    finally:
        finish_run(store, run.id, end)
