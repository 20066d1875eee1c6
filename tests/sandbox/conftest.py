"""A server over the two small projects, and a caller for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode adds no folder

from sandbox_projects import Caller, registry, trial

from redcap_jobs.sandbox.server import Sandbox

NOW = datetime(2026, 11, 22, 12, 30, 0, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox([trial(), registry()], now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def longitudinal(server: Sandbox) -> Caller:
    return Caller(server.url, server.tokens["REDCAP_API_SMALL_TRIAL"])


@pytest.fixture
def classic(server: Sandbox) -> Caller:
    return Caller(server.url, server.tokens["REDCAP_API_SMALL_REGISTRY"])
