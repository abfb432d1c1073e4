"""Cosignatures of both kinds, alone and together in one note."""

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from evidence import cosignature, keys, notation, note, signature
from evidence.cosignature import Cosignature
from evidence.errors import Malformed, Tampered
from evidence.signature import ED25519, ED25519_COSIGNATURE, MLDSA44_COSIGNATURE

AT = datetime(2023, 3, 20, 12, 25, 47, 999_999, tzinfo=UTC)
TIME = 1679315147  # the same in C2SP tlog-cosignature's example
LOG = "example.com/behind-the-sofa"
ROOT = bytes.fromhex("0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62")
TEXT = f"{LOG}\n20852163\n{notation.encode_base64(ROOT)}\n"

OWN = keys.local_signer(LOG, bytes(range(32)))
OWN_LATER = keys.local_signer(LOG, bytes(range(32)), MLDSA44_COSIGNATURE)
WITNESS = keys.local_signer("witness.example/w1", bytes(32), ED25519_COSIGNATURE)
WITNESS_LATER = keys.local_signer("witness.example/w2", bytes(32), MLDSA44_COSIGNATURE)
ALL = (OWN, OWN_LATER, WITNESS, WITNESS_LATER)


async def cosigned(*signers: keys.LocalSigner, text: str = TEXT) -> bytes:
    lines = [await cosignature.sign(one, text, AT) for one in signers]
    return note.join(text, lines).encode()


async def test_one_note_carries_the_log_and_its_witnesses():
    data = await cosigned(*ALL)
    assert note.verify(data, [one.key for one in ALL]) == (TEXT, tuple(one.key for one in ALL))
    for one in ALL:
        assert note.verify(data, [one.key]) == (TEXT, (one.key,))
    text, found = cosignature.verify(data, [one.key for one in ALL])
    assert text == TEXT
    assert found == [Cosignature(one.key, TIME) for one in ALL[1:]]
    assert len({one.key.id for one in ALL}) == 4


async def test_an_ed25519_cosignature_signs_what_the_specification_says():
    [line] = note.parse(await cosigned(WITNESS)).signatures
    assert line.key_id == WITNESS.key.id
    assert line.signature[:8] == struct.pack(">Q", TIME)
    # The message of the example in C2SP tlog-cosignature.
    Ed25519PublicKey.from_public_bytes(WITNESS.key.public).verify(
        line.signature[8:], f"cosignature/v1\ntime 1679315147\n{TEXT}".encode()
    )


async def test_an_ml_dsa_cosignature_signs_what_the_specification_says():
    [line] = note.parse(await cosigned(WITNESS_LATER)).signatures
    assert len(line.signature) == 8 + 2420
    name = b"witness.example/w2"
    origin = b"example.com/behind-the-sofa"
    expected = struct.pack(
        ">12sB18sQB27sQQ32s", b"subtree/v1\n\0", len(name), name, TIME, len(origin), origin, 0,
        20852163, ROOT,
    )  # fmt: skip
    MLDSA44PublicKey.from_public_bytes(WITNESS_LATER.key.public).verify(
        line.signature[8:], expected
    )


@pytest.mark.parametrize("signer", ALL, ids=lambda one: f"{one.key.kind:#04x}")
async def test_a_verifier_key_of_every_kind_round_trips(signer: keys.LocalSigner):
    text = str(signer.key)
    assert note.read_verifier_key(text) == signer.key
    for wrong in (text[:-4], text.replace("+", "-", 1), text + "AAAA", text.replace("e", "E", 1)):
        with pytest.raises(Malformed):
            note.read_verifier_key(wrong)
    other = replace(signer.key, kind=ED25519 if signer.key.kind != ED25519 else ED25519_COSIGNATURE)
    assert other.id != signer.key.id


@pytest.mark.parametrize("kind", [0x00, 0x02, 0x03, 0x05, 0x07, 0xFF])
def test_a_kind_that_is_not_known_makes_no_key(kind: int):
    with pytest.raises(Malformed):
        note.verifier_key(LOG, bytes(32), kind)
    with pytest.raises(Malformed):
        keys.local_signer(LOG, bytes(32), kind)
    with pytest.raises(Malformed):
        signature.message(kind, LOG, TEXT.encode())


def test_a_key_of_another_length_than_its_kind_is_malformed():
    for kind, size in ((ED25519, 1312), (ED25519_COSIGNATURE, 31), (MLDSA44_COSIGNATURE, 32)):
        with pytest.raises(Malformed):
            note.verifier_key(LOG, bytes(size), kind)


@pytest.mark.parametrize("signer", ALL, ids=lambda one: f"{one.key.kind:#04x}")
async def test_a_cosignature_that_was_changed_is_tampered(signer: keys.LocalSigner):
    [line] = note.parse(await cosigned(signer)).signatures
    raw = line.signature
    for wrong in (
        raw[:-1], raw + b"\0", raw[1:], b"x", bytes(len(raw)), raw[:-1] + bytes([raw[-1] ^ 1]),
        bytes([raw[0] ^ 0x80]) + raw[1:], raw[:7] + bytes([raw[7] ^ 1]) + raw[8:],
    ):  # fmt: skip
        data = note.join(TEXT, [replace(line, signature=wrong)]).encode()
        with pytest.raises(Tampered):
            note.verify(data, [signer.key])
        assert note.verify(data, []) == (TEXT, ())
    for text in (TEXT.replace("behind", "before"), TEXT.replace("20852163", "20852164"),
                 TEXT.replace("CsUY", "CsUZ")):  # fmt: skip
        with pytest.raises(Tampered):
            note.verify(note.join(text, [line]).encode(), [signer.key])


