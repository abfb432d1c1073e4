"""Examinations: exhibits of real cases, compared with other cases, the order and the scans."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from PIL import Image, ImageDraw
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from evidence.deposit import Declared
from odr import (
    audit,
    claims,
    clockwork,
    examinations,
    exhibits,
    ids,
    messages,
    neutrals,
    offers,
    uploads,
)
from odr.errors import Invalid, NotFound, Unmet
from odr.findings.kinds import FindingKind
from odr.models.dialogue import Exhibit, Message
from odr.models.findings import Examination, ExhibitFinding
from odr.policy import Viewer
from odr.vouchers import Voucher
from odr.words import ExhibitKind, Reason, Side
from tests.evidence.camera import MADE, Camera
from tests.odr import world as worlds

K = FindingKind


def scene(seed: int, *, quality: int = 90, size: int = 320, made: datetime | None = None) -> bytes:
    """A picture of some things, by its seed; ``made`` is when its camera says it was taken."""
    image = Image.new("RGB", (640, 480), "white")
    draw = ImageDraw.Draw(image)
    state = seed
    for _ in range(60):
        state = (state * 1103515245 + 12345) % 2**31
        x, y = state % 640, state // 640 % 480
        colour = (state % 251, state // 7 % 251, state // 49 % 251)
        draw.rectangle((x, y, x + 40 + state % 90, y + 20 + state % 60), fill=colour)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "EOS 40D"
    if made is not None:
        sub = exif.get_ifd(0x8769)
        sub[0x9003], sub[0x9011] = made.strftime("%Y:%m:%d %H:%M:%S"), "+00:00"
    file = io.BytesIO()
    image.resize((size, size * 3 // 4)).save(file, "JPEG", quality=quality, exif=exif)
    return file.getvalue()


@dataclass
class Bench:
    """A desk with a world, on which cases are filed and exhibits given."""

    desk: Any
    people: worlds.World
    cases: list[UUID] = field(default_factory=list)

    async def deposit(self, data: bytes, media_type: str, viewer: Viewer | None = None) -> UUID:
        async def pieces() -> AsyncIterator[bytes]:
            yield data

        declared = Declared(size=len(data), media_type=media_type)
        return await uploads.deposit(
            self.desk, viewer or self.people.buyer, pieces(), declared, "file"
        )

    async def act(self, viewer: Viewer, do: Any, subject: UUID, *given: Any, **named: Any) -> Any:
        async with self.desk.work(viewer, ids.child(subject)) as work:
            return await do(work, subject, *given, **named)

    async def file(self) -> UUID:
        """A case that is negotiated."""
        order = await worlds.order(self.desk.engine, self.people)
        filing = claims.Filing(
            order_id=order,
            reason=Reason.DAMAGED_IN_TRANSIT,
            statement="It arrived broken.",
            terms=worlds.refund(12_900, full=True),
        )
        async with self.desk.work(self.people.buyer, ids.child(order)) as work:
            case = await claims.file(work, filing)
        await self.act(self.people.seller, claims.contest, case, statement="No.")
        self.cases.append(case)
        return case

    async def give(
        self,
        case: UUID,
        data: bytes,
        media_type: str = "image/jpeg",
        kind: ExhibitKind = ExhibitKind.PRODUCT_PHOTO,
        viewer: Viewer | None = None,
        **named: Any,
    ) -> UUID:
        by = viewer or self.people.buyer
        upload = await self.deposit(data, media_type, by)
        given = exhibits.Given(upload_id=upload, kind=kind, title="An exhibit", **named)
        return await self.act(by, exhibits.submit_exhibit, case, given)

    async def examine(self, exhibit: UUID, **named: Any) -> dict[FindingKind, Any]:
        await examinations.examine(self.desk, exhibit, **named)
        return await self.findings(exhibit)

    async def findings(self, exhibit: UUID) -> dict[FindingKind, Any]:
        columns = ExhibitFinding.__table__.c
        statement = select(*columns).where(columns.exhibit_id == exhibit)
        async with self.desk.engine.connect() as conn:
            return {FindingKind(row.kind): row for row in await conn.execute(statement)}

    async def told(self, exhibit: UUID, *args: Any, **named: Any) -> set[FindingKind]:
        return set(await self.examine(exhibit, *args, **named)) - {K.CREDENTIALS_ABSENT}

    async def one(self, statement: Any) -> Any:
        async with self.desk.engine.connect() as conn:
            return (await conn.execute(statement)).one()

    async def mediate(self, case: UUID) -> Viewer:
        """The case in mediation, with a mediator who has the seat."""
        counter = await self.act(
            self.people.seller, offers.make_counter_offer, case, worlds.refund(3_000)
        )
        async with self.desk.work(self.people.buyer, ids.child(case)) as work:
            await offers.reject_counter_offer(work, counter)
        await clockwork.run(self.desk, str)
        found = await self.one(
            text(
                "SELECT account_id FROM seats WHERE case_id = :c AND role = 'mediator'"
            ).bindparams(c=case)
        )
        mediator = next(m for m in self.people.mediators if m.account_id == found.account_id)
        await self.act(mediator, neutrals.disclose, case)
        return mediator


@pytest.fixture
async def bench(engine, tmp_path) -> Bench:
    return Bench(worlds.office(engine, tmp_path), await worlds.make(engine))


# --- other cases ---------------------------------------------------------------------------------


async def test_the_same_file_in_another_case_is_told_of_the_later_one_only(bench):
    first = await bench.give(await bench.file(), scene(1))
    second = await bench.give(await bench.file(), scene(1))
    assert await bench.told(second) == {K.SAME_FILE_ELSEWHERE}
    assert await bench.told(first) == set()


async def test_a_picture_pressed_and_shrunk_is_known_again(bench):
    first = await bench.give(await bench.file(), scene(1))
    await bench.examine(first)
    second = await bench.give(await bench.file(), scene(1, quality=40, size=200))
    found = await bench.examine(second)
    assert K.ALIKE_ELSEWHERE in found
    other = await bench.give(await bench.file(), scene(2))
    assert await bench.told(other) == set()


async def test_nothing_of_the_other_case_is_told(bench):
    case = await bench.file()
    first = await bench.give(case, scene(1))
    await bench.examine(first)
    second = await bench.give(await bench.file(), scene(1, quality=40))
    row = (await bench.examine(second))[K.ALIKE_ELSEWHERE]
    assert [set(each) for each in row.grounds] == [{"name", "text"}]
    said = json.dumps(row.grounds)
    assert not any(secret in said for secret in (str(case), str(first), case.hex, first.hex))


async def test_the_same_file_twice_in_one_case_is_no_finding(bench):
    case = await bench.file()
    await bench.give(case, scene(1))
    assert await bench.told(await bench.give(case, scene(1))) == set()


async def test_papers_that_look_alike_are_not_compared(bench):
    paper = ExhibitKind.COMMERCIAL_INVOICE
    first = await bench.give(await bench.file(), scene(1), kind=paper)
    await bench.examine(first)
    second = await bench.give(await bench.file(), scene(1, quality=40), kind=paper)
    photo = await bench.give(await bench.file(), scene(1, quality=50))
    assert await bench.told(second) == await bench.told(photo) == set()


async def test_two_that_are_given_at_once_find_each_other(bench):
    first, second = [await bench.file() for _ in range(2)]
    one = await bench.give(first, scene(1))
    other = await bench.give(second, scene(1, quality=40))
    await asyncio.gather(*(examinations.examine(bench.desk, each) for each in (one, other)))
    found = [K.ALIKE_ELSEWHERE in await bench.findings(each) for each in (one, other)]
    assert found == [False, True]


async def test_a_blank_page_is_not_kept_and_matches_nothing(bench):
    blank = Image.new("RGB", (300, 300), "white")
    pages = []
    for quality in (90, 50):
        file = io.BytesIO()
        blank.save(file, "JPEG", quality=quality)
        pages.append(await bench.give(await bench.file(), file.getvalue()))
    for page in pages:
        assert K.ALIKE_ELSEWHERE not in await bench.examine(page)
    async with bench.desk.engine.connect() as conn:
        assert (await conn.execute(text("SELECT count(*) FROM vault_likenesses"))).scalar() == 0


async def test_what_is_everywhere_says_nothing_by_its_looks(bench):
    case = await bench.file()
    for number in range(3):
        await bench.examine(await bench.give(case, scene(1, quality=60 + number)))
    # Of one case, however often; of a dozen cases it is a form or a logo.
    assert await bench.told(await bench.give(await bench.file(), scene(1))) == {K.ALIKE_ELSEWHERE}
    for number in range(examinations.OFTEN - 1):
        await bench.examine(await bench.give(await bench.file(), scene(1, quality=70 + number)))
    assert await bench.told(await bench.give(await bench.file(), scene(1, quality=30))) == set()


# --- the order and the scans ---------------------------------------------------------------------


async def test_a_photo_older_than_the_delivery_is_told_with_both_instants(bench):
    case = await bench.file()
    shipment = await bench.one(
        text(
            "SELECT s.delivered_at FROM shipments s JOIN cases c USING (order_id) WHERE c.id = :c"
        ).bindparams(c=case)
    )
    early = scene(3, made=shipment.delivered_at - timedelta(days=2))
    row = (await bench.examine(await bench.give(case, early)))[K.TAKEN_BEFORE_DELIVERY]
    told = {each["name"]: datetime.fromisoformat(each["at"]) for each in row.grounds}
    assert told["delivered"] == shipment.delivered_at
    fitting = scene(4, made=shipment.delivered_at + timedelta(hours=5))
    assert await bench.told(await bench.give(case, fitting)) == {K.TIME_FITS}


async def test_a_document_is_compared_with_the_order(bench):
    case = await bench.file()
    paper = {"media_type": "text/plain", "kind": ExhibitKind.COMMERCIAL_INVOICE}
    seller = bench.people.seller
    wrong = Voucher(amount_minor=99_900, currency="EUR", recipient="Somebody Else")
    found = await bench.told(
        await bench.give(case, b"An invoice.", viewer=seller, voucher=wrong, **paper)
    )
    assert found == {K.TOTAL_DIFFERS, K.RECIPIENT_DIFFERS}
    for amount in (12_900, 12_000):
        right = Voucher(amount_minor=amount, currency="EUR", recipient="BUYER")
        exhibit = await bench.give(
            case, f"{amount}".encode(), viewer=seller, voucher=right, **paper
        )
        assert await bench.told(exhibit) == set()


async def test_what_a_document_says_is_checked_when_it_is_given(bench):
    case = await bench.file()
    with pytest.raises(Invalid) as refused:
        await bench.give(case, scene(1), voucher=Voucher(customs_number="1"))
    assert (refused.value.path, refused.value.code) == (
        ("voucher", "customs_number"),
        "not_for_kind",
    )


# --- credentials and tracking documents ----------------------------------------------------------


async def test_content_credentials_are_read(bench):
    camera = Camera()
    exhibit = await bench.give(await bench.file(), camera.shoot(MADE))
    found = await bench.examine(exhibit, anchors=camera.authority)
    assert found[K.CREDENTIALS_HOLD].strength == "fair"
    assert found[K.CREDENTIALS_HOLD].grounds == [{"name": "signer", "text": "Camera Works"}]


def tracked(*places: str) -> bytes:
    events = [
        {
            "type": "ObjectEvent",
            "action": "OBSERVE",
            "epcList": ["urn:epc:id:sscc:0614141.1234567890"],
            "eventTime": f"2026-11-{10 + number}T10:00:00+01:00",
            "eventTimeZoneOffset": "+01:00",
            "bizStep": "arriving",
            "bizLocation": {"id": place},
        }
        for number, place in enumerate(places)
    ]
    document = {
        "@context": "https://ref.gs1.org/standards/epcis/epcis-context.jsonld",
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-11-14T10:00:00Z",
        "epcisBody": {"eventList": events},
    }
    return json.dumps(document).encode()


TRACKING = {"media_type": "application/json", "kind": ExhibitKind.TRACKING_RECORD}


async def test_a_tracking_document_s_events_are_kept_in_their_order(bench):
    exhibit = await bench.give(await bench.file(), tracked("urn:a:b", "urn:c:d"), **TRACKING)
    assert await bench.told(exhibit) == set()
    columns = Examination.__table__.c
    row = await bench.one(select(columns.tracking).where(columns.exhibit_id == exhibit))
    assert [each["location"] for each in row.tracking] == ["urn:a:b", "urn:c:d"]
    assert row.tracking[0]["at"] == "2026-11-10T10:00:00+01:00"


async def test_a_document_that_breaks_the_standard_is_told_where(bench):
    broken = tracked("urn:a:b").replace(b'"arriving"', b'"flying"')
    row = (await bench.examine(await bench.give(await bench.file(), broken, **TRACKING)))[
        K.NOT_STANDARD
    ]
    assert row.grounds == [
        {"name": "fails", "text": "epcisBody.eventList.0.bizStep: unknown_value"}
    ]


async def test_other_json_is_left_alone(bench):
    exhibit = await bench.give(await bench.file(), b'{"a": 1}', **TRACKING)
    assert await bench.told(exhibit) == set()


async def test_a_place_is_compared_with_the_last_one_that_tracking_names(bench):
    case = await bench.file()
    seller = bench.people.seller
    await bench.examine(
        await bench.give(
            case, tracked("geo:48.1,11.5", "geo:52.52,13.405"), viewer=seller, **TRACKING
        )
    )
    image = Image.open(io.BytesIO(scene(5)))
    exif = image.getexif()
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (48.0, 8.0, 14.0), "E", (11.0, 34.0, 32.0)
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif)
    row = (await bench.examine(await bench.give(case, file.getvalue())))[K.TAKEN_ELSEWHERE]
    assert row.grounds == [{"name": "distance", "text": "504 km"}]


# --- done once, and answered ---------------------------------------------------------------------


async def test_an_exhibit_waits_in_the_outbox_and_is_examined_once(bench):
    exhibit = await bench.give(await bench.file(), scene(1))
    waiting = await bench.one(
        text("SELECT state FROM outbox WHERE kind = 'examine' AND subject_id = :e").bindparams(
            e=exhibit
        )
    )
    assert waiting.state == "due"
    first = await bench.examine(exhibit)
    assert await bench.examine(exhibit) == first
    with pytest.raises(NotFound):
        await examinations.examine(bench.desk, ids.child(exhibit))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE exhibit_findings SET strength = 'slight'",
        "DELETE FROM exhibit_findings",
        "TRUNCATE exhibit_findings CASCADE",
    ],
)
async def test_what_was_found_stands(bench, admin, statement):
    await bench.examine(await bench.give(await bench.file(), scene(1)))
    with pytest.raises(Exception, match="findings only grow"):
        await admin.execute(statement)
    with pytest.raises(DBAPIError):
        async with bench.desk.engine.begin() as conn:
            await conn.execute(text(statement))


async def test_either_side_answers_a_finding_once(bench):
    case = await bench.file()
    exhibit = await bench.give(case, scene(1))
    (finding,) = (await bench.examine(exhibit)).values()
    for viewer in (bench.people.buyer, bench.people.seller):
        say = {"finding_id": finding.id}
        await bench.act(viewer, exhibits.answer_exhibit, exhibit, "So it is.", **say)
        with pytest.raises((Invalid, Unmet)):
            await bench.act(viewer, exhibits.answer_exhibit, exhibit, "Once more.", **say)
    await bench.act(bench.people.seller, exhibits.answer_exhibit, exhibit, "And that one?")
    async with bench.desk.engine.connect() as conn:
        report = await audit.audit_case(conn, bench.desk, case)
    assert report.findings == []


async def test_a_finding_of_another_exhibit_is_none(bench):
    case = await bench.file()
    exhibit, other = [await bench.give(case, scene(n)) for n in (1, 2)]
    (finding,) = (await bench.examine(other)).values()
    with pytest.raises(Invalid) as refused:
        await bench.act(
            bench.people.buyer, exhibits.answer_exhibit, exhibit, "x", finding_id=finding.id
        )
    assert refused.value.path == ("finding",)


async def test_without_findings_one_does_not_answer_one_s_own_exhibit(bench):
    exhibit = await bench.give(await bench.file(), scene(1))
    with pytest.raises(Unmet):
        await bench.act(bench.people.buyer, exhibits.answer_exhibit, exhibit, "Mine.")


# --- challenges ----------------------------------------------------------------------------------


async def test_a_mediator_asks_for_a_picture_that_shows_a_code(bench):
    case = await bench.file()
    mediator = await bench.mediate(case)
    asked = await bench.act(
        mediator, messages.send_message, case, "Please show the code.", asks=Side.CLAIMANT
    )
    columns = Message.__table__.c
    message = await bench.one(select(*columns).where(columns.id == asked))
    assert len(message.code) == 6
    exhibit = await bench.give(case, scene(1), challenge=asked)
    row = (await bench.examine(exhibit))[K.ANSWERS_CHALLENGE]
    told = {each["name"]: each.get("text") or each["at"] for each in row.grounds}
    assert told["code"] == message.code
    assert datetime.fromisoformat(told["code_made"]) == message.at
    old = scene(2, made=message.at - timedelta(days=1))
    found = await bench.told(await bench.give(case, old, challenge=asked))
    assert K.OLDER_THAN_CHALLENGE in found
    async with bench.desk.engine.connect() as conn:
        report = await audit.audit_case(conn, bench.desk, case)
    assert report.findings == []


async def test_a_challenge_is_answered_by_the_side_that_it_asks(bench):
    case = await bench.file()
    mediator = await bench.mediate(case)
    asked = await bench.act(mediator, messages.send_message, case, "Please.", asks=Side.CLAIMANT)
    plain = await bench.act(mediator, messages.send_message, case, "Hello.")
    for viewer, challenge in ((bench.people.seller, asked), (bench.people.buyer, plain)):
        with pytest.raises(Invalid) as refused:
            await bench.give(case, scene(1), viewer=viewer, challenge=challenge)
        assert refused.value.path == ("challenge",)


async def test_only_neutrals_ask_and_only_a_side(bench):
    case = await bench.file()
    with pytest.raises(Invalid, match="neutrals_only"):
        await bench.act(
            bench.people.buyer, messages.send_message, case, "Show me.", asks=Side.RESPONDENT
        )
    mediator = await bench.mediate(case)
    with pytest.raises(Invalid, match="not_a_party"):
        await bench.act(mediator, messages.send_message, case, "Show me.", asks=Side.NEUTRAL)


async def test_a_finding_behind_the_wall_is_not_answered_on_the_record(bench):
    case = await bench.file()
    await bench.give(case, scene(9))
    await bench.mediate(case)
    walled = await bench.give(case, scene(1))
    (finding,) = (await bench.examine(walled)).values()
    row = await bench.one(select(Exhibit.channel).where(Exhibit.id == walled))
    assert row.channel == "mediation"
    answer = await bench.act(
        bench.people.seller,
        exhibits.answer_exhibit,
        walled,
        "In here.",
        finding_id=finding.id,
    )
    said = await bench.one(
        text("SELECT channel FROM exhibit_answers WHERE id = :a").bindparams(a=answer)
    )
    assert said.channel == "mediation"
