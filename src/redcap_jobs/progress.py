"""How far a run's writing came, for the message of a run that a failure ended."""

from __future__ import annotations

from dataclasses import dataclass

from redcap_jobs.errors import ExitCode


@dataclass
class Progress:
    """Cells to be written, None before it comes to that, and cells that REDCap has confirmed.

    ``acted`` of ``to_act`` actions were dealt with before: done, refused or held back; ``of_what``
    says what they are.
    """

    planned: int | None = None
    confirmed: int = 0
    acted: int = 0
    to_act: int = 0
    of_what: str = "texts"

    def act(self, done: int, of: int) -> None:
        """Note how many texts of how many are dealt with."""
        self.acted, self.to_act = done, of

    def confirm(self, cells: int) -> None:
        """Count cells that are stored."""
        self.confirmed += cells

    def counts(self) -> dict[str, int]:
        """Return the same for the run record; nothing where it did not come to writing."""
        if self.planned is None:
            return {}
        return {"cells_planned": self.planned, "cells_written": self.confirmed}

    def so_far(self) -> str:
        """Say what is known to be done; '' where it came to nothing."""
        dealt = f"{self.acted} of {self.to_act} {self.of_what} were dealt with"
        parts = [dealt] if self.acted else []
        if self.planned is not None:
            parts.append(f"{self.confirmed} of {self.planned} cells are known to be written")
        return ", ".join(parts)

    def after(self, error: Exception) -> str:
        """Say what an error leaves behind and what to do next.

        '' where it ends a run before its writing with a code of its own: set-up, usage, another
        run. Those say themselves what to do.

        An answer that was lost may have been to an import that was stored: so only what is known
        is said. The next run compares with what REDCap holds, and writes the difference.
        """
        code = getattr(error, "exit_code", ExitCode.PARTLY_FAILED)
        done = self.so_far()
        if not done and code != ExitCode.PARTLY_FAILED:
            return ""
        mended = "Once that is mended, " if not may_pass(error) else ""
        if not done:
            start = "start it again" if mended else "Start it again when REDCap answers"
            return f". Nothing was written. {mended}{start}, or wait for cron's next run"
        the = "the" if mended else "The"
        rest = "goes on with what is still due" if self.planned is None else "writes the rest"
        return f". {done}. {mended}{the} next run {rest}"


def may_pass(error: Exception) -> bool:
    """Tell whether an error is the server's bad moment and no matter of the request."""
    from redcap_jobs.redcap.errors import Banned, RedcapError, RequestRefused

    if not isinstance(error, RedcapError) or error.exit_code != ExitCode.PARTLY_FAILED:
        return False
    return not isinstance(error, Banned | RequestRefused)
