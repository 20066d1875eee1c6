"""What a run that failed says of what it leaves behind."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from redcap_jobs.errors import AnotherRunActive, CredentialsError, StateError
from redcap_jobs.progress import Progress
from redcap_jobs.redcap.errors import Banned, ServerFailed
from redcap_jobs.render import progress_bar

WHERE = {"label": "REDCAP_API_X", "content": "record"}


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            ServerFailed("HTTP 500", **WHERE),
            ". Nothing was written. Start it again when REDCap answers, or wait for cron's next run",
        ),
        (
            Banned("banned", **WHERE),
            ". Nothing was written. Once that is mended, start it again, or wait for cron's next run",
        ),
        (AnotherRunActive("another run"), ""),
        (CredentialsError("no token"), ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_before_anything_was_written(error: Exception, says: str) -> None:
    """The server's bad moment passes by itself; other things are to be mended first."""
    assert Progress().after(error) == says
    assert Progress().counts() == {}


@pytest.mark.parametrize("error", [CredentialsError("token refused"), StateError("disk is full")])
def test_texts_that_went_out_before_are_told(error: Exception) -> None:
    """A run that ends among its texts never says that nothing happened."""
    progress = Progress()
    progress.act(2, 17)
    assert progress.after(error) == (
        ". 2 of 17 texts were dealt with. Once that is mended, the next run goes on with what is "
        "still due"
    )
    progress.planned = 6
    assert (
        progress.so_far() == "2 of 17 texts were dealt with, 0 of 6 cells are known to be written"
    )


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ServerFailed("HTTP 500", **WHERE), ". The next run writes the rest"),
        (StateError("disk is full"), ". Once that is mended, the next run writes the rest"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_in_the_middle_of_writing(error: Exception, says: str) -> None:
    """What REDCap confirmed is counted; an import whose answer was lost is not claimed."""
    progress = Progress(planned=120)
    progress.confirm(50)
    progress.confirm(30)
    assert progress.after(error) == ". 80 of 120 cells are known to be written" + says
    assert progress.counts() == {"cells_planned": 120, "cells_written": 80}


@pytest.mark.parametrize(
    ("of", "lines"),
    [
        (49, []),
        (700, [f"  {done} of 700 texts" for done in range(70, 700, 70)]),
        (55, [f"  {done} of 55 texts" for done in (6, 11, 17, 22, 28, 33, 39, 44, 50)]),
    ],
)
def test_many_actions_are_followed_in_lines(of: int, lines: list[str]) -> None:
    """Where no bar can be drawn and somebody looks on: a line at each tenth, none for a few."""
    written = io.StringIO()
    console = Console(file=written, width=80)
    with progress_bar(console, wanted=False, in_lines=True) as tell:
        for done in range(1, of + 1):
            tell(done, of)
    assert written.getvalue().splitlines() == lines


def test_cron_is_told_nothing_on_the_way() -> None:
    """It would mail every line."""
    written = io.StringIO()
    with progress_bar(Console(file=written), wanted=False) as tell:
        for done in range(1, 101):
            tell(done, 100)
    assert written.getvalue() == ""