async def test_a_cosignature_is_bound_to_its_kind_and_ml_dsa_to_its_name_too():
    seed = bytes(32)
    for kind, other in ((ED25519, ED25519_COSIGNATURE), (ED25519_COSIGNATURE, ED25519)):
        signer, verifier = (keys.local_signer("w.example", seed, one) for one in (kind, other))
        [line] = note.parse(await cosigned(signer)).signatures
        moved = note.join(TEXT, [replace(line, key_id=verifier.key.id)]).encode()
        with pytest.raises(Tampered):
            note.verify(moved, [verifier.key])
    [line] = note.parse(await cosigned(WITNESS_LATER)).signatures
    renamed = keys.local_signer("other.example", seed, MLDSA44_COSIGNATURE).key
    moved = note.join(TEXT, [replace(line, name=renamed.name, key_id=renamed.id)]).encode()
    with pytest.raises(Tampered):
        note.verify(moved, [renamed])


async def test_signatures_of_unknown_kinds_are_skipped():
    strange = note.Signature("strange.example", bytes(4), bytes(5000))
    data = note.add(await cosigned(OWN, WITNESS), [strange])
    assert note.verify(data, [WITNESS.key])[1] == (WITNESS.key,)
    # The same name and another kind of key: not this key's signature.
    assert note.verify(await cosigned(OWN_LATER), [OWN.key]) == (TEXT, ())


async def test_a_note_that_begins_with_no_tree_head_has_no_ml_dsa_cosignature():
    for text in ("hello\n", "a\n1\nb\n", TEXT.replace("2085", "02085")):
        with pytest.raises(Malformed):
            await cosignature.sign(OWN_LATER, text, AT)
        line = note.Signature(LOG, OWN_LATER.key.id, bytes(2428))
        with pytest.raises(Malformed):
            note.verify(note.join(text, [line]).encode(), [OWN_LATER.key])
        assert note.verify(await cosigned(WITNESS, text=text), [WITNESS.key])[0] == text


async def test_extension_lines_are_covered_by_ed25519_and_not_by_ml_dsa():
    data = await cosigned(WITNESS, WITNESS_LATER, text=TEXT + "extension\n")
    changed = data.replace(b"extension", b"EXTENSION")
    assert note.verify(changed, [WITNESS_LATER.key])[1] == (WITNESS_LATER.key,)
    with pytest.raises(Tampered):
        note.verify(changed, [WITNESS.key])


async def test_who_cosigns_twice_is_listed_twice():
    data = await cosigned(WITNESS)
    again = await cosignature.sign(WITNESS, TEXT, AT + timedelta(seconds=3))
    assert cosignature.verify(note.add(data, [again, again]), [WITNESS.key])[1] == [
        Cosignature(WITNESS.key, TIME),
        Cosignature(WITNESS.key, TIME + 3),
    ]


async def test_a_time_that_cannot_be_written_is_malformed():
    for at in (AT.replace(tzinfo=None), datetime(1970, 1, 1, tzinfo=UTC),
               datetime(1969, 1, 1, tzinfo=UTC)):  # fmt: skip
        with pytest.raises(Malformed):
            await cosignature.sign(WITNESS, TEXT, at)
    for time in (-1, 2**63):
        with pytest.raises(Malformed):
            signature.message(ED25519_COSIGNATURE, LOG, TEXT.encode(), time)
    with pytest.raises(Malformed):
        signature.message(MLDSA44_COSIGNATURE, "x" * 256, TEXT.encode())


async def test_the_lines_of_a_witness_s_answer_are_read_alone_and_added():
    data = await cosigned(OWN)
    lines = [await cosignature.sign(one, TEXT, AT) for one in (WITNESS, WITNESS_LATER)]
    answer = "".join(map(str, lines))
    whole = note.add(data, note.parse_signatures(answer))
    assert whole == data + answer.encode()
    assert note.add(whole, note.parse_signatures(answer)) == whole
    for wrong in ("", "\n", answer[:-1], answer + "\n", TEXT + "\n" + answer, answer * 9):
        with pytest.raises(Malformed):
            note.parse_signatures(wrong)
    with pytest.raises(Malformed):
        note.join(TEXT, [])


async def test_a_note_holds_as_many_ml_dsa_signatures_as_a_verifier_must_accept():
    signers = [
        keys.local_signer(f"w{number}.example", bytes([number] * 32), MLDSA44_COSIGNATURE)
        for number in range(note.SIGNATURES_MAX)
    ]
    data = await cosigned(*signers)
    assert len(note.verify(data, [one.key for one in signers])[1]) == note.SIGNATURES_MAX
    with pytest.raises(Malformed):
        note.add(data, [await cosignature.sign(OWN, TEXT, AT)])
