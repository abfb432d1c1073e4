from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import cipher
from evidence.errors import Malformed, Tampered

KEY = bytes(range(32))
BLOB = UUID("01430000-0000-8000-8000-000000000001")
MIB = cipher.CHUNK_SIZE
LONG = bytes(range(256)) * 4096 * 3 + b"end"  # three whole chunks and a short one


def sealed(data: bytes, key: bytes = KEY, blob: UUID = BLOB) -> bytes:
    return b"".join(cipher.seal(key, blob, [data]))


def unsealed(data: bytes, key: bytes = KEY, blob: UUID = BLOB) -> bytes:
    return b"".join(cipher.unseal(key, blob, [data]))


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 5])
def test_what_is_sealed_opens(size: int):
    data = bytes(size)
    assert unsealed(sealed(data)) == data
    assert len(sealed(data)) == cipher.sealed_size(size)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 2 * MIB), min_size=1, max_size=6))
def test_the_pieces_do_not_matter(sizes: list[int]):
    pieces, left = [], LONG
    for size in sizes:
        pieces.append(left[:size])
        left = left[size:]
    assert b"".join(cipher.seal(KEY, BLOB, [*pieces, left])) == sealed(LONG)


def test_the_format_is_what_the_module_says():
    associated = b"vault-blob/v1\n" + BLOB.bytes + bytes(8) + b"\x01"
    assert sealed(b"hello") == AESGCM(KEY).encrypt(bytes(12), b"hello", associated)


def test_nothing_at_all_is_malformed():
    with pytest.raises(Malformed):
        sealed(b"")
    with pytest.raises(Malformed):
        cipher.sealed_size(0)
    with pytest.raises(Malformed):
        sealed(b"x", key=b"short")


CHUNK = cipher.SEALED_SIZE
WHOLE = sealed(LONG)
DAMAGE = {
    "nothing left": b"",
    "last chunk cut off": WHOLE[: 3 * CHUNK],
    "cut inside": WHOLE[:-1],
    "first chunk cut off": WHOLE[CHUNK:],
    "a chunk left out": WHOLE[:CHUNK] + WHOLE[2 * CHUNK :],
    "two chunks swapped": WHOLE[CHUNK : 2 * CHUNK] + WHOLE[:CHUNK] + WHOLE[2 * CHUNK :],
    "a chunk twice": WHOLE[:CHUNK] + WHOLE,
    "something after the end": WHOLE + b"x",
    "another blob's chunk": sealed(LONG, blob=uuid4())[:CHUNK] + WHOLE[CHUNK:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(damage: str):
    with pytest.raises(Tampered):
        unsealed(DAMAGE[damage])


@pytest.mark.parametrize("at", [0, 100, CHUNK - 1, CHUNK, 3 * CHUNK, len(WHOLE) - 1])
def test_a_changed_byte_is_found(at: int):
    changed = bytearray(WHOLE)
    changed[at] ^= 1
    with pytest.raises(Tampered):
        unsealed(bytes(changed))


def test_another_key_or_another_blob_does_not_open():
    with pytest.raises(Tampered):
        unsealed(WHOLE, key=bytes(32))
    with pytest.raises(Tampered):
        unsealed(WHOLE, blob=uuid4())
