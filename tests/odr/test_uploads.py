import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from evidence import keys, media
from evidence.deposit import Declared
from evidence.errors import DepositRefused, StoreFailed
from evidence.models import BlobState, VaultBlob
from evidence.store import DirectoryStore
from evidence.vault import Vault
from odr import exhibits, ids, uploads
from odr.errors import Invalid, NotFound, TooMuch, Unavailable
from odr.models.dialogue import Upload
from odr.uploads import UNUSED_KEPT, UNUSED_MAX
from odr.words import ExhibitKind
from tests.odr import world

NOTE = b"What happened, in the carrier's own words."
DECLARED = Declared(size=len(NOTE), media_type="text/plain", sha256=sha256(NOTE).digest())
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(40)


class Moody(DirectoryStore):
    """A folder that fails where it is told to."""

    failing: frozenset[str] = frozenset()

    async def put(self, *given: Any, **named: Any):
        if "put" in self.failing:
            raise StoreFailed("told to fail")
        return await super().put(*given, **named)

    async def delete(self, *given: Any, **named: Any):
        if "delete" in self.failing:
            raise StoreFailed("told to fail")
        await super().delete(*given, **named)


class Counter:
    """Where files are handed in."""

    def __init__(self, desk, people) -> None:
        self.desk, self.people = desk, people

    async def give(self, data=NOTE, declared=DECLARED, filename="note.txt", viewer=None):
        async def pieces():
            for at in range(0, len(data), 7):
                yield data[at : at + 7]

        return await self.hand(pieces(), declared, filename, viewer)

    async def hand(self, pieces, declared=DECLARED, filename="note.txt", viewer=None):
        return await uploads.deposit(
            self.desk, viewer or self.people.buyer, pieces, declared, filename
        )

    async def count(self, kind):
        async with self.desk.engine.connect() as conn:
            return await conn.scalar(select(func.count()).select_from(kind))

    async def objects(self):
        return [one.key async for one in self.desk.vault.store.keys("blobs/")]

    async def nothing_is_kept(self):
        kept = await self.count(Upload), await self.count(VaultBlob), await self.objects()
        assert kept == (0, 0, [])

    async def grow_old(self, upload, age):
        async with self.desk.engine.begin() as conn:
            columns = Upload.__table__.c
            older = columns.at - age
            await conn.execute(update(Upload).where(columns.id == upload).values(at=older))

    async def blob_of(self, upload):
        columns = Upload.__table__.c
        async with self.desk.engine.connect() as conn:
            blob = await conn.scalar(select(columns.blob_id).where(columns.id == upload))
            return await self.desk.vault.find_blob(conn, blob)


@pytest.fixture
async def counter(engine, tmp_path):
    made = keys.generate(world.SIGNER)
    vault = Vault(
        origin="vault.example/2026",
        store=Moody(tmp_path / "store"),
        keyring=made.keyring(),
        receipt_signer=made.signer(world.SIGNER),
        retention=timedelta(days=30),
        size_max=dict(media.SIZE_MAX) | {"text/plain": 1000},
    )
    return Counter(world.office(engine, tmp_path, vault=vault), await world.make(engine))


async def test_a_file_is_taken_in_for_its_depositor(counter):
    upload = await counter.give(filename="C:\\Users\\ann\\photo.txt")
    columns = Upload.__table__.c
    async with counter.desk.engine.connect() as conn:
        row = (await conn.execute(select(*columns).where(columns.id == upload))).one()
        blob = await counter.desk.vault.find_blob(conn, row.blob_id)
    assert (row.account_id, row.filename) == (counter.people.buyer.account_id, "photo.txt")
    assert row.used_at is None
    assert blob.state is BlobState.STORED
    assert blob.plaintext.sha256 == DECLARED.sha256
    read = b"".join([piece async for piece in counter.desk.vault.open_blob(blob)])
    assert read == NOTE


