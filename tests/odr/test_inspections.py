"""Uploads go through quarantine: at once where they can, by the worker where they cannot."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from evidence.deposit import Declared
from evidence.models import BlobState, VaultBlob
from evidence.scanner import Address, Scanner
from odr import exhibits, ids, uploads
from odr.errors import Invalid, NotFound, Unavailable
from odr.models.dialogue import Upload
from odr.uploads import UNUSED_KEPT
from odr.words import ExhibitKind
from tests.evidence.hostile import documents, pictures
from tests.odr import world

PHOTO = pictures.drawn("JPEG", (640, 480))
HARM = documents.pdf(documents.SCRIPT)
AT_ONCE = timedelta(0)


class Counter:
    """Where files are handed in, and what is kept of them."""

    def __init__(self, desk, people) -> None:
        self.desk, self.people = desk, people

    async def give(self, data=PHOTO, media_type="image/jpeg", **changed: object):
        async def pieces():
            yield data

        declared = Declared(len(data), media_type)
        desk = replace(self.desk, **changed)
        return await uploads.deposit(desk, self.people.buyer, pieces(), declared, "file")

    async def count(self, kind):
        async with self.desk.engine.connect() as conn:
            return await conn.scalar(select(func.count()).select_from(kind))

    async def kept(self):
        objects = [one.key async for one in self.desk.vault.store.keys("blobs/")]
        return await self.count(Upload), await self.count(VaultBlob), len(objects)

    async def case(self):
        order = await world.order(self.desk.engine, self.people)
        return await world.file(self.desk, self.people, order)

    async def submit(self, case, upload):
        given = exhibits.Given(upload_id=upload, kind=ExhibitKind.PRODUCT_PHOTO, title="It")
        async with self.desk.work(self.people.buyer, ids.child(case)) as work:
            return await exhibits.submit_exhibit(work, case, given)

    async def open(self, exhibit, copy=None, viewer=None):
        async with self.desk.work(viewer or self.people.seller, exhibit) as work:
            return await exhibits.opened(work, exhibit, copy)

    async def pass_time(self):
        """As if a lease had run out."""
        over = "UPDATE vault_inspections SET leased_until = service_now() WHERE state = 'waiting'"
        async with self.desk.engine.begin() as conn:
            await conn.execute(text(over))


@pytest.fixture
async def counter(engine, tmp_path):
    return Counter(world.office(engine, tmp_path), await world.make(engine))


async def test_a_photo_is_an_exhibit_at_once_with_its_copies(counter):
    case = await counter.case()
    exhibit = await counter.submit(case, await counter.give())
    original = await counter.open(exhibit)
    assert original.plaintext.size == len(PHOTO)
    for copy in ("thumbnail", "screen"):
        made = await counter.open(exhibit, copy)
        assert made.state is BlobState.ACCEPTED
        assert made.plaintext.media_type == "image/jpeg"
        assert made.id != original.id


async def test_a_copy_is_seen_by_whoever_sees_the_exhibit_and_nobody_else(counter):
    exhibit = await counter.submit(await counter.case(), await counter.give())
    for copy in (None, "thumbnail", "screen"):
        with pytest.raises(NotFound):
            await counter.open(exhibit, copy, counter.people.stranger)
    with pytest.raises(NotFound):
        await counter.open(exhibit, "page-1")


async def test_a_reading_is_noted_but_for_a_thumbnail(counter):
    exhibit = await counter.submit(await counter.case(), await counter.give())
    readings = select(func.count()).select_from(text("readings"))
    for copy, expected in (("thumbnail", 0), ("screen", 1), (None, 2)):
        await counter.open(exhibit, copy)
        async with counter.desk.engine.connect() as conn:
            assert await conn.scalar(readings) == expected


async def test_a_harmful_file_is_refused_at_once_and_nothing_is_kept(counter):
    with pytest.raises(Invalid) as refused:
        await counter.give(HARM, "application/pdf")
    assert (refused.value.path, refused.value.code) == (("file",), "pdf_javascript")
    assert await counter.kept() == (0, 0, 0)


async def test_what_is_not_through_in_time_is_finished_by_the_worker(counter):
    rung = []
    case = await counter.case()
    upload = await counter.give(inspected_within=AT_ONCE, wake=lambda: rung.append(1))
    assert rung
    with pytest.raises(Unavailable) as refused:
        await counter.submit(case, upload)
    assert (refused.value.part, refused.value.retryable) == ("quarantine", True)
    while await uploads.inspect(counter.desk):
        pass
    exhibit = await counter.submit(case, upload)
    assert (await counter.open(exhibit, "screen")).state is BlobState.ACCEPTED


async def test_what_takes_too_long_is_left_to_the_worker(counter):
    case = await counter.case()
    upload = await counter.give(inspected_within=timedelta(microseconds=1))
    with pytest.raises(Unavailable):
        await counter.submit(case, upload)
    while await uploads.inspect(counter.desk):
        pass
    assert await counter.submit(case, upload)


async def test_what_a_crash_left_is_finished_by_the_worker(counter):
    case = await counter.case()
    upload = await counter.give(inspected_within=AT_ONCE)
    async with counter.desk.engine.begin() as conn:
        await conn.execute(text("UPDATE vault_inspections SET leased_until = service_now() + '1h'"))
    await uploads.inspect(counter.desk)
    with pytest.raises(Unavailable):
        await counter.submit(case, upload)
    async with counter.desk.engine.begin() as conn:
        await conn.execute(text("UPDATE vault_inspections SET leased_until = service_now()"))
    await uploads.inspect(counter.desk)
    assert await counter.submit(case, upload)


async def test_a_file_that_is_refused_later_tells_why_until_its_time_is_over(counter):
    case = await counter.case()
    upload = await counter.give(HARM, "application/pdf", inspected_within=AT_ONCE)
    await uploads.inspect(counter.desk)
    assert await uploads.sweep(counter.desk) == 0
    with pytest.raises(Invalid) as refused:
        await counter.submit(case, upload)
    assert refused.value.code == "pdf_javascript"
    assert await counter.kept() == (1, 1, 1)
    await grow_old(counter, upload)
    assert await uploads.sweep(counter.desk) == 1
    assert await counter.kept() == (0, 0, 0)


async def grow_old(counter, upload):
    columns = Upload.__table__.c
    async with counter.desk.engine.begin() as conn:
        older = columns.at - 2 * UNUSED_KEPT
        await conn.execute(update(Upload).where(columns.id == upload).values(at=older))


async def test_what_is_not_used_goes_with_its_copies(counter):
    upload = await counter.give()
    assert await counter.kept() == (1, 3, 3)
    await grow_old(counter, upload)
    assert await uploads.sweep(counter.desk) == 3
    assert await counter.kept() == (0, 0, 0)


async def test_while_the_scanner_is_away_files_wait_for_it(counter, tmp_path):
    away = replace(counter.desk.quarantine, scanner=Scanner(Address(path=tmp_path / "none")))
    case = await counter.case()
    upload = await counter.give(quarantine=away)
    for _ in range(10):
        await counter.pass_time()
        await uploads.inspect(replace(counter.desk, quarantine=away))
    with pytest.raises(Unavailable):
        await counter.submit(case, upload)
    await counter.pass_time()
    await uploads.inspect(counter.desk)
    assert await counter.submit(case, upload)


async def test_several_files_are_looked_at_until_none_waits(counter):
    for _ in range(5):
        await counter.give(inspected_within=AT_ONCE)
    turns = 1
    while await uploads.inspect(counter.desk):
        turns += 1
    assert turns == 3
    async with counter.desk.engine.connect() as conn:
        states = await conn.execute(text("SELECT DISTINCT state FROM vault_inspections"))
        assert states.scalars().all() == ["passed"]
