"""Run the command line and die by SIGKILL when the log says that a named step is reached.

``python killable.py "step import done" compute-visit-windows --study … --verbose``
"""

from __future__ import annotations

import logging
import os
import signal
import sys


class KillAt(logging.Handler):
    """A handler that ends the process, without a chance to clean up, at one log message."""

    def __init__(self, step: str) -> None:
        super().__init__(logging.DEBUG)
        self.step = step

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    step = sys.argv.pop(1)
    logger = logging.getLogger("redcap_jobs")
    logger.addHandler(KillAt(step))
    from redcap_jobs.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
