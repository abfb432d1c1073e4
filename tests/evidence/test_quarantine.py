"""Quarantine on a real database: what is through, what is refused, and what a crash leaves."""

import asyncio
import atexit
import io
import shutil
from datetime import timedelta
from uuid import uuid4

import pytest
from PIL import Image
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from evidence.audit import audit
from evidence.deposit import Declared
from evidence.errors import HarmfulFile, NotAnswered, Quarantined, StoreFailed
from evidence.flags import Code, Flag
from evidence.models import BlobState, InspectionState
from evidence.quarantine import LEASE, TRIES_MAX, Outcome, Quarantine
from evidence.scanner import Address, Scanner
from evidence.workshop import Limits, Workshop
from tests.evidence.cases import NOW, sent
from tests.evidence.hostile import documents, pictures
from tests.servers import clamd as servers
from tests.servers.clamd import Clamd

PHOTO = pictures.drawn("JPEG", (800, 600))
HARM = documents.pdf(documents.SCRIPT)
FLAGGED = PHOTO + b"meet me at noon"
SHOP = Workshop(Limits(files_max=1000))
atexit.register(SHOP.close)


class Ward:
    """A quarantine, and who brings files into it."""

    def __init__(self, engine, vault, **parts: object) -> None:
        self.engine, self.vault = engine, vault
        self.quarantine = Quarantine(vault, SHOP, lambda _: uuid4(), **parts)

    async def admit(self, data=PHOTO, media_type="image/jpeg"):
        declared = Declared(len(data), media_type)
        blob = await self.vault.deposit(sent(data), declared, blob=uuid4(), at=NOW)
        async with self.engine.begin() as conn:
            await self.vault.record(conn, blob)
            await self.quarantine.admit(conn, blob.id, at=NOW)
        return blob

    async def settle(self, outcome):
        async with self.engine.begin() as conn:
            return await self.quarantine.settle(conn, outcome, at=NOW)

    async def through(self, data=PHOTO, media_type="image/jpeg"):
        blob = await self.admit(data, media_type)
        outcome = await self.quarantine.examine(blob, at=NOW)
        assert await self.settle(outcome)
        return blob

    async def do(self, act, *given: object, **named: object):
        async with self.engine.begin() as conn:
            return await getattr(self.quarantine, act)(conn, *given, **named)

    async def state(self, blob):
        async with self.engine.connect() as conn:
            return (await self.vault.find_blob(conn, blob)).state

    async def objects(self):
        return {one.key async for one in self.vault.store.keys("blobs/")}


@pytest.fixture
def ward(engine, vault):
    return Ward(engine, vault)


async def test_a_good_file_passes_and_has_copies_of_its_own(ward):
    blob = await ward.through()
    found = await ward.do("find", blob.id)
    assert (found.state, found.flags, found.tries) == (InspectionState.PASSED, [], 1)
    assert (found.facts["width"], found.facts["height"]) == (800, 600)
    assert 0 <= found.facts["perceptual"] < 2**64
    copies = {one.kind: one for one in await ward.do("derivatives", blob.id)}
    assert copies.keys() == {"screen", "thumbnail"}
    assert (copies["thumbnail"].width, copies["thumbnail"].height) == (320, 240)
    async with ward.engine.connect() as conn:
        made = await ward.vault.find_blob(conn, copies["screen"].blob)
        original = await ward.vault.find_blob(conn, blob.id)
    assert made.plaintext.media_type == "image/jpeg"
    assert made.wrapped_key != original.wrapped_key
    seen = b"".join([piece async for piece in ward.vault.open_blob(made)])
    assert Image.open(io.BytesIO(seen)).size == (800, 600)
    kept = b"".join([piece async for piece in ward.vault.open_blob(original)])
    assert kept == PHOTO


async def test_a_file_is_kept_with_its_copies_once_it_is_through(ward):
    blob = await ward.admit()
    with pytest.raises(Quarantined):
        await ward.do("keep", blob.id, at=NOW)
    with pytest.raises(Quarantined):
        await ward.do("keep", uuid4(), at=NOW)
    outcome = await ward.quarantine.examine(blob, at=NOW)
    await ward.settle(outcome)
    kept = await ward.do("keep", blob.id, at=NOW)
    assert kept.state is BlobState.ACCEPTED
    copies = await ward.do("derivatives", blob.id)
    assert [await ward.state(one.blob) for one in copies] == [BlobState.ACCEPTED] * 2
    async with ward.engine.connect() as conn:
        unretained = await ward.vault.unretained_blobs(conn)
        assert {one.id for one in unretained} == {blob.id, *(one.blob for one in copies)}
        assert (await audit(conn, ward.vault)).findings == []


