"""Lets the tests of this folder share their tables: pytest's importlib mode adds no folder.

Hypothesis judges no example by its time: a busy machine is not a defect.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
sys.path.insert(0, str(Path(__file__).parent))
