"""Run the command line without its pauses, and die by SIGKILL when a named step is reached.

``python wrapped.py "step import done" compute-visit-windows --study … --verbose``; the step '' is
never reached. A pause between two tries says nothing about the result, so none is waited for.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from datetime import timedelta

from redcap_jobs.clock import SystemClock


class KillAt(logging.Handler):
    """A handler that ends the process, without a chance to clean up, at one log message."""

    def __init__(self, step: str) -> None:
        super().__init__(logging.DEBUG)
        self.step = step

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def no_pause(self: SystemClock, pause: timedelta) -> None:
    """Stand in for the machine's clock."""


def main() -> None:
    step = sys.argv.pop(1)
    SystemClock.sleep = no_pause  # type: ignore[method-assign] - the one thing that is replaced
    logging.getLogger("redcap_jobs").addHandler(KillAt(step))
    from redcap_jobs.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