WRONG = [
    (b"", replace(DECLARED, size=0), ("file",), "empty"),
    (NOTE, replace(DECLARED, size=-1), ("file",), "empty"),
    (NOTE, replace(DECLARED, size=len(NOTE) + 1), ("file", "size"), "disagrees"),
    (NOTE, replace(DECLARED, size=len(NOTE) - 1), ("file", "size"), "disagrees"),
    (NOTE, replace(DECLARED, sha256=bytes(32)), ("file", "sha256"), "disagrees"),
    (NOTE, replace(DECLARED, media_type="image/gif"), ("file", "media_type"), "not_allowed"),
    (NOTE, replace(DECLARED, media_type="image/png"), ("file", "media_type"), "disagrees"),
    (
        PNG,
        Declared(size=len(PNG), media_type="image/jpeg"),
        ("file", "media_type"),
        "disagrees",
    ),
]


async def test_a_file_that_lies_is_refused_by_name_and_nothing_is_kept(counter):
    for data, declared, path, code in WRONG:
        with pytest.raises(Invalid) as refused:
            await counter.give(data, declared)
        assert (refused.value.path, refused.value.code) == (path, code), declared
        assert refused.value.bounds, declared
    await counter.nothing_is_kept()


async def test_a_file_over_the_limit_of_its_type_is_refused_with_the_limit(counter):
    with pytest.raises(TooMuch) as refused:
        await counter.give(declared=replace(DECLARED, size=1001))
    assert (refused.value.limit, refused.value.maximum) == ("file_bytes", 1000)
    await counter.nothing_is_kept()


async def test_a_connection_that_is_cut_leaves_nothing(counter):
    async def cut():
        yield NOTE[:20]
        raise ConnectionResetError("the browser went")

    with pytest.raises(ConnectionResetError):
        await counter.hand(cut())
    await counter.nothing_is_kept()


async def test_a_store_that_fails_is_unavailable_and_a_repeat_is_safe(counter):
    store = counter.desk.vault.store
    store.failing = frozenset({"put"})
    with pytest.raises(Unavailable) as refused:
        await counter.give()
    assert refused.value.part == "store"
    await counter.nothing_is_kept()
    store.failing = frozenset()
    assert await counter.give()


async def test_no_connection_to_the_database_is_held_while_a_file_comes(counter):
    busy = []

    async def slow():
        yield NOTE[:10]
        busy.append(counter.desk.engine.pool.checkedout())
        yield NOTE[10:]

    await counter.hand(slow())
    assert busy == [0]


def subclasses(kind):
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def test_every_refusal_of_the_vault_is_one_of_ours():
    assert set(uploads.REFUSALS) == set(subclasses(DepositRefused))


def test_what_is_taken_can_be_known_beforehand(counter):
    told = uploads.limits(counter.desk.vault)
    assert told.bytes_max["text/plain"] == 1000
    assert set(told.bytes_max) == set(media.SIZE_MAX)
    assert (told.unused_max, told.unused_days) == (UNUSED_MAX, UNUSED_KEPT.days)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("photo.jpg", "photo.jpg"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("../..", "file"),
        ("a/b/", "file"),
        (".htaccess", "htaccess"),
        ("  .. .pdf ", "pdf"),
        ("", "file"),
        ("a\x00b\r\nc.txt", "abc.txt"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("a\ud800.txt", "a.txt"),
        ("照片 (1).png", "照片 (1).png"),
        ("e\u0301te\u0301.png", "\u00e9t\u00e9.png"),
        (
            "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WRENCH}.png",
            "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WRENCH}.png",
        ),
        ("x" * 300 + ".jpeg", "x" * 250 + ".jpeg"),
        ("x" * 300, "x" * 255),
        ("x." + "y" * 300, "x." + "y" * 253),
    ],
)
def test_a_file_name_is_only_a_name(name, kept):
    assert uploads.cleaned(name) == kept
    assert uploads.cleaned(kept) == kept


