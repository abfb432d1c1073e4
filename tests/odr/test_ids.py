import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odr import ids

NOVEMBER = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
MONTHS = st.tuples(st.integers(2000, 7460), st.integers(1, 12))


def id_of(year_and_month: tuple[int, int]) -> uuid.UUID:
    return ids.new(datetime(*year_and_month, 15, tzinfo=UTC))


@given(MONTHS, MONTHS)
def test_ids_are_in_the_order_of_their_months(one: tuple[int, int], other: tuple[int, int]):
    if one < other:
        assert id_of(one) < id_of(other)
        assert id_of(one).bytes < id_of(other).bytes
        assert str(id_of(one)) < str(id_of(other))


@given(MONTHS)
def test_an_id_tells_its_month_and_lies_in_the_range_of_it(when: tuple[int, int]):
    id_ = id_of(when)
    low, high = ids.month_range(*when)
    assert ids.month(id_) == when
    assert low <= id_ < high


@given(MONTHS)
def test_the_ranges_of_two_months_meet_without_a_gap(when: tuple[int, int]):
    year, month = when
    after = (year, month + 1) if month < 12 else (year + 1, 1)
    assert ids.month_range(*when)[1] == ids.month_range(*after)[0]


def test_the_layout_is_the_one_that_is_documented():
    id_ = ids.new(NOVEMBER)
    assert id_.version == 8
    assert id_.variant == uuid.RFC_4122
    assert int.from_bytes(id_.bytes[:2]) == 26 * 12 + 10
    assert str(ids.month_range(2026, 11)[0]) == "01420000-0000-0000-0000-000000000000"
    assert str(ids.month_range(2026, 11)[1]) == "01430000-0000-0000-0000-000000000000"


def test_all_free_bits_are_random_and_no_others():
    made = [ids.new(NOVEMBER).int for _ in range(2_000)]
    ever_set, always_set = 0, (1 << 128) - 1
    for value in made:
        ever_set |= value
        always_set &= value
    assert (ever_set & ~always_set).bit_count() == ids.RANDOM_BITS


def test_no_two_ids_are_the_same():
    made = [ids.new(NOVEMBER) for _ in range(20_000)]
    assert len(set(made)) == len(made)


def test_the_month_is_the_one_in_utc():
    shanghai = timezone(timedelta(hours=8))
    assert ids.month(ids.new(datetime(2026, 12, 1, 7, 59, tzinfo=shanghai))) == (2026, 11)
    assert ids.month(ids.new(datetime(2026, 12, 1, 8, 0, tzinfo=shanghai))) == (2026, 12)


def test_a_child_has_the_month_of_its_parent_and_nothing_else_of_it():
    parent = ids.new(NOVEMBER)
    one, other = ids.child(parent), ids.child(parent)
    assert len({parent, one, other}) == 3
    assert ids.month(one) == ids.month(other) == (2026, 11)
    assert one.version == 8


def test_a_derived_id_is_always_the_same_for_a_name():
    parent = ids.new(NOVEMBER)
    assert ids.derive(parent, "payout") == ids.derive(parent, "payout")
    assert ids.derive(parent, "payout").version == 8
    assert ids.month(ids.derive(parent, "payout")) == (2026, 11)


def test_derived_ids_differ_by_name_and_by_parent():
    one, other = ids.new(NOVEMBER), ids.new(NOVEMBER)
    names = ["payout", "payout/1", "payout/2", "Payout", "hold"]
    derived = {ids.derive(parent, name) for parent in (one, other) for name in names}
    assert len(derived) == 10


def test_a_derived_id_never_changes_between_versions_of_the_code():
    parent = uuid.UUID("01420000-0000-8000-8000-000000000001")
    assert str(ids.derive(parent, "payout")) == "01423429-c04f-8214-8d10-d613b3ebfa3f"


@pytest.mark.parametrize(
    "stranger",
    [
        uuid.uuid4(),
        uuid.uuid5(uuid.NAMESPACE_URL, "x"),
        uuid.UUID(int=0),
        uuid.UUID("01420000-0000-8000-c000-000000000001"),
    ],
)
def test_an_id_of_another_kind_is_refused(stranger: uuid.UUID):
    for ask in (ids.month, ids.child, lambda id_: ids.derive(id_, "payout")):
        with pytest.raises(ValueError, match="no version 8 UUID"):
            ask(stranger)


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        ids.new(datetime(2026, 11, 1))  # noqa: DTZ001  # the naive instant is the point


@pytest.mark.parametrize("when", [(1999, 12), (2026, 0), (2026, 13), (9000, 1)])
def test_a_month_that_cannot_be_written_is_refused(when: tuple[int, int]):
    with pytest.raises(ValueError, match="no month"):
        ids.month_range(*when)


def test_a_derived_id_without_a_name_is_refused():
    with pytest.raises(ValueError, match="name"):
        ids.derive(ids.new(NOVEMBER), "")
