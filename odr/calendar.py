"""The calendar: how long a window is, and the instant at which it ends.

**Natural days** are 24 hours each. A window of n natural days that starts at an instant ends
exactly n times 24 hours later. Anybody can recompute it without a time-zone table, a window
that starts later never ends earlier, and nobody's window is an hour shorter than another's.
Where the clocks change in between, the local time of the end differs by that hour from the
local time of the start; people are shown the instant itself, in their own zone.

**Working days** are whole days of the place: neither weekend nor public holiday there, with
the weekends that a place declares working days (as China does) counted. The day of the start
is not counted, whatever its hour; the window ends with the last hour of its last day, that is
at the midnight that begins the day after it. So Council Regulation (EEC, Euratom) No 1182/71,
article 3(1) and (2)(b), read with article 3(3) and 2(2). The place's zone says what a day is;
where the clocks skip midnight, the day begins at the first instant after the gap.

A window is over at its end and no sooner: what happens before that instant is in time, what
happens at it or after is late. Instants come in aware of a zone and go out in UTC.

Holidays come from the ``holidays`` library and some are announced only a year ahead: compute an
end once, when the window opens, and keep it. The module knows no case and no rulebook.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import holidays

from odr.errors import Invalid

DAYS_MAX: Final = 9999
_DAY: Final = timedelta(days=1)
_WRITTEN: Final = re.compile(r"([1-9][0-9]{0,3}) (working )?(day|days)")


@dataclass(frozen=True, slots=True)
class Length:
    """How long a window is: so many natural or working days, 1 to ``DAYS_MAX``."""

    days: int
    working: bool = False

    def __post_init__(self) -> None:
        if type(self.days) is not int or not 1 <= self.days <= DAYS_MAX:
            raise ValueError(f"a window has 1 to {DAYS_MAX} days, not {self.days}")

    def __str__(self) -> str:
        return f"{self.days} {'working ' if self.working else ''}day{'s' * (self.days > 1)}"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose working days count: a country and part of it (ISO 3166), and an IANA time zone.

    One that does not exist is refused: ``Invalid`` with ``unknown_country``,
    ``unknown_subdivision`` or ``unknown_zone``.
    """

    country: str
    zone: str
    subdivision: str | None = None

    def __post_init__(self) -> None:
        known = _countries()
        if self.country not in known:
            raise Invalid(("country",), "unknown_country", country=self.country)
        if self.subdivision is not None and self.subdivision not in known[self.country]:
            raise Invalid(("subdivision",), "unknown_subdivision", subdivision=self.subdivision)
        if self.zone not in _zones():
            raise Invalid(("zone",), "unknown_zone", zone=self.zone)

    def is_working(self, day: date) -> bool:
        """Say whether ``day`` is a working day here."""
        return _holidays(self.country, self.subdivision).is_working_day(day)


def parse(text: str) -> Length:
    """Read ``5 days``, ``1 day`` or ``2 working days``; ``ValueError`` on any other spelling."""
    match = _WRITTEN.fullmatch(text)
    length = Length(int(match[1]), working=match[2] is not None) if match else None
    if length is None or str(length) != text:
        raise ValueError(f'write a length as "5 days" or "2 working days", not "{text}"')
    return length


def due(start: datetime, length: Length, place: Place) -> datetime:
    """Give the instant (UTC) at which a window of ``length`` that opens at ``start`` is over.

    ``ValueError`` if ``start`` has no zone.
    """
    start = _utc(start)
    if not length.working:
        return start + length.days * _DAY
    zone = ZoneInfo(place.zone)
    day = start.astimezone(zone).date()
    counted = 0
    while counted < length.days:
        day += _DAY
        counted += place.is_working(day)
    return _beginning(day + _DAY, zone)


def half_time(start: datetime, end: datetime) -> datetime:
    """Give the instant (UTC) at which half of a window has passed."""
    start, end = _utc(start), _utc(end)
    if end <= start:
        raise ValueError("a window ends after it starts")
    return start + (end - start) / 2


def reminders(start: datetime, end: datetime) -> tuple[datetime, ...]:
    """Give the instants (UTC) for reminders: at half-time and 24 hours before the end, in order.

    A window of a day or less has no reminder 24 hours before, and one of two days has one in all.
    """
    middle, day_before = half_time(start, end), _utc(end) - _DAY
    return tuple(sorted({middle, day_before} if day_before > _utc(start) else {middle}))


def _beginning(day: date, zone: ZoneInfo) -> datetime:
    # With fold 0, a midnight that is skipped maps to the first instant after the gap, and one
    # that comes twice to its first coming; see PEP 495.
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC)


@lru_cache(maxsize=1)
def _countries() -> dict[str, list[str]]:
    alpha_2 = 2
    listed = holidays.list_supported_countries()
    return {code: parts for code, parts in listed.items() if len(code) == alpha_2}


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=512)
def _holidays(country: str, subdivision: str | None) -> holidays.HolidayBase:
    return holidays.country_holidays(country, subdiv=subdivision)