@given(st.text(st.characters(), max_size=400))
def test_whatever_is_left_of_a_file_name_stays(name):
    kept = uploads.cleaned(name)
    assert uploads.cleaned(kept) == kept
    assert 0 < len(kept) <= 255
    assert not set(kept) & set("/\\\r\n\x00\u202e")
    assert kept.encode()
    assert not kept.startswith((".", " "))


async def test_who_may_not_act_hands_nothing_in(counter):
    reading = replace(counter.people.buyer, scopes=frozenset({"read"}))
    with pytest.raises(NotFound):
        await counter.give(viewer=reading)
    await counter.nothing_is_kept()


async def fill(counter, number):
    """So many uploads of the buyer's that wait."""
    columns = Upload.__table__.c
    for _ in range(number):
        await counter.give()
    async with counter.desk.engine.connect() as conn:
        mine = columns.account_id == counter.people.buyer.account_id
        return list((await conn.execute(select(columns.id).where(mine))).scalars())


async def test_so_many_uploads_wait_and_no_more(counter):
    waiting = await fill(counter, UNUSED_MAX)
    with pytest.raises(TooMuch) as refused:
        await counter.give()
    assert (refused.value.limit, refused.value.maximum) == ("unused_uploads", UNUSED_MAX)
    assert await counter.give(viewer=counter.people.seller)
    async with counter.desk.engine.begin() as conn:
        columns = Upload.__table__.c
        used = update(Upload).where(columns.id == waiting[0])
        await conn.execute(used.values(used_at=datetime.now(UTC)))
    assert await counter.give()


async def test_of_several_at_once_no_more_are_taken_than_may_wait(counter):
    await fill(counter, UNUSED_MAX - 2)
    tried = await asyncio.gather(*(counter.give() for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, TooMuch) for each in tried) == 3
    assert await counter.count(Upload) == await counter.count(VaultBlob) == UNUSED_MAX
    assert len(await counter.objects()) == UNUSED_MAX


async def test_an_upload_becomes_an_exhibit_once_and_only_its_depositors(counter):
    people, desk = counter.people, counter.desk
    order = await world.order(desk.engine, people)
    case = await world.file(desk, people, order)
    upload = await counter.give()
    handed = exhibits.Given(upload_id=upload, kind=ExhibitKind.STATEMENT, title="Words")
    async with desk.work(people.buyer, ids.child(case)) as work:
        await exhibits.submit_exhibit(work, case, handed)
    for viewer in (people.buyer, people.seller):
        with pytest.raises(NotFound):
            async with desk.work(viewer, ids.child(case)) as work:
                await exhibits.submit_exhibit(work, case, handed)
    await counter.grow_old(upload, 2 * UNUSED_KEPT)
    assert await uploads.sweep(desk) == 0
    assert (await counter.blob_of(upload)).state is BlobState.ACCEPTED


async def test_what_was_not_used_in_time_goes_with_its_key_and_its_object(counter):
    old, new = await counter.give(), await counter.give()
    await counter.grow_old(old, UNUSED_KEPT + timedelta(minutes=1))
    await counter.grow_old(new, UNUSED_KEPT - timedelta(minutes=1))
    assert await uploads.sweep(counter.desk) == 1
    assert await uploads.sweep(counter.desk) == 0
    assert (await counter.count(Upload), await counter.count(VaultBlob)) == (1, 1)
    assert len(await counter.objects()) == 1
    assert (await counter.blob_of(new)).state is BlobState.STORED


async def test_a_sweep_that_broke_off_is_gone_on_with(counter):
    upload = await counter.give()
    await counter.grow_old(upload, 2 * UNUSED_KEPT)
    store = counter.desk.vault.store
    store.failing = frozenset({"delete"})
    with pytest.raises(Unavailable):
        await uploads.sweep(counter.desk)
    # The key is destroyed already; only the object is left.
    assert (await counter.count(Upload), await counter.count(VaultBlob)) == (0, 1)
    store.failing = frozenset()
    assert await uploads.sweep(counter.desk) == 1
    await counter.nothing_is_kept()