async def test_a_file_with_warnings_is_through_and_flagged(ward):
    blob = await ward.through(FLAGGED)
    found = await ward.do("find", blob.id)
    assert found.state is InspectionState.FLAGGED
    assert [flag.code for flag in found.flags] == [Code.TRAILING_BYTES]
    assert (await ward.do("keep", blob.id, at=NOW)).state is BlobState.ACCEPTED


async def test_a_harmful_file_loses_its_key_and_is_never_kept(ward):
    blob = await ward.through(HARM, "application/pdf")
    found = await ward.do("find", blob.id)
    assert found.state is InspectionState.REFUSED
    assert found.flags[0].code is Code.PDF_JAVASCRIPT
    with pytest.raises(HarmfulFile) as refused:
        await ward.do("keep", blob.id, at=NOW)
    assert refused.value.flags == found.flags
    async with ward.engine.connect() as conn:
        refused = await ward.vault.find_blob(conn, blob.id)
    assert (refused.state, refused.wrapped_key) == (BlobState.REFUSED, None)
    assert await ward.do("derivatives", blob.id) == []
    await ward.vault.remove(refused, now=NOW)
    async with ward.engine.begin() as conn:
        await ward.vault.forget(conn, blob.id)
    assert await ward.do("find", blob.id) is None
    assert await ward.objects() == set()


async def test_a_file_of_text_passes_without_copies(ward):
    blob = await ward.through(b"Hello", "text/plain")
    assert (await ward.do("find", blob.id)).state is InspectionState.PASSED
    assert await ward.do("derivatives", blob.id) == []
    assert (await ward.do("keep", blob.id, at=NOW)).state is BlobState.ACCEPTED


async def test_of_two_that_look_at_a_file_one_settles_and_the_other_leaves_nothing(ward):
    blob = await ward.admit()
    first, second = await asyncio.gather(*(ward.quarantine.examine(blob, at=NOW) for _ in "ab"))
    settled = await asyncio.gather(ward.settle(first), ward.settle(second))
    assert sorted(settled) == [False, True]
    loser = (second, first)[settled.index(False) == 0]
    await ward.quarantine.discard(loser, now=NOW)
    copies = await ward.do("derivatives", blob.id)
    async with ward.engine.connect() as conn:
        assert await ward.vault.lost_objects(conn) == []
    assert len(await ward.objects()) == 1 + len(copies) == 3


async def test_a_file_that_was_refused_meanwhile_is_not_settled(ward):
    blob = await ward.admit()
    outcome = await ward.quarantine.examine(blob, at=NOW)
    await ward.do("refuse", blob.id)
    assert not await ward.settle(outcome)
    await ward.quarantine.discard(outcome, now=NOW)
    assert len(await ward.objects()) == 1


async def test_a_refusal_takes_the_copies_along(ward):
    blob = await ward.through()
    copies = await ward.do("derivatives", blob.id)
    await ward.do("refuse", blob.id)
    for one in (blob.id, *(one.blob for one in copies)):
        assert await ward.state(one) is BlobState.REFUSED
        async with ward.engine.connect() as conn:
            refused = await ward.vault.find_blob(conn, one)
        await ward.vault.remove(refused, now=NOW)
        async with ward.engine.begin() as conn:
            await ward.vault.forget(conn, one)
    assert await ward.objects() == set()
    assert await ward.do("derivatives", blob.id) == []


# --- what a crash leaves -------------------------------------------------------------------------


async def claimed(ward, at, limit=10):
    return [(one.blob, one.tries) for one in await ward.do("claim", at=at, limit=limit)]


async def test_what_nobody_works_on_any_more_is_claimed_once(ward):
    blob = await ward.admit()
    assert await claimed(ward, NOW) == []
    assert await claimed(ward, NOW + LEASE - timedelta(seconds=1)) == []
    assert await claimed(ward, NOW + LEASE) == [(blob.id, 2)]
    assert await claimed(ward, NOW + LEASE) == []
    assert await claimed(ward, NOW + 2 * LEASE) == [(blob.id, 3)]


async def test_two_workers_never_claim_the_same_file(ward):
    blobs = {(await ward.admit(b"Hello", "text/plain")).id for _ in range(6)}
    at = NOW + LEASE
    async with ward.engine.begin() as one, ward.engine.begin() as other:
        first = await ward.quarantine.claim(one, at=at, limit=4)
        second = await ward.quarantine.claim(other, at=at, limit=4)
    assert (len(first), len(second)) == (4, 2)
    assert {each.blob for each in (*first, *second)} == blobs


