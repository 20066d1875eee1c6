"""Answers that are one short text in every format: a version, a record name."""

from __future__ import annotations

import re

from redcap_jobs.redcap.answers import ERROR_BYTES, Answer, unmarked

VERSION = re.compile(r"\d+(\.\d+)+\w*")
LONGEST_LINE = 100


def read_text(answer: Answer) -> str:
    """Read a short plain text: a version, a record name."""
    return unmarked(answer.body(ERROR_BYTES)).decode("utf-8", errors="replace").strip()


def read_version(answer: Answer) -> str:
    """Read a version; '' for another short plain text.

    A run only notes the version, so that one in an odd form must not end it; a page must.
    """
    text = read_text(answer).strip("\"' ")
    if VERSION.fullmatch(text):
        return text
    if not text or len(text) > LONGEST_LINE or set(text) & set("<{[\n"):
        raise answer.call.unusable("the answer is no version")
    return ""


def read_record_name(answer: Answer) -> str:
    """Read a record name: one short line."""
    text = read_text(answer).strip('"')
    if not text or len(text) > LONGEST_LINE or "\n" in text:
        raise answer.call.unusable("the answer is no record name")
    return text
