"""One export in a process of its own, measured: ``export_once.py WHO READER URL COLUMN...``.

WHO is ``redcap_jobs`` or ``pycap``; READER ``plain`` forbids pyarrow, ``arrow`` imports it first.
Prints CPU seconds (user and system) and by how many MB the export alone raised the peak of
resident memory: imports are over by then, and PyCap has read the structure it looks at. The peak
is the kernel's VmHWM, since ``ru_maxrss`` begins with the size of the process that started this.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

TOKEN = "0123456789ABCDEF0123456789ABCDEF"  # made up


def pycap(url: str, fields: list[str]) -> Callable[[], object]:
    import redcap

    project = redcap.Project(url, TOKEN)  # type: ignore[attr-defined] # PyCap declares no exports
    assert project.metadata
    assert project.is_longitudinal
    return lambda: project.export_records(format_type="df", fields=["record_id", *fields])


def redcap_jobs(url: str, fields: list[str]) -> Callable[[], object]:
    from redcap_jobs.clock import SystemClock
    from redcap_jobs.redcap.budget import RequestBudget
    from redcap_jobs.redcap.client import RedcapClient

    clock = SystemClock()
    folder = Path(tempfile.mkdtemp())
    budget = RequestBudget(folder, url, per_minute=300, clock=clock)
    client = RedcapClient(url, TOKEN, "BENCHMARK", budget=budget, clock=clock)
    return lambda: client.export_rows(fields, record_id_field="record_id")


def peak_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    who, reader, url, *fields = sys.argv[1:]
    if reader == "plain":
        sys.modules["pyarrow"] = None  # type: ignore[assignment] # an import of it now fails
    else:
        import pyarrow.csv  # noqa: F401 - loaded before the measurement, for both
    import pandas as pd

    export = {"pycap": pycap, "redcap_jobs": redcap_jobs}[who](url, fields)
    peak, before = peak_megabytes(), getrusage(RUSAGE_SELF)
    rows = export()
    after, growth = getrusage(RUSAGE_SELF), peak_megabytes() - peak
    assert isinstance(rows, pd.DataFrame)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu": seconds, "memory": growth, "rows": len(rows)}))  # noqa: T201 - result


if __name__ == "__main__":
    main()
