"""The parts of messaging that jobs build on are pure: read off their source, not trusted."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from tests.jobs.test_purity import SOURCES, offences

import redcap_jobs.messaging

MESSAGING = Path(redcap_jobs.messaging.__file__).parent
PURE = (
    *("delivery", "hours", "keys", "phone", "reply_words", "segments", "statuses", "text"),
    *("twilio_codes", "lists", "logged_texts", "log_rows", "text_names", "twilio_answers"),
)
FOR_TYPES_ONLY = "TYPE_CHECKING"


def run_time_source(source: str) -> str:
    """Return a module's source without what only type checkers import."""
    tree = ast.parse(source)
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == FOR_TYPES_ONLY)
    ]
    return ast.unparse(tree)


@pytest.mark.parametrize("name", PURE)
def test_no_network_disk_clock_or_environment(name: str) -> None:
    """None imports what reaches the world or asks for the time; keys are quoted by urllib alone."""
    source = run_time_source((MESSAGING / f"{name}.py").read_text(encoding="utf-8"))
    found = [each for each in offences(source) if each.partition("imports ")[2] not in QUOTING]
    assert found == []


def test_jobs_build_on_nothing_else_of_messaging() -> None:
    """A module that asks Twilio, REDCap or the state is not reached by way of a job's import."""
    imported = {
        found
        for path in SOURCES
        for found in re.findall(r"redcap_jobs\.messaging\.(\w+)", path.read_text(encoding="utf-8"))
    }
    assert "keys" in imported
    assert imported <= set(PURE)


QUOTING = ("urllib.parse", "urllib.parse.quote", "urllib.parse.unquote")
"""Text in, text out."""


def test_the_reader_still_finds_offences() -> None:
    """What is hidden for type checkers is left out, nothing else is."""
    source = "if TYPE_CHECKING:\n    import os\nimport time\n"
    assert offences(run_time_source(source)) == ["line 1: imports time"]
