"""Plain text from texts that REDCap's editor wrote as HTML: survey instructions, field labels."""

from __future__ import annotations

import html
import re
from functools import lru_cache

BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|ul|ol|table|h[1-6])>", re.IGNORECASE)
TAG = re.compile(
    r"</?(?:a|b|br|center|div|em|font|h[1-6]|hr|i|img|li|ol|p|s|small|span|strike|strong|sub|sup"
    r"|table|tbody|td|th|thead|tr|u|ul)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
"""What the editor knows; ``age <5`` is no tag."""


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text, without tags, entities resolved, no blank ones."""
    plain = html.unescape(TAG.sub("", BREAK.sub("\n", text))).replace("\xa0", " ")
    return [one.strip() for one in plain.splitlines() if one.strip()]


@lru_cache(maxsize=4096)
def one_line(text: str) -> str:
    """Return a label without tags in one line; kept for the next time, so never give it a value."""
    return " ".join(paragraphs(text))
