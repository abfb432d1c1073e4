"""Global ids: one spelling, typed, and wrong is the same as missing."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odr.errors import NotFound
from schema import ids

KEY = UUID("0123abcd-4567-89ab-8def-0123456789ab")


@given(st.uuids(), st.from_regex(ids.TAG, fullmatch=True))
def test_an_id_is_read_as_it_was_written(key, tag):
    written = ids.write(tag, key)
    assert ids.parse(written) == (tag, key)
    assert ids.key(written, tag) == key
    assert ids.tag_of(written) == tag


@pytest.mark.parametrize(
    "spelling",
    [
        "", "ca", KEY.hex, "ca" + str(KEY), "CA" + KEY.hex, "ca" + KEY.hex.upper(),
        "ca" + KEY.hex[:-1], "ca" + KEY.hex + "0", " ca" + KEY.hex[1:], "ca" + KEY.hex + "\n",
        "ca{" + KEY.hex[1:], "c\u0430" + KEY.hex, "ca\u0661" + KEY.hex[1:],
    ],
)  # fmt: skip
def test_any_other_spelling_is_not_found(spelling):
    with pytest.raises(NotFound):
        ids.parse(spelling)
    assert ids.find(spelling) is None
    assert ids.tag_of(spelling) is None


def test_an_id_of_another_type_is_not_found():
    with pytest.raises(NotFound):
        ids.key(ids.write("ca", KEY), "or")
    assert ids.find(ids.write("ca", KEY), "or") is None


@pytest.mark.parametrize("tag", ["", "c", "cas", "C1", "c\n"])
def test_a_tag_is_two_small_letters(tag):
    with pytest.raises(ValueError, match="small letters"):
        ids.write(tag, KEY)
