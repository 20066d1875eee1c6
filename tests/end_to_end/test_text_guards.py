"""Nothing is sent where more is due than a run may send, or where the state forgot what was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from study_home import PROD
from texting import Texting, lose_the_state, texting
from typed import typed

from redcap_jobs.errors import ExitCode


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Texting]:
    with texting(tmp_path, participants=120) as made:
        yield made


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


def test_a_survey_renamed_without_a_word_texts_nobody(study: Texting) -> None:
    """Its new id would be everybody's first: exit 4; with formerly it is the same survey."""
    study.run()
    sent = len(study.accepted)
    text = study.home.study.read_text(encoding="utf-8")
    for survey in ("m2", "m4", "m12", "m24"):
        text = text.replace(f"{survey}-survey", f"{survey}-again")
    study.home.study.write_text(text, encoding="utf-8")
    refused = study.run()
    assert refused.exit_code == ExitCode.REFUSED, refused
    assert 'formerly = ["m2-survey"]' in refused.message
    assert len(study.accepted) == sent
    assert study.run("poll-messages").exit_code != ExitCode.REFUSED
    for survey in ("m2", "m4", "m12", "m24"):
        study.home.edit_study(
            f'id = "{survey}-again"', f'id = "{survey}-again"\nformerly = ["{survey}-survey"]'
        )
    study.run()
    assert len(study.accepted) == sent


def test_a_server_with_a_new_address_texts_nobody_again(study: Texting) -> None:
    """Another spelling of the address is another project to the state: refused, then adopted."""
    study.run()
    sent = len(study.accepted)
    study.home.edit_study("http://127.0.0.1:", "http://localhost:")
    assert study.run().exit_code == ExitCode.REFUSED
    done = typed(study, "state", "adopt", study.home.study, "--token", PROD)
    assert f"{sent} texts taken over" in done.out
    study.run()
    assert len(study.accepted) == sent
    assert {"localhost" in row["sms_key"] for row in study.log_rows()} == {True}
