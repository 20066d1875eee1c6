"""Commands as somebody types them, in this process and on the clock of the texting study."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import time_machine
from study_home import Done
from texting import Texting

from redcap_jobs.cli import main


def typed(study: Texting, *arguments: str | Path) -> Done:
    """Run ``redcap-jobs ARGUMENTS --env-file FILE`` at the instant the study's clock shows."""
    out, err = io.StringIO(), io.StringIO()
    words = [str(each) for each in (*arguments, "--env-file", study.home.env_file)]
    before, sys.argv = sys.argv, ["redcap-jobs", *words]
    code: object = None
    try:
        with (
            redirect_stdout(out),
            redirect_stderr(err),
            time_machine.travel(study.clock.now(), tick=True),
        ):
            main()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.argv = before
    assert isinstance(code, int)
    return Done(code, out.getvalue(), err.getvalue())
