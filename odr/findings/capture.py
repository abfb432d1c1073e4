"""When and where a picture was taken, by its own data, against the carrier's scans.

A time without a zone is taken as any time that it may mean, and read in favour of its giver.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import Any, Final

from odr.findings.kinds import Finding, FindingKind, Ground, GroundName, Strength
from odr.findings.subject import PHOTOS, Subject
from odr.words import ExhibitKind, Party

_K: Final = FindingKind

# --- when it was taken ---------------------------------------------------------------------------

_EAST: Final = timedelta(hours=14)
_WEST: Final = timedelta(hours=12)
CLOCK_SLACK: Final = timedelta(hours=1)
"""How wrong a camera's clock may be before it is said."""

_LONG: Final = timedelta(days=1)
_SOON: Final = timedelta(days=30)
_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Taken:
    """Between which instants a picture was taken, by its own data; one if the zone is known."""

    earliest: datetime
    latest: datetime

    def ground(self, name: GroundName) -> Ground:
        """As a ground: the instant, or the end of what it may be that favours the giver."""
        if self.earliest == self.latest:
            return Ground(GroundName.TAKEN, at=self.earliest)
        latest = name is GroundName.TAKEN_LATEST
        return Ground(name, at=self.latest if latest else self.earliest)


def taken(exif: Mapping[str, Any]) -> Taken | None:
    """When a camera says that it took a picture (or began a film); None if it does not.

    The satellites' time is taken before the camera's own. A time without a zone may be that of
    any zone, from UTC-12 to UTC+14.
    """
    for name in ("placed_at", "made_at"):
        try:
            told = datetime.fromisoformat(str(exif[name]))
        except (KeyError, ValueError):
            continue
        if told.tzinfo is not None:
            return Taken(told.astimezone(UTC), told.astimezone(UTC))
        local = told.replace(tzinfo=UTC)
        if matched := _OFFSET.fullmatch(str(exif.get("offset", ""))):
            sign, hours, minutes = matched.groups()
            east = timedelta(hours=int(hours), minutes=int(minutes))
            exact = local - east if sign == "+" else local + east
            return Taken(exact, exact)
        try:
            return Taken(local - _EAST, local + _WEST)
        except OverflowError:
            return None
    return None


def _timed(subject: Subject) -> Iterator[Finding]:
    when = taken(subject.exif)
    if when is None:
        return
    if when.earliest > subject.given_at + CLOCK_SLACK:
        given = Ground(GroundName.GIVEN, at=subject.given_at)
        grounds = (when.ground(GroundName.TAKEN_EARLIEST), given)
        yield Finding(_K.TAKEN_AFTER_GIVEN, Strength.SLIGHT, grounds)
        return
    compare = _TIMES.get((subject.kind, subject.party)) or _TIMES.get((subject.kind, None))
    if compare is not None:
        yield from compare(subject, when)


def _after_delivery(subject: Subject, when: Taken, *, back: bool = False) -> Iterator[Finding]:
    """What shows goods as they came was taken after they came."""
    days = [p.delivered_at for p in subject.parcels if p.back is back and p.delivered_at]
    if not days:
        return
    first = min(days)
    grounds = (when.ground(GroundName.TAKEN_LATEST), Ground(GroundName.DELIVERED, at=first))
    if when.latest < first - CLOCK_SLACK:
        long = first - when.latest > _LONG
        strength = Strength.FAIR if long else Strength.SLIGHT
        yield Finding(_K.TAKEN_BEFORE_DELIVERY, strength, grounds)
    elif first - CLOCK_SLACK <= when.earliest and when.latest <= max(days) + _SOON:
        yield Finding(_K.TIME_FITS, Strength.SLIGHT, grounds)


def _after_return(subject: Subject, when: Taken) -> Iterator[Finding]:
    return _after_delivery(subject, when, back=True)


