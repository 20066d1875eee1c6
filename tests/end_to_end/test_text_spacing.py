"""Four studies, four processes, one sending number: never above one segment a second.

The one place where a test waits for real. Judged by the sandbox: when each POST that it accepted
arrived. Twelve and four texts; with REDCAP_JOBS_LONG_TESTS=1 sixty and sixty.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console
from study_home import PROD, Home
from text_chaos import due_today
from texting import ACCOUNT

from redcap_jobs.request import RunRequest, Terminal
from redcap_jobs.run import run_job
from redcap_jobs.sandbox.ismile import ismile_structure
from redcap_jobs.sandbox.people import fictitious_phone
from redcap_jobs.sandbox.project import SandboxProject, Settings
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sources import Sources
from redcap_jobs.state.store import Store
from redcap_jobs.study.loading import bundled_study_text

LONG = bool(os.environ.get("REDCAP_JOBS_LONG_TESTS"))
STUDIES = 4
PER_SEGMENT = 1.05
TO_MAKE_IT_LONG = "Your answers help us to look after the teeth of many more children. " * 2


@pytest.mark.parametrize(
    ("texts_each", "segments"),
    [(15 if LONG else 3, 1), (15 if LONG else 1, 2)],
    ids=["one segment", "two segments"],
)
def test_four_studies_share_one_number_without_haste_or_waste(
    texts_each: int, segments: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With answers of up to half a second: gaps of a second a segment, all within a tenth more."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(Sources, "look_again", lambda sources: [])  # not what is timed here
    projects = [project(number) for number in range(STUDIES)]
    with Sandbox(projects, twilio=ACCOUNT) as sandbox:
        sandbox.fault("twilio-timeout", rate=0.6, seconds=0.45)
        homes = [home(tmp_path, sandbox, number, texts_each, segments) for number in range(STUDIES)]
        together(homes)
        accepted = sandbox.twilio.accepted()
        assert {text.segments for text in accepted} == {segments}
        assert len({text.to for text in accepted}) == len(accepted) == STUDIES * texts_each
        arrived = sorted(text.monotonic for text in accepted)
        slow = sum(text.fault == "twilio-timeout" for text in accepted)
    gaps = [later - earlier for earlier, later in pairwise(arrived)]
    took, ideal = arrived[-1] - arrived[0], len(gaps) * PER_SEGMENT * segments
    sys.stdout.write(
        f"{len(arrived)} texts of {segments} segment(s), {slow} answered late: smallest gap "
        f"{min(gaps):.3f} s, {took:.2f} s in all, {took / ideal - 1:.1%} above the ideal\n"
    )
    assert min(gaps) >= 1.0 * segments
    assert took <= ideal * 1.1


def project(number: int) -> SandboxProject:
    """Return an empty project of a study's own."""
    return SandboxProject(
        4001 + number,
        f"Study {number}",
        ismile_structure(22041 + 100 * number),
        Settings(in_production=True, surveys_enabled=True, randomization_enabled=True),
        env_name=token_name(number),
    )


def token_name(number: int) -> str:
    return f"REDCAP_API_STUDY_{number}"


def daytime() -> str:
    """Return a time zone in which it is noon now."""
    hours = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"


def home(folder: Path, sandbox: Sandbox, number: int, people: int, segments: int) -> Home:
    """Write a study of its own, whose state is the one of all, and enter who is due today."""
    own = Home(folder / str(number), sandbox)
    own.folder.mkdir()
    text = re.sub(
        r'(?m)^url = ".*"$', f'url = "{sandbox.url}"', bundled_study_text("ismile"), count=1
    )
    text = text.replace(PROD, token_name(number)).replace("= 3041", f"= {4001 + number}")
    text = text.replace('id = "ismile"', f'id = "study-{number}"')
    text = text.replace('"America/Los_Angeles"', f'"{daytime()}"')
    text = re.sub(r"(?ms)^\[redcap.projects.REDCAP_API_ISMILE_DEV\].*?\n\n", "", text)
    text = re.sub(r"(?m)^hours = .*$", 'hours = "08:00-21:00"', text)
    text = text.replace("[sender]\n", f'[sender]\nurl = "{sandbox.twilio_url}"\n')
    if segments > 1:
        text = text.replace("Reply STOP", TO_MAKE_IT_LONG + "Reply STOP")
    own.study.write_text(text, encoding="utf-8")
    url = f"sqlite:///{folder / 'state.db'}"
    own.write(**sandbox.variables, REDCAP_JOBS_STATE_URL=url)
    Store.create(url).close()
    anchor = date.today() - timedelta(days=65)  # noqa: DTZ011 - a day more or less says nothing here
    rows = (
        due_today(f"S{number}-{one}", fictitious_phone(number * 50 + one))
        for one in range(1, people + 1)
    )
    own.enter(4001 + number, *({**row, "anchor_date": anchor.isoformat()} for row in rows))
    return own


def together(homes: Sequence[Home]) -> None:
    """Send the texts of all studies at once, each in a process of its own."""
    children = []
    for number, own in enumerate(homes):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the sandbox's thread is idle
            pid = os.fork()
        if pid == 0:
            code = 99
            try:
                code = send(own, token_name(number))
            except BaseException:  # noqa: BLE001 - told, then over
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert codes == [0] * len(homes)


def send(own: Home, token: str) -> int:
    """Run the job as cron does."""
    request = RunRequest("send-surveys", own.study, token, token, own.env_file, yes=True)
    quiet = Terminal(False, False, Console(quiet=True), lambda question: False)
    said = StringIO()
    with redirect_stderr(said):
        outcome = run_job(request, quiet)
    if outcome.exit_code:
        sys.stderr.write(f"{outcome.message} {outcome.problems} {said.getvalue()}")
    return int(outcome.exit_code)
