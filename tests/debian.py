"""What some tests need from Debian beyond Python: skipped without it, failed without it in CI."""

from __future__ import annotations

import os
import shutil

import pytest


def program(name: str, package: str) -> str:
    """Return the path of a program, or end the test: see :func:`lacking`."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin")
    return found or lacking(f"{name} was not found; install Debian's {package}")


def lacking(reason: str) -> str:
    """End a test that cannot run on this machine.

    With CI set in the environment it fails, since there everything must be in place; elsewhere it
    is skipped, with the reason in pytest's summary.
    """
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (CI is set, so this is no reason to skip)", pytrace=False)
    pytest.skip(reason)
