"""A server over the two small projects with a caller for each, and one with a Twilio account."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode adds no folder

from sandbox_projects import Caller, registry, trial
from twilio_texts import Raw, serving

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
def caller(longitudinal: Caller) -> Caller:
    """Return the caller where a test needs but one project."""
    return longitudinal


@pytest.fixture
def classic(server: Sandbox) -> Caller:
    return Caller(server.url, server.tokens["REDCAP_API_SMALL_REGISTRY"])


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve a Twilio account on a clock that stands still."""
    with serving() as sandbox:
        yield sandbox


@pytest.fixture
def raw(sandbox: Sandbox) -> Raw:
    return Raw(sandbox)
