"""Real second processes for the tests: forked, told apart by what they print, killed when asked."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, Self


class Child:
    """A forked process that runs ``work(say)`` and then waits until it is killed or let go.

    ``say(text)`` sends one line to the parent; ``heard()`` waits for the next one ('' at the end).
    """

    def __init__(self, work: Callable[[Callable[[str], None]], None]) -> None:
        reading, writing = os.pipe()
        letting_go, self._let_go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            os.close(self._let_go)
            self._be_the_child(work, writing, letting_go)
        os.close(writing)
        os.close(letting_go)
        self._lines = os.fdopen(reading)
        self._ended = False

    def _be_the_child(
        self, work: Callable[[Callable[[str], None]], None], writing: int, letting_go: int
    ) -> NoReturn:
        def say(text: str) -> None:
            os.write(writing, f"{text}\n".encode())
            if text == "wait":
                os.read(letting_go, 1)

        code = 1
        try:
            work(say)
            code = 0
        except BaseException as error:  # noqa: BLE001 - everything is told to the parent
            os.write(writing, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)

    def heard(self) -> str:
        return self._lines.readline().rstrip("\n")

    def heard_all(self) -> list[str]:
        return [line.rstrip("\n") for line in self._lines]

    def let_go(self) -> None:
        os.write(self._let_go, b"x")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        self._ended = True
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._ended:
            self.kill()
        self._lines.close()
        os.close(self._let_go)
