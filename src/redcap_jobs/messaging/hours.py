"""The hours in which a study texts, in the recipient's own zone, never outside 08-21.

Telephone solicitations in the United States are bound to 8 a.m. to 9 p.m. at the called party's
place (47 CFR 64.1200(c)(1)); whether research texts are solicitations is not settled, so these
hours are a floor for everybody, and a study file only makes them narrower.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "every_day": DAYS,
    "weekdays": DAYS[:5],
    "weekend": DAYS[5:],
    **{day: (day,) for day in DAYS},
}
"""Key of the table → the days it speaks of; the narrower comes later and wins."""
EARLIEST, LATEST = time(8), time(21)
SPAN = re.compile(r"(\d\d):(\d\d)\s*-\s*(\d\d):(\d\d)")
LOOK_AHEAD_DAYS = 9
"""A week, and a day on either side."""

Span: TypeAlias = tuple[time, time]


@dataclass(frozen=True)
class Hours:
    """Allowed hours by weekday, Monday first; None: no texts on that day.

    ``written`` are the key and span pairs of the study file.
    """

    spans: tuple[Span | None, ...]
    written: tuple[tuple[str, str], ...]

    def is_open(self, instant: datetime, zone: str) -> bool:
        """Tell whether a text may go out at an aware instant to somebody in ``zone``."""
        return self.closes_at(instant, zone) is not None

    def closes_at(self, instant: datetime, zone: str) -> datetime | None:
        """Return the aware UTC instant at which the hours under way end; None outside of them."""
        day = instant.astimezone(ZoneInfo(zone)).date()
        bounds = self._bounds(day, zone)
        return bounds[1] if bounds and bounds[0] <= instant < bounds[1] else None

    def opens_next(self, instant: datetime, zone: str) -> datetime | None:
        """Return the first aware UTC instant from ``instant`` on that is allowed; None: never."""
        today = instant.astimezone(ZoneInfo(zone)).date()
        for ahead in range(LOOK_AHEAD_DAYS):
            bounds = self._bounds(today + timedelta(days=ahead), zone)
            if bounds and instant < bounds[1]:
                return max(bounds[0], instant)
        return None

    def _bounds(self, day: date, zone: str) -> tuple[datetime, datetime] | None:
        """Return opening and close of one local day as UTC instants."""
        span = self.spans[day.weekday()]
        if span is None:
            return None
        opens, closes = (
            datetime.combine(day, each, ZoneInfo(zone)).astimezone(UTC) for each in span
        )
        return opens, closes


def parse_hours(written: Mapping[str, str]) -> Hours:
    """Parse a table of hours: ``every_day``, ``weekdays``, ``weekend`` or a day → ``"09:00-20:00"``.

    "" means no texts on those days; of two keys for one day the narrower counts.

    Raises:
        ValueError: A key or span is unknown or lies outside 08:00-21:00, or no day has hours.

    """
    unknown = sorted(set(written) - set(GROUPS))
    if unknown:
        raise ValueError(f'"{unknown[0]}" is no weekday; known: {", ".join(GROUPS)}')
    by_day: dict[str, Span | None] = {}
    for key, days in GROUPS.items():
        if key in written:
            by_day.update(dict.fromkeys(days, parse_span(written[key])))
    if not any(by_day.values()):
        raise ValueError("no day has hours, so that nothing could ever be sent")
    return Hours(tuple(by_day.get(day) for day in DAYS), tuple(written.items()))


def parse_span(text: str) -> Span | None:
    """Parse ``09:00-20:00``; '' is no hours at all. Raises ValueError."""
    if not text.strip():
        return None
    found = SPAN.fullmatch(text.strip())
    try:
        first, second, third, fourth = map(int, found.groups() if found else ())
        opens, closes = time(first, second), time(third, fourth)
    except ValueError as error:
        raise ValueError(f'"{text}" must be written as "09:00-20:00"') from error
    if closes <= opens:
        raise ValueError(f'"{text}" ends before it begins')
    if opens < EARLIEST or closes > LATEST:
        raise ValueError(f'"{text}" lies outside 08:00-21:00, in which alone texts may go out')
    return opens, closes
