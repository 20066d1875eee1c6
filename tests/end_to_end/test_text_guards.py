"""Nothing is sent where more is due than a run may send, or where the state forgot what was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from texting import Texting, texting

from redcap_jobs.clock import SystemClock
from redcap_jobs.errors import ExitCode
from redcap_jobs.state.store import Store


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Texting]:
    with texting(tmp_path, participants=120) as made:
        yield made


def lose_the_state(study: Texting) -> None:
    """Put a new, empty state where the old one was."""
    for end in ("", "-wal", "-shm"):
        (study.home.folder / f"state.db{end}").unlink(missing_ok=True)
    Store.create(study.home.state_url, clock=SystemClock()).close()


def test_more_texts_than_a_run_may_send_are_refused(study: Texting) -> None:
    """A wrong date would text everybody: exit 4, nothing sent, and the way to allow it is named."""
    study.home.edit_study("per_run = 500", "per_run = 2")
    refused = study.run()
    assert refused.exit_code == ExitCode.REFUSED
    assert study.accepted == []
    assert study.log_rows() == []
    assert "the limit for a run is 2" in refused.message
    needed = refused.message.rpartition("--allow texts=")[2]
    assert int(needed) > 2
    allowed = study.run(allow={"texts": needed})
    assert len(study.accepted) == int(needed), allowed


def test_a_state_that_lost_its_texts_sends_none(study: Texting) -> None:
    """REDCap's message log is the second memory: beside an empty journal it refuses with exit 4."""
    study.run()
    sent = len(study.accepted)
    assert sent
    lose_the_state(study)
    refused = study.run()
    assert refused.exit_code == ExitCode.REFUSED, refused
    assert f"holds {sent} texts of this project" in refused.message
    assert "redcap-jobs state adopt" in refused.message
    assert len(study.accepted) == sent
