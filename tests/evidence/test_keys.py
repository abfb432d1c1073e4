import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from evidence import keys
from evidence.errors import KeyMissing, Malformed, Tampered
from evidence.keys import FileKeyRing, KeyRings, Wrapped
from evidence.signature import ED25519_COSIGNATURE, MLDSA44_COSIGNATURE

NAME = "vault.example/receipts"
LOG = "vault.example/2026"
COST = 2**10  # quick; the real one takes 0.4 s

# Written when key files knew Ed25519 only: NAME's seed is 00 01 ... 1f.
FILE_1 = (
    '{"cost":1024,"format":"vault-keys/v1","nonce":"fcda8853d2c9c1a83776dfd5","salt":"6fe50d085da0'
    'bd6a6e069710c8d2b0ca","sealed":"c73efb56029e397399c0aeec40e238e3f90b1635a27c19f193033a3a068b6'
    "145bdc5842ae8294340cbeb9dcfe94f1ba012a15218546daba61abc8d46186fb164f27cdd1ec1f77572cbd719498b"
    "f774f036a795dd3aacd990cfca1b6f71313266237f562748000c326a07c6090a28202ec83ebf0512ece354ddc2eb6"
    "cec02c60a71f13eb6f0ef233d2ee401d4bd33974bd34cfdec4d652458a19ac133f249d6ad12b8fb9f1168767c7433"
    "a0f7c6a4ffba98d96ccf9ceca67542cd2ab5d53b4b9c25d02641ce49209383753502eead5003c660f1b9d32dd4eab"
    'e80e24a1909"}'
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


async def test_a_key_file_gives_back_what_was_saved(path: Path):
    made = keys.generate(NAME, "vault.example/log")
    keys.save(made, path, "open sesame", cost=COST)
    found = keys.load(path, "open sesame")
    assert found == made
    assert found.signer(NAME).key == made.signer(NAME).key
    wrapped = await made.keyring().wrap(bytes(32), "blob")
    assert wrapped.key_id == made.keyring().current
    assert await found.keyring().unwrap(wrapped, "blob") == bytes(32)


def test_the_file_is_for_its_owner_and_shows_no_key(path: Path):
    made = keys.generate(NAME)
    keys.save(made, path, "open sesame", cost=COST)
    assert path.stat().st_mode & 0o777 == 0o600
    data = path.read_text()
    for secret in (made._signers[0].seed, *made._wrapping.values()):
        assert secret.hex() not in data
        assert secret.hex() not in repr(made)
        assert repr(secret) not in repr(made.keyring())


def test_another_passphrase_does_not_open_it(path: Path):
    keys.save(keys.generate(NAME), path, "open sesame", cost=COST)
    with pytest.raises(KeyMissing):
        keys.load(path, "Open sesame")
    with pytest.raises(KeyMissing):
        keys.load(path.with_name("none"), "open sesame")


@pytest.mark.parametrize("member", ["cost", "format", "nonce", "salt", "sealed"])
def test_a_changed_key_file_does_not_open(path: Path, member: str):
    keys.save(keys.generate(NAME), path, "open sesame", cost=COST)
    value = json.loads(path.read_text())
    value[member] = {"cost": 2**11, "format": "vault-keys/v1"}.get(
        member, "00" * (len(value[member]) // 2) if member != "cost" else 0
    )
    path.write_text(json.dumps(value))
    with pytest.raises((KeyMissing, Malformed)):
        keys.load(path, "open sesame")


@pytest.mark.parametrize(
    "change",
    [
        {"cost": 2**30}, {"cost": True}, {"cost": "1"}, {"salt": "00"}, {"nonce": "x"}, {"more": 1},
        {"format": "vault-keys/v3"},
    ],
)  # fmt: skip
def test_a_key_file_in_another_form_is_malformed(path: Path, change: dict):
    keys.save(keys.generate(NAME), path, "open sesame", cost=COST)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(Malformed):
        keys.load(path, "open sesame")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"1", b"\xff"])
def test_what_is_no_key_file_is_malformed(path: Path, data: bytes):
    path.write_bytes(data)
    with pytest.raises(Malformed):
        keys.load(path, "open sesame")


async def test_after_a_rotation_old_keys_still_unwrap_and_new_ones_wrap(path: Path):
    old = keys.generate(NAME)
    wrapped = await old.keyring().wrap(bytes(range(32)), "blob")
    keys.save(old.with_new_wrapping_key(), path, "p", cost=COST)
    new = keys.load(path, "p").keyring()
    assert new.current != old.keyring().current
    assert await new.unwrap(wrapped, "blob") == bytes(range(32))
    again = await new.wrap(bytes(range(32)), "blob")
    with pytest.raises(KeyMissing):
        await old.keyring().unwrap(again, "blob")


async def test_a_wrapped_key_that_was_changed_does_not_open():
    ring = keys.generate(NAME).keyring()
    wrapped = bytearray((await ring.wrap(bytes(32), "blob")).data)
    assert len(wrapped) == 40
    wrapped[5] ^= 1
    for wrong in (bytes(wrapped), bytes(wrapped[:-8]), b"", b"x"):
        with pytest.raises(Tampered):
            await ring.unwrap(Wrapped(wrong, ring.current), "blob")


async def test_wrapping_is_that_of_rfc_3394():
    # RFC 3394, 4.6: 256 bits of key data with a 256-bit key-encryption key.
    kek = bytes(range(32))
    data = bytes.fromhex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f")
    expected = "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"
    wrapped = await keys.LocalKeyRing("k", {"k": kek}).wrap(data, "blob")
    assert wrapped.data.hex() == expected
    assert aes_key_unwrap(kek, bytes.fromhex(expected)) == data


