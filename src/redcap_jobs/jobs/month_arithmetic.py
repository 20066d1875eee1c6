"""Calendar months over whole columns of dates: clipped to the month's end, never chained."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Dates: TypeAlias = npt.NDArray[np.datetime64]
"""``datetime64[D]``, NaT where blank: a date of some zone, with no time and no zone of its own."""

Spans: TypeAlias = npt.NDArray[np.timedelta64]
"""``timedelta64[D]`` or ``timedelta64[M]``, NaT where there is none."""


def add_months(dates: Dates, months: Spans) -> Dates:
    """Give each date moved by whole calendar months, its day clipped to the end of the month.

    ``dates`` is ``datetime64[D]``, ``months`` ``timedelta64[M]`` (negative moves back); they
    broadcast. A blank on either side gives NaT. 31 January + 1 month is 28 (29) February and
    + 2 months is 31 March, so a schedule adds from the anchor and never from an earlier result.
    """
    month = dates.astype("datetime64[M]")
    day_of_month = dates - month.astype("datetime64[D]")
    moved = month + months
    first_day: Dates = moved.astype("datetime64[D]")
    next_first_day: Dates = (moved + np.timedelta64(1, "M")).astype("datetime64[D]")
    last_day = next_first_day - first_day - np.timedelta64(1, "D")
    moved_dates: Dates = first_day + np.minimum(day_of_month, last_day)
    return moved_dates