def _before_shipment(subject: Subject, when: Taken) -> Iterator[Finding]:
    """What shows goods as they were sent was taken before the carrier had them."""
    days = [p.shipped_at for p in subject.parcels if not p.back and p.shipped_at]
    if not days:
        return
    last = max(days)
    grounds = (when.ground(GroundName.TAKEN_EARLIEST), Ground(GroundName.SHIPPED, at=last))
    if when.earliest > last + CLOCK_SLACK:
        long = when.earliest - last > _LONG
        strength = Strength.FAIR if long else Strength.SLIGHT
        yield Finding(_K.TAKEN_AFTER_SHIPMENT, strength, grounds)
    elif when.latest <= min(days) + CLOCK_SLACK and when.earliest >= min(days) - _SOON:
        yield Finding(_K.TIME_FITS, Strength.SLIGHT, grounds)


def _at_delivery(subject: Subject, when: Taken) -> Iterator[Finding]:
    """What shows a delivery was taken at it."""
    days = [p.delivered_at for p in subject.parcels if p.delivered_at]
    if not days:
        return
    nearest = min(days, key=lambda day: abs(day - when.earliest))
    early = when.latest < nearest - _LONG
    name = GroundName.TAKEN_LATEST if early else GroundName.TAKEN_EARLIEST
    grounds = (when.ground(name), Ground(GroundName.DELIVERED, at=nearest))
    if early or when.earliest > nearest + _LONG:
        yield Finding(_K.TAKEN_AT_ANOTHER_TIME, Strength.FAIR, grounds)
    elif when.earliest == when.latest and abs(when.earliest - nearest) <= CLOCK_SLACK:
        yield Finding(_K.TIME_FITS, Strength.SLIGHT, grounds)


_TIMES: Final[
    Mapping[
        tuple[ExhibitKind, Party | None],
        Callable[[Subject, Taken], Iterator[Finding]],
    ]
] = {
    (ExhibitKind.PRODUCT_PHOTO, Party.BUYER): _after_delivery,
    (ExhibitKind.PACKAGING_PHOTO, Party.BUYER): _after_delivery,
    (ExhibitKind.UNBOXING_VIDEO, Party.BUYER): _after_delivery,
    (ExhibitKind.PRODUCT_PHOTO, Party.SELLER): _before_shipment,
    (ExhibitKind.PACKAGING_PHOTO, Party.SELLER): _before_shipment,
    (ExhibitKind.RETURN_INSPECTION, Party.SELLER): _after_return,
    (ExhibitKind.DELIVERY_PHOTO, None): _at_delivery,
}
"""What a picture's time is compared with, by its kind and who gave it (None: whoever)."""


# --- where it was taken --------------------------------------------------------------------------

_FAR_KM: Final = 50.0
_HERE_KM: Final = 2.0
_EARTH_KM: Final = 6371.0
_E7: Final = 10**7


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The distance of two places on a sphere, given by latitude and longitude in degrees."""
    (lat, lon), (lat2, lon2) = (tuple(map(radians, place)) for place in (one, other))
    half = sin((lat2 - lat) / 2) ** 2 + cos(lat) * cos(lat2) * sin((lon2 - lon) / 2) ** 2
    return 2 * _EARTH_KM * asin(sqrt(min(1.0, half)))


def _placed(subject: Subject) -> Iterator[Finding]:
    exif = subject.exif
    if "latitude_e7" not in exif or "longitude_e7" not in exif or subject.kind not in PHOTOS:
        return
    back = subject.kind is ExhibitKind.RETURN_INSPECTION
    spots = [p.spot for p in subject.parcels if p.spot is not None and p.back is back]
    # What shows goods before they were sent was rightly taken elsewhere.
    sent = subject.party is Party.SELLER and subject.kind is not ExhibitKind.DELIVERY_PHOTO
    if not spots or (sent and not back):
        return
    here = (exif["latitude_e7"] / _E7, exif["longitude_e7"] / _E7)
    nearest = min(distance_km(here, spot) for spot in spots)
    # Not where it was taken: that may be somebody's home.
    grounds = (Ground(GroundName.DISTANCE, f"{max(1, round(nearest))} km"),)
    if nearest > _FAR_KM:
        yield Finding(_K.TAKEN_ELSEWHERE, Strength.FAIR, grounds)
    elif nearest <= _HERE_KM:
        yield Finding(_K.PLACE_FITS, Strength.SLIGHT)


RULES: Final = (_timed, _placed)
