"""Every format round-trips, and every other spelling of it is malformed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from uuid import UUID

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from evidence import body, canonical, entry, receipt
from evidence.body import Body, Plaintext, Root
from evidence.entry import Ciphertext, Entry
from evidence.errors import Malformed
from evidence.receipt import Receipt

values = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


# --- canonical JSON -----------------------------------------------------------------------------


@given(values)
@example({"\U0001f600": 1, "\ufb33": 2, "\u20ac": 3, "\r": 4, "1": 5, "\x80": 6, "ö": 7})
@example({"\x7f": '\x00\x1f\u2028"\\/\b\f\n\r\t'})
def test_canonical_json_is_that_of_the_rfc8785_package(value: object):
    data = canonical.encode(value)
    assert data == rfc8785.dumps(value)
    assert canonical.decode(data) == value


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), 2**53, -(2**53), "\ud800", {"\ud800": 1}, {1: 2}, {1, 2}, b"x"]
)
def test_a_value_without_canonical_json_is_malformed(value: object):
    with pytest.raises(Malformed):
        canonical.encode(value)


def test_depth_has_a_limit():
    value: object = 1
    for _ in range(canonical.DEPTH_MAX):
        value = [value]
    assert canonical.decode(canonical.encode(value)) == value
    with pytest.raises(Malformed):
        canonical.encode([value])
    for data in (b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000):
        with pytest.raises(Malformed):
            canonical.decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"", b" 1", b"1 ", b"+42", b"4_2", b"042", b"-0", b"1.0", b"1e2", b"NaN", b"Infinity",
        b"9007199254740992", b"1" * 5000, b'{"a": 1}', b'{"b":1,"a":2}', b'{"a":1,"a":1}',
        b'{"a":1,"a":2}', b'"\\u0041"', b'"\\/"', b'"\\u00E4"', b'"\\u000a"', b'"\\u001F"',
        b"[1,]", b"'a'", b"\xef\xbb\xbf1", b'"\xff"', b'"\\ud800"', b'"\n"', b"nul",
        "٤٢".encode(), "1".encode("utf-16"), b"1\x00", b"true\n",
    ],
)  # fmt: skip
def test_json_in_another_spelling_is_malformed(data: bytes):
    with pytest.raises(Malformed):
        canonical.decode(data)


def test_names_are_sorted_by_utf16():
    in_order = '{"\U0001f600":1,"\ufb33":2}'.encode()  # by code points it is the other way round
    assert canonical.decode(in_order) == {"\ufb33": 2, "\U0001f600": 1}
    with pytest.raises(Malformed):
        canonical.decode('{"\ufb33":2,"\U0001f600":1}'.encode())


# --- entries ------------------------------------------------------------------------------------

hashes = st.binary(min_size=32, max_size=32)
times = st.datetimes(
    datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001 -- given by timezones
)  # fmt: skip
origins = st.text(st.characters(codec="ascii", exclude_characters="+ \x7f", min_codepoint=33))
entry_values = st.builds(
    Entry,
    origin=origins.filter(bool).map(lambda text: text[:255]),
    stream=st.uuids(),
    seq=st.integers(0, 2**53 - 1),
    prev=hashes,
    time=times,
    body=hashes,
    blob=st.none() | st.builds(Ciphertext, hashes, st.integers(1, 2**53 - 1)),
)

ENTRY = Entry(
    "vault.example/2026",
    UUID("01430000-0000-8000-8000-000000000001"),
    1,
    bytes(32),
    datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC),
    sha256(b"body").digest(),
    Ciphertext(sha256(b"blob").digest(), 17),
)


@given(entry_values)
def test_an_entry_round_trips(one: Entry):
    data = entry.encode(one)
    assert entry.decode(data) == one
    assert len(data) <= entry.SIZE_MAX


@given(entry_values)
def test_an_entry_is_canonical_json_with_its_members(one: Entry):
    members = {
        "body": one.body.hex(),
        "format": "vault-entry/v1",
        "origin": one.origin,
        "prev": one.prev.hex(),
        "seq": one.seq,
        "stream": str(one.stream),
        "time": (one.time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1),
        "type": "act",
    }
    if one.blob is not None:
        members["blob"] = {"sha256": one.blob.sha256.hex(), "size": one.blob.size}
    assert entry.encode(one) == rfc8785.dumps(members)


def test_a_time_in_another_zone_is_the_same_instant():
    zone = timezone(timedelta(hours=8))
    moved = replace(ENTRY, time=ENTRY.time.astimezone(zone))
    assert entry.encode(moved) == entry.encode(ENTRY)


WRONG_VALUES = [
    {"origin": ""}, {"origin": "a b"}, {"origin": "a+b"}, {"origin": "ä"}, {"origin": "a\n"},
    {"origin": "a" * 256}, {"seq": -1}, {"seq": 2**53}, {"prev": b""}, {"prev": bytes(33)},
    {"body": bytes(31)}, {"time": datetime(2026, 1, 1)}, {"time": datetime(1969, 1, 1, tzinfo=UTC)},  # noqa: DTZ001 -- the point
    {"time": datetime(9999, 1, 1, tzinfo=UTC)}, {"blob": Ciphertext(bytes(32), 0)},
    {"blob": Ciphertext(bytes(31), 1)},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_VALUES)
def test_an_entry_with_a_wrong_value_is_not_written(wrong: dict):
    with pytest.raises(Malformed):
        entry.encode(replace(ENTRY, **wrong))


WRONG_MEMBERS = [
    {"seq": True}, {"seq": "1"}, {"seq": -1}, {"seq": None}, {"time": True}, {"time": -1},
    {"stream": "0" * 32}, {"stream": str(ENTRY.stream).replace("-", "")}, {"stream": 1},
    {"stream": "{01430000-0000-8000-8000-000000000001}"}, {"prev": "A" * 64}, {"prev": "0" * 63},
    {"stream": "0143000A-0000-8000-8000-000000000001"},
    {"prev": "0" * 66}, {"prev": "0x" + "0" * 62}, {"prev": 0}, {"body": None}, {"origin": 1},
    {"origin": "a b"}, {"type": "ACT"}, {"format": "vault-entry/v2"}, {"blob": None}, {"blob": {}},
    {"blob": {"sha256": "0" * 64, "size": 0}}, {"blob": {"sha256": "0" * 64}}, {"extra": 1},
    {"blob": {"sha256": "0" * 64, "size": 1, "name": "x"}},
    {"blob": {"sha256": "0" * 64, "size": True}},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_MEMBERS)
def test_an_entry_with_a_wrong_member_is_not_read(wrong: dict):
    members = canonical.decode(entry.encode(ENTRY))
    with pytest.raises(Malformed):
        entry.decode(canonical.encode(members | wrong))


@pytest.mark.parametrize("name", canonical.decode(entry.encode(ENTRY)))
def test_an_entry_without_one_of_its_members_is_not_read(name: str):
    members = canonical.decode(entry.encode(ENTRY))
    del members[name]
    if name == "blob":
        assert entry.decode(canonical.encode(members)).blob is None
    else:
        with pytest.raises(Malformed):
            entry.decode(canonical.encode(members))


@pytest.mark.parametrize("data", [b"", b"[]", b"1", b"null", b"x" * 70_000, b'{"a":1}'])
def test_what_is_no_entry_is_not_read(data: bytes):
    with pytest.raises(Malformed):
        entry.decode(data)


def test_an_entry_in_another_spelling_is_not_read():
    data = entry.encode(ENTRY)
    for other in (data + b"\n", b" " + data, json.dumps(json.loads(data)).encode()):
        with pytest.raises(Malformed):
            entry.decode(other)


def test_a_commitment_binds_salt_and_body():
    salt = bytes(range(32))
    assert entry.commit(salt, b"{}") == sha256(b"vault-body/v1\n" + salt + b"{}").digest()
    with pytest.raises(Malformed):
        entry.commit(salt[:31], b"0{}")


# --- private bodies -----------------------------------------------------------------------------

FILE = Plaintext(UUID(int=7), "image/jpeg", bytes(32), bytes(64), 5)
BODY = Body("FILE", {"who": "A"}, FILE, Root(3, bytes(32)))


@pytest.mark.parametrize("one", [BODY, Body("A", {}), replace(BODY, blob=None)])
def test_a_private_body_round_trips(one: Body):
    assert body.decode(body.encode(one)) == one
    assert body.read(json.loads(body.encode(one))) == one


@pytest.mark.parametrize(
    "wrong",
    [
        {"act": 1}, {"body": []}, {"extra": 1}, {"blob": {}}, {"blob": None}, {"record": {}},
        {"record": {"root": "0", "size": 1}}, {"record": {"root": "0" * 64, "size": -1}},
        {"blob": body.value(BODY)["blob"] | {"media_type": "Image/JPEG"}},
        {"blob": body.value(BODY)["blob"] | {"media_type": "image/jpeg; x=1"}},
        {"blob": body.value(BODY)["blob"] | {"sha512": "0" * 127}},
        {"blob": body.value(BODY)["blob"] | {"sha256": "A" * 64}},
        {"blob": body.value(BODY)["blob"] | {"name": "x"}},
        {"blob": body.value(BODY)["blob"] | {"size": True}},
        {"record": {"root": "0" * 64, "size": True}},
    ],
)  # fmt: skip
def test_a_private_body_with_a_wrong_member_is_malformed(wrong: dict):
    with pytest.raises(Malformed):
        body.read(body.value(BODY) | wrong)
    with pytest.raises(Malformed):
        body.decode(canonical.encode(body.value(BODY) | wrong))


def test_a_private_body_has_a_limit():
    with pytest.raises(Malformed):
        body.encode(Body("A", {"text": "x" * body.SIZE_MAX}))
    with pytest.raises(Malformed):
        body.decode(b" " * (body.SIZE_MAX + 1))


@given(st.text("\\u0\0n", max_size=12))
@example("\\u0000")
@example("\\\0")
def test_only_a_real_nul_is_refused(text: str):
    if "\0" in text:
        with pytest.raises(Malformed):
            body.encode(Body("A", {"t": text}))
    else:
        body.encode(Body("A", {"t": text}))


# --- receipts -----------------------------------------------------------------------------------

RECEIPT = Receipt("vault.example/2026", UUID(int=7), 42, bytes(32), 1_700_000_000_000_000, 0)


@given(
    st.builds(
        Receipt, st.just("a/b"), st.uuids(), st.integers(0, 2**53 - 1), hashes,
        st.integers(0, 2**53 - 1), st.integers(0, 2**53 - 1),
    )
)  # fmt: skip
def test_a_receipt_round_trips(one: Receipt):
    assert receipt.read(receipt.write(one)) == one


@pytest.mark.parametrize(
    "number", ["+42", "4_2", "042", " 42", "42 ", "٤٢", "-1", "", "4e1", "42.0"]
)
@pytest.mark.parametrize("line", [3, 5, 6])
def test_a_receipt_with_a_number_in_another_spelling_is_malformed(number: str, line: int):
    lines = receipt.write(RECEIPT).split("\n")
    lines[line] = number
    with pytest.raises(Malformed):
        receipt.read("\n".join(lines))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "\n",
        lambda text: text.replace("/v1", "/v2"),
        lambda text: text.replace("42", "9007199254740992"),
        lambda text: text.replace("0" * 64, "0" * 63 + "G"),
        lambda text: text.replace("-", ""),
        lambda text: text.replace("\n", "\r\n"),
        lambda _: "",
    ],
)
def test_a_receipt_in_another_form_is_malformed(change):
    with pytest.raises(Malformed):
        receipt.read(change(receipt.write(RECEIPT)))
