from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odr import calendar
from odr.calendar import Length, Place
from odr.errors import Invalid

SHANGHAI = Place("CN", "Asia/Shanghai")
NEW_YORK = Place("US", "America/New_York", "NY")
BERLIN = Place("DE", "Europe/Berlin", "BE")
MUNICH = Place("DE", "Europe/Berlin", "BY")
DUBAI = Place("AE", "Asia/Dubai")
RIYADH = Place("SA", "Asia/Riyadh")
SANTIAGO = Place("CL", "America/Santiago")
BEIRUT = Place("LB", "Asia/Beirut")
APIA = Place("WS", "Pacific/Apia")
PLACES = st.sampled_from(
    [SHANGHAI, NEW_YORK, BERLIN, MUNICH, DUBAI, RIYADH, SANTIAGO, BEIRUT, APIA]
)
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # Hypothesis wants its bounds naive
LENGTHS = st.builds(Length, st.integers(1, 200), st.booleans())


def at(place: Place, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(place.zone))


def local(place: Place, instant: datetime) -> str:
    return instant.astimezone(ZoneInfo(place.zone)).strftime("%Y-%m-%d %H:%M")


def ends(place: Place, start: str, length: str) -> str:
    return local(place, calendar.due(at(place, start), calendar.parse(length), place))


# natural days


@given(INSTANTS, st.integers(1, 400), PLACES)
def test_a_natural_day_is_24_hours_everywhere(start: datetime, days: int, place: Place):
    assert calendar.due(start, Length(days), place) - start == timedelta(hours=24 * days)


@pytest.mark.parametrize(
    ("place", "start", "length", "end"),
    [
        (SHANGHAI, "2026-11-20 14:30", "5 days", "2026-11-25 14:30"),
        (BERLIN, "2026-03-27 14:30", "5 days", "2026-04-01 15:30"),
        (BERLIN, "2026-10-23 14:30", "5 days", "2026-10-28 13:30"),
        (NEW_YORK, "2026-03-06 14:30", "5 days", "2026-03-11 15:30"),
        (NEW_YORK, "2026-10-30 14:30", "5 days", "2026-11-04 13:30"),
        (BERLIN, "2026-12-23 14:30", "3 days", "2026-12-26 14:30"),
        (BERLIN, "2028-02-28 10:00", "1 day", "2028-02-29 10:00"),
    ],
)
def test_natural_days_run_over_holidays_and_clock_changes(
    place: Place, start: str, length: str, end: str
):
    assert ends(place, start, length) == end


# working days


@pytest.mark.parametrize(
    ("place", "start", "length", "end"),
    [
        # a Friday; the weekend does not count
        (SHANGHAI, "2026-11-20 14:30", "1 working day", "2026-11-24 00:00"),
        (SHANGHAI, "2026-11-20 14:30", "2 working days", "2026-11-25 00:00"),
        # the day of the start is not counted, whatever its hour
        (BERLIN, "2026-11-23 00:00", "1 working day", "2026-11-25 00:00"),
        (BERLIN, "2026-11-23 23:59", "1 working day", "2026-11-25 00:00"),
        (BERLIN, "2026-11-21 12:00", "1 working day", "2026-11-24 00:00"),
        # Christmas, and the weekend after it
        (BERLIN, "2026-12-23 12:00", "2 working days", "2026-12-29 00:00"),
        # Epiphany is a holiday in Munich and none in Berlin
        (MUNICH, "2026-01-05 12:00", "1 working day", "2026-01-08 00:00"),
        (BERLIN, "2026-01-05 12:00", "1 working day", "2026-01-07 00:00"),
        # Thanksgiving
        (NEW_YORK, "2026-11-25 09:00", "1 working day", "2026-11-28 00:00"),
        # China works on the Saturday before its Spring Festival of 2026, and rests long
        (SHANGHAI, "2026-02-13 09:00", "1 working day", "2026-02-15 00:00"),
        (SHANGHAI, "2026-02-14 09:00", "1 working day", "2026-02-25 00:00"),
        # the weekend of Riyadh is Friday and Saturday, that of Dubai Saturday and Sunday
        (RIYADH, "2026-11-19 09:00", "1 working day", "2026-11-23 00:00"),
        (DUBAI, "2026-11-19 09:00", "1 working day", "2026-11-21 00:00"),
    ],
)
def test_working_days_end_with_the_last_hour_of_the_day(
    place: Place, start: str, length: str, end: str
):
    assert ends(place, start, length) == end


@pytest.mark.parametrize(
    ("place", "start", "end_utc"),
    [
        (BERLIN, "2026-03-26 12:00", "2026-03-27 23:00"),
        (BERLIN, "2026-03-27 12:00", "2026-03-30 22:00"),
        (BERLIN, "2026-10-22 12:00", "2026-10-23 22:00"),
        (BERLIN, "2026-10-23 12:00", "2026-10-26 23:00"),
        (NEW_YORK, "2026-03-06 12:00", "2026-03-10 04:00"),
        (NEW_YORK, "2026-10-30 12:00", "2026-11-03 05:00"),
    ],
)
def test_the_end_of_a_working_day_follows_the_clock_change(place: Place, start: str, end_utc: str):
    end = calendar.due(at(place, start), Length(1, working=True), place)
    assert end.strftime("%Y-%m-%d %H:%M") == end_utc


def test_a_day_whose_midnight_is_skipped_begins_after_the_gap():
    # Chile skips midnight of Sunday, 6 September 2026, and counts no Saturday; so ask directly.
    beginning = calendar._beginning(date(2026, 9, 6), ZoneInfo("America/Santiago"))
    assert local(SANTIAGO, beginning) == "2026-09-06 01:00"
    assert local(SANTIAGO, beginning - timedelta(seconds=1)) == "2026-09-05 23:59"


