"""PyCap, unmodified, against the sandbox: all its public methods, in all formats they offer.

What works is written into the sandbox's README by the last test, so that nobody types that table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pycap_calls import ALL, CHECKS, REPORT
from sandbox_projects import trial

import redcap
from redcap_jobs.sandbox.project import SandboxProject, Settings
from redcap_jobs.sandbox.report import Report
from redcap_jobs.sandbox.server import Sandbox

DOCUMENT = Path(__file__).parents[2] / "src" / "redcap_jobs" / "sandbox" / "README.md"
BEGIN, END = "<!-- pycap -->\n", "<!-- /pycap -->\n"
CASES = [(name, format_) for name, check in CHECKS.items() for format_ in check.formats]


def project_with_everything() -> SandboxProject:
    """Return the small trial with a survey and a report."""
    project = trial()
    forms = tuple(
        replace(form, survey=True) if form.name == "visit" else form
        for form in project.structure.forms
    )
    project.change(
        structure=replace(project.structure, forms=forms),
        settings=Settings(surveys_enabled=True),
        reports={int(REPORT): Report(int(REPORT), "Sexes", ("record_id", "sex"))},
    )
    return project


@pytest.fixture
def pycap() -> Iterator[redcap.Project]:  # type: ignore[name-defined] # PyCap declares no exports
    with Sandbox([project_with_everything()]) as sandbox:
        token = sandbox.project(901).token
        yield redcap.Project(sandbox.url, token)  # type: ignore[attr-defined] # as above


def test_no_public_method_of_pycap_is_left_out() -> None:
    """A new release of PyCap with a new method fails here until there is a check for it."""
    public = {name for name in dir(redcap.Project) if not name.startswith("_")}  # type: ignore[attr-defined] # as above
    assert set(CHECKS) == public


@pytest.mark.parametrize(("name", "format_"), CASES, ids=[f"{a}-{b}" for a, b in CASES])
def test_pycap_does_what_it_offers(
    pycap: redcap.Project,  # type: ignore[name-defined] # as above
    name: str,
    format_: str,
) -> None:
    """The check of one method in one format, see ``pycap_calls``."""
    CHECKS[name].run(pycap, format_)


def works(name: str, format_: str) -> bool:
    """Run one check on a sandbox of its own."""
    with Sandbox([project_with_everything()]) as sandbox:
        project = redcap.Project(sandbox.url, sandbox.project(901).token)  # type: ignore[attr-defined] # as above
        try:
            CHECKS[name].run(project, format_)
        except Exception:  # noqa: BLE001 - whatever goes wrong, it does not work
            return False
    return True


def table() -> str:
    """Return the Markdown table of methods and what works."""
    lines = [
        f"{len(CHECKS)} public names of PyCap's `Project`:",
        "",
        "| method | json | csv | xml | DataFrame |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, check in sorted(CHECKS.items()):
        if check.formats == ("",):
            cells = ["yes" if works(name, "") else "**no**", "", "", ""]
        else:
            cells = [
                ("yes" if works(name, format_) else "**no**") if format_ in check.formats else "-"
                for format_ in ALL
            ]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_the_table_in_the_document_is_what_was_found() -> None:
    """The table is rewritten where it differs; commit the file then."""
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    new = table()
    if old != new:
        DOCUMENT.write_text(before + BEGIN + new + END + after)
    assert old == new, "the sandbox's README was out of date; it is rewritten now: commit it"
