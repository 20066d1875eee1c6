"""Homes for end-to-end tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from study_home import NOW, Home, new_home

from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.server import Sandbox


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Give a home with 60 participants, fresh for each test."""
    with Sandbox(
        projects=ismile_projects(participants=60, seed=3, as_of=date(2026, 11, 22)), now=NOW
    ) as sandbox:
        yield new_home(tmp_path, sandbox)


@pytest.fixture
def large_home(tmp_path: Path) -> Iterator[Home]:
    """Give a home with the 850 participants that ISMILE planned to enrol."""
    with Sandbox(
        projects=ismile_projects(participants=850, seed=1, as_of=date(2026, 11, 22)), now=NOW
    ) as sandbox:
        yield new_home(tmp_path, sandbox)
