"""Keys of the log come and go, and the log itself tells which, and since when one is not ours."""

from datetime import timedelta

import pytest

from evidence import audit, checkpoint, keys, log, succession
from evidence.errors import LogMissing
from evidence.signature import MLDSA44_COSIGNATURE
from evidence.store import DirectoryStore
from infra import rotation
from tests.evidence.test_log import LOG, NEW_YEAR, NOON, append, drain, over, released

HOUR = timedelta(hours=1)


def signing(vault, held):
    """The vault as it is after a start with the keys of this file."""
    both = [*held.signers("vault.example/log"), *held.signers("vault.example/log", 0x06)]
    vault.log_signers = lambda origin: [one.named(origin) for one in both]
    return [one.named(LOG).key for one in both]


@pytest.fixture
def held():
    return keys.generate("vault.example/log", cosigners=["vault.example/log"])


async def told(engine) -> list:
    async with engine.connect() as conn:
        return await succession.history(conn, LOG)


async def test_rotation_signs_with_both_and_is_logged(engine, tmp_path, vault_keys, held):
    vault = over(DirectoryStore(tmp_path / "store"), vault_keys)
    old = signing(vault, held)
    await append(engine, vault, 2)
    await drain(engine, vault)
    await drain(engine, vault)
    assert succession.keys_told(await told(engine)) == [[str(one) for one in old]]

    held = rotation.rotated(held, "vault.example")
    both = signing(vault, held)
    await drain(engine, vault, NOON + HOUR)
    data = await released(vault)
    said, signed = checkpoint.verify(data, both)
    assert (said.size, len(signed)) == (4, 4)
    for some in (old, [one for one in both if one not in old]):  # whoever knows which keys ever
        assert len(checkpoint.verify(data, some)[1]) == 2

    held = rotation.retired(held, "vault.example")
    new = signing(vault, held)
    assert not set(new) & set(old)
    await drain(engine, vault, NOON + 2 * HOUR)
    assert checkpoint.verify(await released(vault), [*old, *new])[1] == tuple(new)
    history = await told(engine)
    assert succession.keys_told(history) == [
        [str(one) for one in each] for each in (old, both, new)
    ]
    assert [one.body["act"] for one in history] == [
        log.OPEN_LOG,
        succession.TELL_KEYS,
        succession.TELL_KEYS,
    ]
    async with engine.connect() as conn:
        assert (await audit.audit(conn, vault)).findings == []


async def test_after_a_retirement_an_old_year_is_still_checked_by_its_own_keys(
    engine, tmp_path, vault_keys, held
):
    vault = over(DirectoryStore(tmp_path / "store"), vault_keys)
    signing(vault, held)
    await append(engine, vault, 2)
    await drain(engine, vault, NEW_YEAR + HOUR)
    signing(vault, rotation.retired(rotation.rotated(held, "vault.example"), "vault.example"))
    await append(engine, vault, 2, at=NEW_YEAR + HOUR)
    await drain(engine, vault, NEW_YEAR + HOUR)
    async with engine.connect() as conn:
        assert [one.sealed is None for one in await log.states(conn)] == [False, True]
        assert (await audit.audit(conn, vault)).findings == []


async def test_a_compromise_is_declared_in_the_log(engine, tmp_path, vault_keys, held):
    vault = over(DirectoryStore(tmp_path / "store"), vault_keys)
    stolen, *_ = signing(vault, held)
    async with engine.connect() as conn:
        with pytest.raises(LogMissing):
            await succession.declare(conn, vault, stolen, NOON, NOON)
    await append(engine, vault, 1)
    await drain(engine, vault)
    async with engine.begin() as conn:
        await succession.declare(conn, vault, stolen, NOON - HOUR, NOON)
    await drain(engine, vault)
    *_, last = await told(engine)
    since = int((NOON - HOUR).timestamp() * 1_000_000)
    assert last.body == {
        "act": succession.DECLARE_COMPROMISE,
        "body": {"key": str(stolen), "log": LOG, "since": since},
    }


def test_what_was_rotated_is_kept_in_the_file(tmp_path, held):
    held = rotation.rotated(held, "vault.example")
    keys.save(held, tmp_path / "keys.json", "open sesame, please", cost=2)
    again = keys.load(tmp_path / "keys.json", "open sesame, please")
    for kind in (keys.ED25519, MLDSA44_COSIGNATURE):
        found = again.signers("vault.example/log", kind)
        assert [one.key for one in found] == [
            one.key for one in held.signers("vault.example/log", kind)
        ]
        (left,) = rotation.retired(again, "vault.example").signers("vault.example/log", kind)
        assert left.key == found[-1].key
