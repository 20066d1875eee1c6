"""Rows of the project's own log for calls about its structure: ``Manage/Design`` and a detail.

The words are recorded for the dictionary, instruments, project information, version, data access
groups and user assignments; the others are modelled on them (own answer).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from redcap_jobs.sandbox.answers import Answer
from redcap_jobs.sandbox.context import Context

MANAGE = "Manage/Design "
"""The blank at its end is recorded."""


def noted(details: str) -> Callable[[Callable[[Context], Answer]], Callable[[Context], Answer]]:
    """Return a decorator that notes a call of this kind when it was answered, not when refused."""

    def decorate(answer: Callable[[Context], Answer]) -> Callable[[Context], Answer]:
        @wraps(answer)
        def answer_and_note(context: Context) -> Answer:
            given = answer(context)
            context.note("manage", MANAGE, details)
            return given

        return answer_and_note

    return decorate