def test_the_place_and_not_the_clock_of_the_start_says_which_day_it_is():
    start = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
    one_day = Length(1, working=True)
    assert local(SHANGHAI, calendar.due(start, one_day, SHANGHAI)) == "2026-11-26 00:00"
    assert local(BERLIN, calendar.due(start, one_day, BERLIN)) == "2026-11-25 00:00"


@given(INSTANTS, LENGTHS, PLACES)
def test_a_window_lasts_at_least_as_many_days_as_it_is_long(
    start: datetime, length: Length, place: Place
):
    end = calendar.due(start, length, place)
    assert end - start >= timedelta(days=length.days, hours=-2)
    assert end.tzinfo is UTC


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=40)), LENGTHS, PLACES)
def test_a_window_that_starts_later_never_ends_earlier(
    start: datetime, later: timedelta, length: Length, place: Place
):
    assert calendar.due(start, length, place) <= calendar.due(start + later, length, place)


@given(INSTANTS, st.integers(1, 60), PLACES)
def test_exactly_the_working_days_are_counted(start: datetime, days: int, place: Place):
    zone = ZoneInfo(place.zone)
    end = calendar.due(start, Length(days, working=True), place)
    first = start.astimezone(zone).date()
    last = (end - timedelta(microseconds=1)).astimezone(zone).date()
    between = [first + timedelta(n) for n in range(1, (last - first).days + 1)]
    assert sum(place.is_working(day) for day in between) == days
    assert place.is_working(last)


@given(INSTANTS, LENGTHS, PLACES)
def test_the_zone_in_which_the_start_is_written_does_not_matter(
    start: datetime, length: Length, place: Place
):
    elsewhere = start.astimezone(ZoneInfo("Asia/Kathmandu"))
    assert calendar.due(elsewhere, length, place) == calendar.due(start, length, place)


# reminders


@given(INSTANTS, LENGTHS, PLACES)
def test_reminders_come_within_the_window_and_in_order(
    start: datetime, length: Length, place: Place
):
    end = calendar.due(start, length, place)
    reminders = calendar.reminders(start, end)
    assert list(reminders) == sorted(set(reminders))
    assert all(start < reminder < end for reminder in reminders)
    assert calendar.half_time(start, end) in reminders


def test_reminders_are_at_half_time_and_a_day_before():
    start = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert calendar.reminders(start, start + timedelta(days=5)) == (
        datetime(2026, 11, 23, 0, tzinfo=UTC),
        datetime(2026, 11, 24, 12, tzinfo=UTC),
    )
    assert calendar.reminders(start, start + timedelta(days=2)) == (
        datetime(2026, 11, 21, 12, tzinfo=UTC),
    )
    assert calendar.reminders(start, start + timedelta(days=1)) == (
        datetime(2026, 11, 21, 0, tzinfo=UTC),
    )
    assert calendar.reminders(start, start + timedelta(hours=36)) == (
        datetime(2026, 11, 21, 0, tzinfo=UTC),
        datetime(2026, 11, 21, 6, tzinfo=UTC),
    )


def test_a_window_that_ends_before_it_starts_has_no_half_time():
    start = datetime(2026, 11, 20, tzinfo=UTC)
    with pytest.raises(ValueError, match="ends after it starts"):
        calendar.half_time(start, start)


# spelling, and bad input


@given(LENGTHS)
def test_a_length_is_read_back_from_how_it_is_written(length: Length):
    assert calendar.parse(str(length)) == length


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "5 day",
        "1 days",
        "0 days",
        "05 days",
        "-5 days",
        "5  days",
        "5 Days",
        " 5 days",
        "5 days ",
        "5 days\n",
        "2.5 days",
        "5_0 days",
        "10000 days",
        "5 hours",
        "five days",
        "2 workingdays",
        "\u0665 days",
        "",
    ],
)
def test_any_other_spelling_of_a_length_is_refused(text: str):
    with pytest.raises(ValueError, match="write a length as"):
        calendar.parse(text)


@pytest.mark.parametrize("days", [0, -1, 10_000, True, 1.0])
def test_a_length_that_is_no_number_of_days_is_refused(days: int):
    with pytest.raises(ValueError, match="1 to 9999"):
        Length(days)


@pytest.mark.parametrize(
    ("country", "zone", "subdivision", "code"),
    [
        ("XX", "Europe/Berlin", None, "unknown_country"),
        ("de", "Europe/Berlin", None, "unknown_country"),
        ("DEU", "Europe/Berlin", None, "unknown_country"),
        ("DE", "Europe/Berlin", "ZZ", "unknown_subdivision"),
        ("DE", "Europe/Atlantis", None, "unknown_zone"),
        ("DE", "", None, "unknown_zone"),
        ("DE", "../../etc/passwd", None, "unknown_zone"),
    ],
)
def test_a_place_that_does_not_exist_is_refused(
    country: str, zone: str, subdivision: str | None, code: str
):
    with pytest.raises(Invalid) as refused:
        Place(country, zone, subdivision)
    assert refused.value.code == code


def test_an_instant_without_a_zone_is_refused():
    naive = datetime(2026, 11, 20)  # noqa: DTZ001  # the naive instant is the point
    with pytest.raises(ValueError, match="time zone"):
        calendar.due(naive, Length(1), BERLIN)
    with pytest.raises(ValueError, match="time zone"):
        calendar.half_time(naive, datetime(2026, 11, 21, tzinfo=UTC))