def test_a_signer_is_named_once():
    made = keys.generate(NAME)
    with pytest.raises(Malformed):
        made.with_new_signer(NAME)
    with pytest.raises(Malformed):
        made.with_new_signer("a b")
    with pytest.raises(KeyMissing):
        made.signer("vault.example/other")


async def test_a_signature_verifies_with_the_public_half():
    # RFC 8032, 7.1, test 1.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    signer = keys.local_signer(NAME, seed)
    assert signer.key.public.hex().startswith("d75a980182b10ab7d54bfed3c964073a")
    signature = await signer.sign(b"")
    assert signature.hex().startswith("e5564300c360ac729086e2cc806e828a")
    assert signer.key.verifies(b"", signature)
    assert not signer.key.verifies(b"x", signature)


def test_an_older_key_file_still_opens_and_is_saved_anew(path: Path):
    path.write_text(FILE_1)
    old = keys.load(path, "open sesame")
    assert old.signer(NAME).key == keys.local_signer(NAME, bytes(range(32))).key
    assert old.keyring().current == "0001020304050607"
    keys.save(old.with_new_signer(LOG, MLDSA44_COSIGNATURE), path, "open sesame", cost=COST)
    new = keys.load(path, "open sesame")
    assert new.signer(NAME).key == old.signer(NAME).key
    assert new.cosigner(LOG).key.kind == MLDSA44_COSIGNATURE
    with pytest.raises(KeyMissing):
        keys.load(path, "open")


def test_signers_of_every_kind_come_back_from_the_file(path: Path):
    made = keys.generate(NAME, LOG, cosigners=[LOG]).with_new_signer(LOG, ED25519_COSIGNATURE)
    keys.save(made, path, "p", cost=COST)
    found = keys.load(path, "p")
    assert found == made
    for one, again in (
        (made.signer(LOG), found.signer(LOG)),
        (made.cosigner(LOG), found.cosigner(LOG)),
        (made.cosigner(LOG, ED25519_COSIGNATURE), found.cosigner(LOG, ED25519_COSIGNATURE)),
    ):
        assert one.key == again.key
    assert len({one.seed for one in found._signers}) == 4
    with pytest.raises(KeyMissing):
        found.cosigner(NAME)
    with pytest.raises(Malformed):
        made.with_new_signer(LOG, MLDSA44_COSIGNATURE)
    with pytest.raises(Malformed):
        made.with_new_signer(LOG, 0x02)


def test_after_a_rotation_the_newest_signs_and_the_older_one_is_there_to_sign_too(path: Path):
    old = keys.generate(LOG, cosigners=[LOG])
    keys.save(old.with_rotated_signer(LOG), path, "p", cost=COST)
    new = keys.load(path, "p")
    assert [one.key for one in new.signers(LOG)] == [old.signer(LOG).key, new.signer(LOG).key]
    assert new.signer(LOG).key != old.signer(LOG).key
    assert new.cosigner(LOG).key == old.cosigner(LOG).key
    with pytest.raises(KeyMissing):
        old.with_rotated_signer(NAME)


async def test_a_running_process_takes_a_key_that_was_added_to_the_file_meanwhile(path: Path):
    old = keys.generate(NAME)
    keys.save(old, path, "p", cost=COST)
    running = FileKeyRing(path, "p", old)
    keys.save(old.with_new_wrapping_key(), path, "p", cost=COST)
    new = keys.load(path, "p").keyring()
    wrapped = await new.wrap(bytes(range(32)), "blob")
    assert running.current == old.keyring().current
    assert await running.unwrap(wrapped, "blob") == bytes(range(32))
    assert running.current == new.current == (await running.wrap(bytes(32), "blob")).key_id


async def test_a_key_that_is_in_no_file_is_missing_and_the_file_is_read_once_for_it(path: Path):
    held = keys.generate(NAME)
    keys.save(held, path, "p", cost=COST)
    ring = FileKeyRing(path, "another passphrase, which would be refused", held)
    for _ in range(2):
        with pytest.raises(KeyMissing, match="no wrapping key feed"):
            await ring.unwrap(Wrapped(bytes(40), "feed"), "blob")


async def test_of_several_rings_the_first_wraps_and_each_opens_its_own():
    first, second = keys.generate(NAME).keyring(), keys.generate(NAME).keyring()
    rings = KeyRings(first, second)
    assert rings.current == first.current
    for ring in (first, second, rings):
        wrapped = await ring.wrap(bytes(range(32)), "blob")
        assert await rings.unwrap(wrapped, "blob") == bytes(range(32))
    assert (await rings.wrap(bytes(32), "blob")).key_id == first.current
    with pytest.raises(KeyMissing):
        await rings.unwrap(Wrapped(bytes(40), "feed"), "blob")


def test_a_wrapping_key_is_dropped_by_its_id_but_not_the_newest(path: Path):
    old = keys.generate(NAME)
    new = old.with_new_wrapping_key()
    left = new.without_wrapping_key(old.keyring().current)
    keys.save(left, path, "p", cost=COST)
    assert keys.load(path, "p") == left
    assert left.keyring().current == new.keyring().current
    with pytest.raises(Malformed):
        new.without_wrapping_key(new.keyring().current)
    with pytest.raises(KeyMissing):
        left.without_wrapping_key(old.keyring().current)
