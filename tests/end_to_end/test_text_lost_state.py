"""The state is out of reach right after Twilio took a text: found again, and never sent twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from test_text_promises import make_due, only
from texting import Texting, texting

from redcap_jobs.errors import ExitCode, StateError
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
