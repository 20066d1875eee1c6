"""The bundled study and its made-up participants as a job's inputs, without a server between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path

import pandas as pd

from redcap_jobs.jobs import load_job
from redcap_jobs.plan import DECISION_COLUMNS, KEYS, Inputs, Plan, ReadDecisions
from redcap_jobs.redcap.project import Project
from redcap_jobs.sandbox.filter_logic import project_view
from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.study.config import Study
from redcap_jobs.study.loading import load_study

JOB = load_job("compute-visit-windows")
AS_OF = datetime(2020, 6, 15, 18, 30, tzinfo=UTC)


def ismile_study() -> Study:
    """Give the bundled study file."""
    return load_study(Path(str(files("redcap_jobs.study") / "bundled" / "ismile.toml")))


def ismile(participants: int) -> SandboxProject:
    """Give the production copy as it is before any run."""
    return ismile_projects(participants, seed=1, as_of=AS_OF.date())[0]


def stored(project: SandboxProject) -> Iterator[dict[str, str]]:
    """Yield every stored row with its keys and group."""
    for name in project.store.current.ordered:
        record = project.store.current.records[name]
        for key, values in record.rows.items():
            yield {
                "record": name,
                "event": key.event,
                "repeat_instrument": key.instrument,
                "repeat_instance": str(key.instance or ""),
                "dag": record.dag,
                **values,
            }


def rows_frame(project: SandboxProject, view: Project) -> pd.DataFrame:
    """Give the rows frame of everything stored."""
    columns = [*KEYS, "dag", *(each for name in view.fields for each in view.export_columns(name))]
    cells = [[row.get(column, "") for column in columns] for row in stored(project)]
    return pd.DataFrame(cells, columns=columns, dtype="str")


def fingerprint(frame: pd.DataFrame) -> pd.Series:
    """Hash each row; no secret is at stake, so pandas' own will do."""
    hashes = pd.util.hash_pandas_object(frame.astype(object), index=False)
    return hashes.astype("str").set_axis(frame.index)


def answered(
    study: Study, view: Project, rows: pd.DataFrame, decisions: pd.DataFrame | None = None
) -> Inputs:
    """Give the job's inputs with all its reads answered."""
    roster = rows[["record", "event", "dag"]].drop_duplicates()
    inputs = Inputs(view, view, roster, {}, fingerprint)
    if decisions is None:
        decisions = pd.DataFrame(columns=DECISION_COLUMNS, dtype="str")
    tables: Mapping[object, pd.DataFrame] = {
        read: decisions if isinstance(read, ReadDecisions) else rows
        for read in JOB.reads(study, inputs)
    }
    return replace(inputs, tables=tables)


def plan_of(participants: int) -> tuple[SandboxProject, Plan]:
    """Give the sandbox's production copy and the plan of a first run on it."""
    project = ismile(participants)
    view = project_view(project)
    study = ismile_study()
    rows = rows_frame(project, view)
    return project, JOB.plan(study, answered(study, view, rows), AS_OF)


def day(text: str) -> date | None:
    """Read a stored date, a time behind it left off; None for a blank or what is no date."""
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None