async def test_what_is_postponed_waits_and_counts_only_if_it_shall(ward):
    blob = await ward.admit()
    later = NOW + timedelta(seconds=30)
    await ward.do("postpone", blob.id, later, counts=False)
    assert await claimed(ward, NOW) == []
    assert await claimed(ward, later) == [(blob.id, 1)]
    await ward.do("postpone", blob.id, later, counts=True)
    assert await claimed(ward, later) == [(blob.id, 2)]


async def test_a_file_that_costs_too_many_tries_is_given_up(ward):
    blob = await ward.admit()
    at = NOW
    while (await ward.do("find", blob.id)).tries <= TRIES_MAX:
        at += LEASE
        assert await claimed(ward, at)
    await ward.settle(ward.quarantine.given_up(blob.id))
    found = await ward.do("find", blob.id)
    assert found.state is InspectionState.REFUSED
    assert found.flags == [Flag.of(Code.TOO_COSTLY, what="wall_time")]
    assert await claimed(ward, at + LEASE) == []


async def test_a_settled_inspection_does_not_change(ward):
    blob = await ward.through()
    for change in (
        "UPDATE vault_inspections SET flags = '[]', facts = '{}' WHERE blob = :blob",
        "UPDATE vault_inspections SET ended = begun WHERE blob = :blob",
        "DELETE FROM vault_inspections WHERE blob = :blob",
        "UPDATE vault_derivatives SET width = 1 WHERE blob = :blob",
        "DELETE FROM vault_derivatives WHERE blob = :blob",
    ):
        with pytest.raises(DBAPIError):
            async with ward.engine.begin() as conn:
                await conn.execute(text(change), {"blob": blob.id})
    assert not await ward.settle(Outcome(blob.id, []))


async def test_a_file_that_ends_its_darkroom_is_refused_with_the_reason(engine, vault):
    shop = Workshop(Limits(cpu_seconds=1))
    ward = Ward(engine, vault)
    ward.quarantine = Quarantine(vault, shop, lambda _: uuid4())
    bomb = next(data for name, _, data, _ in documents._greedy_pdfs() if "million tiles" in name)
    blob = await ward.through(bomb, "application/pdf")
    found = await ward.do("find", blob.id)
    assert found.state is InspectionState.REFUSED
    assert found.flags == [Flag.of(Code.TOO_COSTLY, what="cpu_time")]
    blob = await ward.through()
    assert (await ward.do("find", blob.id)).state is InspectionState.PASSED
    shop.close()


async def test_a_store_that_fails_leaves_the_file_waiting(ward, tmp_path):
    blob = await ward.admit()
    store = tmp_path / "store"
    shutil.move(store, tmp_path / "away")
    store.write_bytes(b"no folder")
    with pytest.raises(StoreFailed):
        await ward.quarantine.examine(blob, at=NOW)
    store.unlink()
    shutil.move(tmp_path / "away", store)
    assert (await ward.do("find", blob.id)).state is InspectionState.WAITING
    assert await ward.settle(await ward.quarantine.examine(blob, at=NOW))


# --- with a scanner ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clamd(tmp_path_factory):
    with Clamd(tmp_path_factory.mktemp("clamd")) as running:
        yield running


async def test_a_virus_is_refused_by_its_name(engine, vault, clamd):
    scanner = Scanner(Address(path=clamd.socket), bytes_max=servers.STREAM_MAX)
    ward = Ward(engine, vault, scanner=scanner)
    blob = await ward.through(b"Dear all, " + servers.MARK, "text/plain")
    (flag,) = (await ward.do("find", blob.id)).flags
    assert (flag.code, flag.facts["name"].partition(".UNO")[0]) == (Code.MALWARE, servers.MARK_NAME)
    blob = await ward.through()
    assert (await ward.do("find", blob.id)).state is InspectionState.PASSED


async def test_what_is_too_large_for_the_scanner_is_flagged(engine, vault, clamd):
    scanner = Scanner(Address(path=clamd.socket), bytes_max=10)
    ward = Ward(engine, vault, scanner=scanner)
    blob = await ward.through(b"Hello, this is long.", "text/plain")
    (flag,) = (await ward.do("find", blob.id)).flags
    assert flag == Flag.of(Code.NOT_SCANNED, size=20)


async def test_without_the_scanner_nothing_leaves_quarantine(engine, vault, tmp_path):
    ward = Ward(engine, vault, scanner=Scanner(Address(path=tmp_path / "none")))
    blob = await ward.admit()
    with pytest.raises(NotAnswered):
        await ward.quarantine.examine(blob, at=NOW)
    with pytest.raises(Quarantined):
        await ward.do("keep", blob.id, at=NOW)
