"""Calendar months: every month case of the definition set, and a peer over all dates."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st
from visit_tables import rows_of

from redcap_jobs.jobs.month_arithmetic import add_months

KNOWN = rows_of("""
    from       | months | gives
    2003-01-31 |      1 | 2003-02-28
    2003-01-31 |      2 | 2003-03-31
    2018-01-31 |      2 | 2018-03-31
    2000-02-29 |     12 | 2001-02-28
    2012-02-29 |     12 | 2013-02-28
    2012-02-29 |     13 | 2013-03-29
    2020-02-29 |     12 | 2021-02-28
    2020-02-29 |     24 | 2022-02-28
    2020-02-29 |     48 | 2024-02-29
    2010-05-31 |     -1 | 2010-04-30
    2010-05-31 |     -2 | 2010-03-31
    2010-05-31 |     -3 | 2010-02-28
    2018-03-09 |      2 | 2018-05-09
    2018-03-09 |      4 | 2018-07-09
    2018-03-09 |     12 | 2019-03-09
    2018-03-09 |     24 | 2020-03-09
    2018-12-31 |      2 | 2019-02-28
    2018-12-31 |      0 | 2018-12-31
""")


def moved(day: str | date, months: int) -> str:
    dates = np.array([day], dtype="datetime64[D]")
    return str(add_months(dates, np.array([months], dtype="timedelta64[M]"))[0])


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: f"{case['from']} {int(case['months']):+d}")
def test_the_day_is_clipped_to_the_end_of_the_month(case: dict[str, str]) -> None:
    """Month ends and leap days answer as in dateutil's and lubridate's own tests."""
    assert moved(case["from"], int(case["months"])) == case["gives"]


def test_months_are_added_from_the_anchor_never_chained() -> None:
    """31 January + 1 + 1 month would end on 28 March; + 2 months from the anchor is 31 March."""
    assert moved(moved("2018-01-31", 1), 1) == "2018-03-28"
    assert moved("2018-01-31", 2) == "2018-03-31"


def test_a_month_is_not_thirty_days() -> None:
    """From 9 March 2018, 24 calendar months and 720 days lie 11 days apart."""
    by_days = np.datetime64("2018-03-09") + np.timedelta64(720, "D")
    assert str(by_days) == "2020-02-27"
    assert moved("2018-03-09", 24) == "2020-03-09"


def test_a_blank_date_or_a_blank_span_gives_a_blank() -> None:
    """No anchor, or a target that is not in months, has no date; nothing is raised."""
    assert moved("NaT", 2) == "NaT"
    dates = np.array(["2018-01-31"], dtype="datetime64[D]")
    assert np.isnat(add_months(dates, np.array(["NaT"], dtype="timedelta64[M]")))[0]


@given(
    days=st.lists(st.dates(date(1900, 1, 1), date(2150, 12, 31)), min_size=1, max_size=50),
    months=st.integers(-600, 600),
)
def test_any_date_and_span_agree_with_dateutil(days: list[date], months: int) -> None:
    """The vectorised answer equals dateutil's relativedelta for every date."""
    ours = add_months(np.array(days, dtype="datetime64[D]"), np.timedelta64(months, "M"))
    assert ours.astype(object).tolist() == [day + relativedelta(months=months) for day in days]
