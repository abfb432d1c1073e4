"""Signed notes and verifier keys, against the examples of the C2SP document."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import keys, note
from evidence.errors import Malformed, Tampered

# The example of C2SP signed-note, "Format".
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6Tf"
    "Xppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
KEY = note.read_verifier_key(VKEY)
SIGNER = keys.local_signer("vault.example/receipts", bytes(range(32)))


async def signed(text: str, signer: keys.LocalSigner = SIGNER) -> bytes:
    return note.assemble(text, signer.key, await signer.sign(text.encode())).encode()


def test_the_example_of_the_specification_verifies():
    assert str(KEY) == VKEY
    assert KEY.id.hex() == "530d903a"
    assert note.verify(NOTE, [KEY]) == ("This is an example message.\n", (KEY,))


@pytest.mark.parametrize("text", ["a\n", "a\n\nb\n", "\n", "naïve 坏\n", "\u2014 x y\n\n\n"])
async def test_a_note_round_trips(text: str):
    data = await signed(text)
    assert note.verify(data, [SIGNER.key]) == (text, (SIGNER.key,))
    assert note.parse(data).text == text


async def test_unknown_signers_are_ignored():
    data = await signed("a\n")
    assert note.verify(data, [KEY]) == ("a\n", ())
    assert note.verify(data, []) == ("a\n", ())
    second = keys.local_signer("witness.example/w", bytes(32))
    other = (await signed("a\n", second)).rpartition(b"\n\n")[2]
    assert note.verify(data + other, [second.key])[1] == (second.key,)
    assert note.verify(data + other, [SIGNER.key, second.key])[1] == (SIGNER.key, second.key)
    assert note.verify(data + data.rpartition(b"\n\n")[2], [SIGNER.key])[1] == (SIGNER.key,)


async def test_a_signature_that_does_not_fit_is_tampered():
    data = await signed("a\n")
    with pytest.raises(Tampered):
        note.verify(data.replace(b"a\n", b"b\n", 1), [SIGNER.key])
    line = data.rpartition(b"\n\n")[2]
    _, name, encoded = line.decode().split(" ")
    raw = bytearray(base64.b64decode(encoded))
    raw[-1] ^= 1
    forged = f"a\n\n\u2014 {name} {base64.b64encode(raw).decode()}\n".encode()
    with pytest.raises(Tampered):
        note.verify(forged, [SIGNER.key])
    with pytest.raises(Tampered):
        note.verify(data + forged.rpartition(b"\n\n")[2], [SIGNER.key])


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"\n",
        lambda data: data.replace(b"\n\n", b"\n"),
        lambda data: data.replace("\u2014 ".encode(), b"-- "),
        lambda data: data.replace("\u2014 ".encode(), "\u2014".encode()),
        lambda data: data.replace(b"foo Uw", b"foo  Uw"),
        lambda data: data.replace(b"example.com/foo ", b""),
        lambda data: data.replace(b"com/foo", b"com/f+o"),
        lambda data: data.replace(b"com/foo", "com/f\u00a0o".encode()),
        lambda data: data.replace(b"M=\n", b"M\n"),
        lambda data: data.replace(b"M=\n", b"N=\n"),
        lambda data: data.replace(b"M=\n", b"M==\n"),
        lambda data: data.replace(b"M=\n", b"M= \n"),
        lambda data: data.replace(b"Uw2Q", b"Uw-_"),
        lambda data: data.replace(b"Uw2Q", b"Uw2Q\r"),
        lambda data: data.replace(b"This", b"Th\tis"),
        lambda data: data.replace(b"This", b"Th\x00is"),
        lambda data: data.replace(b"This", b"Th\x7fis"),
        lambda data: data.replace(b"This", b"Th\r\nis"),
        lambda data: data.replace(b"This", b"\xff"),
        lambda data: data.rpartition(b" ")[0] + b" Uw2QOg==\n",
        lambda data: data + data.rpartition(b"\n\n")[2] * 20,
        lambda data: b"x" * 200_000 + data,
        lambda _: b"",
    ],
)
def test_a_note_in_another_spelling_is_malformed(change):
    assert change(NOTE) != NOTE
    with pytest.raises(Malformed):
        note.parse(change(NOTE))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        VKEY + "=",
        VKEY.replace("530d903a", "530D903A"),
        VKEY.replace("530d903a", "530d903b"),
        VKEY.replace("foo", "bar"),
        VKEY.replace("foo", "f o"),
        VKEY.replace("+Aek", "+Bek"),
        VKEY[:-4],
        VKEY + "\n",
        "+" + VKEY,
    ],
)
def test_a_verifier_key_in_another_spelling_is_malformed(text: str):
    with pytest.raises(Malformed):
        note.read_verifier_key(text)


@given(st.binary(min_size=32, max_size=32))
def test_a_verifier_key_round_trips(public: bytes):
    key = note.verifier_key("vault.example/receipts", public)
    assert note.read_verifier_key(str(key)) == key


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\u2003b", "a\x00", "a" * 256])
def test_a_name_that_no_line_could_carry_is_malformed(name: str):
    with pytest.raises(Malformed):
        note.verifier_key(name, bytes(32))


@pytest.mark.parametrize("text", ["", "a", "a\r\n", "a\tb\n", "\ud800\n"])
def test_text_that_cannot_be_signed_is_malformed(text: str):
    with pytest.raises(Malformed):
        note.assemble(text, KEY, bytes(64))
