"""What the state knows of one record: last decisions with their reasons, problems, journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from redcap_jobs.errors import UsageError
from redcap_jobs.jobs import JOBS
from redcap_jobs.plan import Table
from redcap_jobs.render import rich_table
from redcap_jobs.state.decisions import Decision, decisions_of_record
from redcap_jobs.state.journal_evidence import entries_of_record
from redcap_jobs.state.runs import last_good_run
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.study.partner_words import PARTNER_WORDS
from redcap_jobs.study.visit_state_words import FLAG_WORDS, STATE_WORDS
from redcap_jobs.why_texts import (
    chances_table,
    codes_explained,
    hindered,
    journal_table,
    of_record,
    stops_table,
)

if TYPE_CHECKING:
    from rich.console import Console

    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study

WHEN = "%Y-%m-%d %H:%M"
WINDOWS = "compute-visit-windows"
EXCHANGE = ("poll-participants", "sync-agile")


def show_why(store: Store, study: Study, record: str, console: Console) -> None:
    """Show everything known of a record in each project the study file declares.

    What the states and flags in it mean is said at the end, each once.

    Raises:
        UsageError: The state knows nothing of this record.

    """
    known = False
    words: dict[str, str] = {}
    for name, identity in study.redcap.projects.items():
        project = ProjectKey(study.redcap.url, identity.project_id, identity.mode)
        decisions = decisions_in_schedule_order(store, study, project, record)
        entries = entries_of_record(store, project, record)
        stops = stops_table(store, study, project, record, name)
        stopped = hindered(stops)
        parts = (
            decisions_table(decisions, record, name),
            problems_table(store, project, record, name),
            journal_table(entries, record, name),
            chances_table(
                decisions, entries, study, record, name, stopped=stopped, now=store.clock.now()
            ),
        )
        stopped_here = project.mode == "production" and of_record(stops)
        if not stopped_here and not any(part.rows for part in parts):
            continue
        known = True
        for part in (*parts, stops):
            if part.rows:
                console.print(rich_table(part))
        words |= dict(explained(decisions)) | codes_explained(entries)
    if not known:
        raise UsageError(
            f"the state knows nothing of record {record}: no job has decided about it. Check the "
            "id; a run with --record and --dry-run shows what would be decided"
        )
    for word, sentence in words.items():
        console.print(f"[bold]{word}[/bold]: {escape(sentence)}", soft_wrap=True)


def decisions_in_schedule_order(
    store: Store, study: Study, project: ProjectKey, record: str
) -> list[Decision]:
    """Return the last decisions about a record, by job; visits and surveys in file order.

    What is about none of them comes last.
    """
    listed = [*(visit.id for visit in study.visits), *(survey.id for survey in study.surveys)]
    order = {subject: place for place, subject in enumerate(listed)}
    return sorted(
        decisions_of_record(store, project, record),
        key=lambda each: (each.job, order.get(each.subject, len(order)), each.subject),
    )


def explained(decisions: Sequence[Decision]) -> Iterator[tuple[str, str]]:
    """Yield each state of a visit, each flag, each partner's word that occurs, with its sentence."""
    visits = [each for each in decisions if each.job.startswith(WINDOWS)]
    states = [each.decision for each in visits]
    flags = [flag for each in visits for flag in each.reasons.split(", ")]
    for occurring, meanings in ((states, STATE_WORDS), (flags, FLAG_WORDS)):
        yield from ((word, meanings[word]) for word in occurring if word in meanings)
    exchanged = [each.decision for each in decisions if each.job.startswith(EXCHANGE)]
    yield from ((word, PARTNER_WORDS[word]) for word in exchanged if word in PARTNER_WORDS)


def decisions_table(decisions: Sequence[Decision], record: str, name: str) -> Table:
    """List the last decisions, each since when it stands and by which run."""
    rows = tuple(
        (
            each.job,
            each.subject,
            each.decision,
            each.reasons,
            f"{each.changed_at:{WHEN}}",
            each.run_id,
        )
        for each in decisions
    )
    columns = ("job", "about", "decision", "because", "since (UTC)", "run")
    return Table(f"Record {record} in {name}: decisions", columns, rows)


def problems_table(store: Store, project: ProjectKey, record: str, name: str) -> Table:
    """List what the last good run of each job said about the record's data."""
    start = f"record {record}: "
    rows = []
    for job in JOBS:
        run = last_good_run(store, project, job)
        if run is not None:
            rows += [
                (job, problem.removeprefix(start), run.id)
                for problem in run.problems
                if problem.startswith(start)
            ]
    return Table(f"Record {record} in {name}: problems", ("job", "problem", "run"), tuple(rows))
