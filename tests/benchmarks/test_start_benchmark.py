"""How quickly the command line answers, beside a bare ``import click`` in the same run."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = 11


def cpu_of(*arguments: str) -> float:
    """Return the CPU seconds (user and system) of one child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_costs_at_most_three_times_a_bare_import_of_click(benchmark: BenchmarkFixture) -> None:
    """``redcap-jobs --help`` imports no pandas, no SQLAlchemy, no requests."""

    def both() -> tuple[float, float]:
        helped = [cpu_of("-m", "redcap_jobs", "--help") for _ in range(ROUNDS)]
        bare = [cpu_of("-c", "import click") for _ in range(ROUNDS)]
        return statistics.median(helped), statistics.median(bare)

    helped, bare = benchmark.pedantic(both, rounds=1)
    benchmark.extra_info.update(help_seconds=helped, click_seconds=bare, ratio=helped / bare)
    assert helped <= 3 * bare
