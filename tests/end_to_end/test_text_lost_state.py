"""State or Twilio out of reach right after a text was accepted; and texts half an hour apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from test_text_promises import make_due, only
from texting import Texting, pace_by, texting

from redcap_jobs.errors import ExitCode, StateError
from redcap_jobs.messaging.twilio_answers import TwilioUnreachable
from redcap_jobs.messaging.watch import Seen, Watch
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.throttle import Throttle

FAR = timedelta(minutes=20)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Texting]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    with texting(tmp_path, participants=20, seed=5) as made:
        only(made, make_due(made, 6))
        yield made


def fails_once(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    """Let one method of the state fail the first time it is called, after a text was accepted."""
    real: Callable[..., object] = getattr(owner, name)
    calls = []

    def failing(*arguments: object, **more: object) -> object:
        calls.append(name)
        if len(calls) == 1:
            raise StateError("the state: server closed the connection unexpectedly")
        return real(*arguments, **more)

    monkeypatch.setattr(owner, name, failing)


def is_gone(*_: object) -> bool:
    """Every run has a process of its own, which ends with it; here they share this one."""
    return False


@pytest.mark.parametrize(
    ("owner", "name"), [(Throttle, "_release"), (Journal, "sent")], ids=["release", "settle"]
)
def test_a_text_that_was_accepted_is_found_again(
    study: Texting, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    """The run ends as failed; the next knows the text by its SID, and everybody gets one."""
    fails_once(monkeypatch, owner, name)
    run = study.run()
    assert run.exit_code != ExitCode.DONE
    assert len(study.accepted) == 1
    monkeypatch.setitem(Throttle.__init__.__kwdefaults__, "alive", is_gone)
    study.clock.pass_by(FAR)
    assert study.run("poll-messages").exit_code == ExitCode.DONE
    study.run()
    phones = [text.to for text in study.accepted]
    assert len(set(phones)) == len(phones) >= 5
    logged = sorted(row["sms_sid"] for row in study.log_rows())
    assert logged == sorted(text.sid for text in study.accepted)


def test_a_run_for_one_record_finds_that_the_state_was_lost(study: Texting) -> None:
    """Its text would fill the empty journal, and the next run for all would trust that."""
    state = study.home.folder / "state.db"
    empty = state.read_bytes()
    study.run(records=("T1001",))
    assert len(study.accepted) == len(study.log_rows()) == 1
    state.write_bytes(empty)
    for left in study.home.folder.glob("state.db-*"):
        left.unlink()
    run = study.run(records=("T1002",))
    assert (run.exit_code, len(study.accepted)) == (ExitCode.REFUSED, 1)


def test_results_are_written_back_though_twilio_cannot_be_asked_again(
    study: Texting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the texts its list is out of reach: REDCap has them all the same, and it is told."""

    def out_of_reach(watch: Watch) -> Seen:
        raise TwilioUnreachable("Twilio answered HTTP 503")

    monkeypatch.setattr(Watch, "follow", out_of_reach)
    run = study.run()
    assert (run.state, run.exit_code) == ("partial", ExitCode.PARTLY_FAILED)
    assert sum("HTTP 503" in problem for problem in run.problems) == 1
    logged = sorted(row["sms_sid"] for row in study.log_rows())
    assert logged == sorted(text.sid for text in study.accepted)
    assert len(logged) == 6


def test_a_study_may_leave_half_an_hour_between_texts(
    study: Texting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run sends them all, each after its wait; what decides and the replies are read anew."""
    study.home.edit_study("seconds_between = 1.05", "seconds_between = 1800")
    pace_by(study.clock, monkeypatch)
    assert study.run().exit_code == ExitCode.DONE
    times = [text.at for text in study.accepted]
    assert [round((after - before).total_seconds()) for before, after in pairwise(times)] == [
        1800
    ] * 5
