"""Decisions and owned fields are kept where they changed, and quickly."""

from __future__ import annotations

import time
from datetime import timedelta

import pandas as pd
from tests.state.conftest import StillClock

from redcap_jobs.plan import DECISION_COLUMNS
from redcap_jobs.state.decisions import decisions_of_record, forget, load_decisions, save_changed
from redcap_jobs.state.ownership import claim_fields, owned_fields
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store

JOB = "compute-visit-windows"


def frame(text: str) -> pd.DataFrame:
    """Read an aligned table; columns as in DECISION_COLUMNS, split at '|'."""
    rows = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return pd.DataFrame(rows, columns=DECISION_COLUMNS).astype("str")


FIRST = frame("""
    01  | m2  | target 2026-09-01 | from the anchor  | f1 | r1
    1   | m2  | off study         | flag is ticked   | f2 | r1
    1   | m12 | off study         | flag is ticked   | f3 | r1
""")


def test_decisions_come_back_as_they_were_given(store: Store, project: ProjectKey) -> None:
    """All str, blanks as '', '01' beside '1', sorted by record and subject."""
    assert save_changed(store, project, JOB, FIRST, "run-1") == 3
    loaded = load_decisions(store, project, JOB)
    expected = FIRST.sort_values(["record", "subject"], ignore_index=True)
    pd.testing.assert_frame_equal(loaded, expected)


def test_no_decisions_are_an_empty_frame_of_text(store: Store, project: ProjectKey) -> None:
    """The first run of a job compares with a frame, not with None."""
    loaded = load_decisions(store, project, JOB)
    assert list(loaded.columns) == DECISION_COLUMNS
    assert loaded.empty
    assert set(loaded.dtypes) == {pd.StringDtype(na_value=float("nan"))}


def test_only_what_differs_is_written(store: Store, project: ProjectKey, clock: StillClock) -> None:
    """An unchanged decision keeps the run and the time since when it stands."""
    save_changed(store, project, JOB, FIRST, "run-1")
    clock.sleep(timedelta(days=1))
    later = FIRST.copy()
    later.loc[1, "reasons"] = "date is given"
    assert save_changed(store, project, JOB, later, "run-2") == 1
    assert save_changed(store, project, JOB, later, "run-3") == 0
    found = {(each.record, each.subject): each for each in decisions_of_record(store, project, "1")}
    changed, kept = found["1", "m2"], found["1", "m12"]
    assert (changed.reasons, changed.run_id, changed.changed_at) == (
        "date is given",
        "run-2",
        clock.now(),
    )
    assert (kept.run_id, kept.changed_at) == ("run-1", clock.now() - timedelta(days=1))


def test_decisions_belong_to_one_project_mode_and_job(store: Store, project: ProjectKey) -> None:
    """A development copy with the same records has decisions of its own."""
    save_changed(store, project, JOB, FIRST, "run-1")
    development = ProjectKey(project.url, project.project_id, "development")
    assert load_decisions(store, development, JOB).empty
    assert load_decisions(store, project, "send-surveys").empty
    assert list(decisions_of_record(store, development, "1")) == []


def test_records_that_are_not_named_keep_their_decisions(store: Store, project: ProjectKey) -> None:
    """A run for one record does not forget the others."""
    save_changed(store, project, JOB, FIRST, "run-1")
    save_changed(store, project, JOB, FIRST.head(1).assign(decision="closed"), "run-2")
    assert len(load_decisions(store, project, JOB)) == 3


def test_decisions_about_deleted_records_are_dropped(store: Store, project: ProjectKey) -> None:
    """A record that is no longer in the project leaves nothing, of this job; the others stay."""
    save_changed(store, project, JOB, FIRST, "run-1")
    save_changed(store, project, "send-surveys", FIRST, "run-1")
    forget(store, project, JOB, ["1", "never known"])
    assert list(load_decisions(store, project, JOB)["record"]) == ["01"]
    assert len(load_decisions(store, project, "send-surveys")) == 3


def test_a_first_run_of_a_large_study_is_quick(store: Store, project: ProjectKey) -> None:
    """5,000 decisions are kept in under 1 s of CPU, also when all of them change."""
    records = [str(number) for number in range(1000) for _ in range(5)]
    subjects = ["baseline", "m2", "m4", "m12", "m24"] * 1000
    large = pd.DataFrame({"record": records, "subject": subjects}).astype("str")
    for column in DECISION_COLUMNS[2:]:
        large[column] = f"{column} of this record and visit"
    for decision in ("first", "second"):
        before = time.process_time()
        assert save_changed(store, project, JOB, large.assign(decision=decision), "run") == 5000
        assert time.process_time() - before < 1


def test_fields_are_owned_from_the_first_claim_on(store: Store, project: ProjectKey) -> None:
    """Claims add up, again is no error, and another project is another matter."""
    assert owned_fields(store, project) == frozenset()
    claim_fields(store, project, ["vt_state", "vt_target"], "run-1")
    claim_fields(store, project, ["vt_target", "vt_opens"], "run-2")
    claim_fields(store, project, [], "run-3")
    assert owned_fields(store, project) == {"vt_state", "vt_target", "vt_opens"}
    development = ProjectKey(project.url, project.project_id, "development")
    assert owned_fields(store, development) == frozenset()
