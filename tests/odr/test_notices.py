"""Notices: what a letter says, in which language and zone, and what it never says."""

import re
import string
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from odr import claims, ids, messages, notices, offers, outbox, sentences, signin
from odr.errors import NotFound
from odr.notices import Due, Letter, Told, Undeliverable
from odr.outbox import Failed, Hopeless
from odr.procedure.acts import Act
from odr.procedure.clocks import Clock
from odr.work import Office
from tests.odr import world as worlds
from tests.odr.world import World
from web.wording import LANGUAGES, Wording

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
CASE = ids.new(NOW)


def english(_: str, said: str) -> str:
    return said


def translated(language: str, said: str) -> str:
    return Wording(language, "UTC").gettext(said)


def link(number: str | None) -> str:
    return f"https://service.example/{number or ''}"


def told(**other: object) -> Told:
    given = {
        "id": ids.child(CASE),
        "kind": Act.MAKE_OFFER.value,
        "case_id": CASE,
        "number": "2611-0001-0002-17",
        "email": "buyer@example.org",
        "language": "en",
        "zone": "Europe/Berlin",
        "created": NOW,
        "sent": None,
        "due": (Due(Clock.OFFER, datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),),
    }
    return Told(**(given | other))


class Box:
    """A mail server that keeps letters, or says what it is told to say."""

    def __init__(self, answer: str | Exception = "250 OK") -> None:
        self.letters: list[Letter] = []
        self.answer = answer

    async def send(self, letter: Letter) -> str:
        self.letters.append(letter)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def desk(engine, tmp_path) -> Office:
    return worlds.office(engine, tmp_path)


@pytest.fixture
async def world(engine) -> World:
    return await worlds.make(engine)


@pytest.fixture
async def case_id(desk, world) -> UUID:
    return await worlds.file(desk, world, await worlds.order(desk.engine, world))


async def told_of(desk: Office, world_viewer, kind: str) -> Told:
    async with desk.engine.connect() as conn:
        found = await conn.execute(
            text("SELECT id FROM notices WHERE account_id = :who AND kind = :kind"),
            {"who": world_viewer.account_id, "kind": kind},
        )
        read = await notices.read(conn, found.scalars().one())
    assert read is not None
    return read


def test_a_letter_says_what_was_done_what_is_due_and_what_happens_by_default():
    letter = notices.render(told(), english, link)
    assert letter.subject == "Case 2611-0001-0002-17: There is a new offer."
    assert letter.text == (
        "There is a new offer.\n\n"
        # Summer time begins in that very hour.
        "- Offer, by 28 March 2027 at 03:00 (Central European Summer Time, GMT+02:00)."
        " If nothing is done by then: The offer lapses and the case goes on.\n\n"
        "Everything is in the case: https://service.example/2611-0001-0002-17\n\n"
        "This letter was sent automatically.\n"
    )


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", "28 March 2027 at 01:00 (Coordinated Universal Time, GMT+00:00)"),
        ("Asia/Shanghai", "28 March 2027 at 09:00 (China Standard Time, GMT+08:00)"),
        ("America/New_York", "27 March 2027 at 21:00 (Eastern Daylight Time, GMT-04:00)"),
    ],
)
def test_times_are_in_the_readers_zone_which_is_named(zone, expected):
    assert expected in notices.render(told(zone=zone), english, link).text


def test_a_letter_is_in_its_readers_language():
    letter = notices.render(told(language="zh", zone="Asia/Shanghai"), translated, link)
    assert "2611-0001-0002-17" in letter.subject
    assert "2027年3月28日" in letter.text
    assert "中国标准时间" in letter.text
    assert not re.search(
        r"[A-Za-z]{3,}",
        letter.text.replace("https://service.example", "")
        .replace(str(CASE), "")
        .replace("GMT", ""),
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("said", notices.SENTENCES)
def test_a_translation_has_the_places_of_its_original(language, said):
    def places(template: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(template) if name}

    assert places(translated(language, said)) == places(said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_act_and_every_other_notice_can_be_told(language):
    kinds = [*(act.value for act in Act), *(other.value for other in sentences.Other), "unheard"]
    for kind in kinds:
        for due in ((), tuple(Due(clock, NOW) for clock in Clock)):
            letter = notices.render(told(kind=kind, language=language, due=due), translated, link)
            assert "{" not in letter.subject + letter.text
            assert "\n" not in letter.subject


def test_every_act_is_told_in_a_sentence():
    untold = sorted(set(Act) ^ sentences.DONE.keys())
    assert not untold, f"{untold}: say in odr/sentences.py, DONE, that it was done"
    for said in (*sentences.DONE.values(), *(other.meaning for other in sentences.Other)):
        assert said[0].isupper()
        assert said.endswith(".")


def test_a_letter_of_no_case_points_home():
    letter = notices.render(told(kind="given_up", number=None, case_id=None), english, link)
    assert letter.subject == "The service has given something up after many tries."
    assert "https://service.example/\n" in letter.text


async def test_only_what_is_due_from_the_reader_is_told(desk, world, case_id):
    seller = await told_of(desk, world.seller, "file")
    assert [due.clock for due in seller.due] == [Clock.ACKNOWLEDGE, Clock.ANSWER]
    assert seller.case_id == case_id

    async with desk.work(world.seller, ids.child(case_id)) as work:
        await claims.contest(work, case_id, statement="It was whole.")
    async with desk.work(world.seller, ids.child(case_id)) as work:
        await offers.make_offer(work, case_id, worlds.refund(1_000))
    buyer = await told_of(desk, world.buyer, "make_offer")
    assert [due.clock for due in buyer.due] == [Clock.OFFER, Clock.NEGOTIATION]
    # Both are awaited in negotiation; the answer to the offer is the buyer's alone.
    again = await told_of(desk, world.seller, "file")
    assert [due.clock for due in again.due] == [Clock.NEGOTIATION]


async def test_a_letter_repeats_nothing_that_anybody_wrote(desk, world, case_id):
    async with desk.work(world.seller, ids.child(case_id)) as work:
        await claims.contest(work, case_id, statement="PRIVATE statement")
    async with desk.work(world.seller, ids.child(case_id)) as work:
        await messages.send_message(work, case_id, "PRIVATE message")
    async with desk.work(world.seller, ids.child(case_id)) as work:
        await offers.make_offer(work, case_id, worlds.refund(1_234), message="PRIVATE note")
    box = Box()
    async with desk.engine.connect() as conn:
        found = await conn.execute(text("SELECT id FROM notices"))
        for notice in found.scalars().all():
            await notices.deliver(desk.engine, box, notice, translate=english, link=link)
        people = (await conn.execute(text("SELECT email, name FROM accounts"))).all()
    assert len(box.letters) == 4
    for letter in box.letters:
        said = letter.subject + letter.text
        assert "PRIVATE" not in said
        assert "1,234" not in said
        assert "1234" not in said
        assert not [who.email for who in people if who.email in said]
        assert not [who.name for who in people if f" {who.name} " in said]


async def deliver(desk: Office, box: Box, notice: UUID) -> None:
    await notices.deliver(desk.engine, box, notice, translate=english, link=link)


async def row(desk: Office, notice: UUID):
    async with desk.engine.connect() as conn:
        sql = "SELECT sent, proof FROM notices WHERE id = :id"
        return (await conn.execute(text(sql), {"id": notice})).one()


async def test_a_letter_is_sent_once_and_its_proof_is_kept(desk, world, case_id):
    notice = (await told_of(desk, world.seller, "file")).id
    box = Box("250 2.0.0 OK " + "x" * 600)
    await deliver(desk, box, notice)
    await deliver(desk, box, notice)
    (letter,) = box.letters
    assert letter.id == str(notice)
    found = await row(desk, notice)
    assert found.sent is not None
    assert found.proof == box.answer[: notices.PROOF_MAX]
    assert case_id


async def test_what_cannot_be_delivered_is_hopeless_and_its_proof_is_kept(desk, world, case_id):
    notice = (await told_of(desk, world.seller, "file")).id
    with pytest.raises(Hopeless, match="550 nobody"):
        await deliver(desk, Box(Undeliverable("550 nobody")), notice)
    assert tuple(await row(desk, notice)) == (None, "550 nobody")
    await deliver(desk, Box(), notice)
    assert (await row(desk, notice)).proof == "250 OK"
    assert case_id


async def test_what_may_pass_leaves_no_trace(desk, world, case_id):
    notice = (await told_of(desk, world.seller, "file")).id
    with pytest.raises(Failed):
        await deliver(desk, Box(Failed("451 later")), notice)
    assert tuple(await row(desk, notice)) == (None, None)
    assert case_id


async def test_a_notice_that_is_gone_needs_no_letter(desk):
    box = Box()
    await deliver(desk, box, ids.new(NOW))
    assert box.letters == []


async def test_one_reads_ones_own_notices_only(desk, world, case_id):
    notice = (await told_of(desk, world.seller, "file")).id
    async with desk.work(world.seller, case_id) as work:
        await notices.mark_read(work, [notice, notice])
        first = work.at
    async with desk.work(world.seller, case_id) as work:
        await notices.mark_read(work, [notice])
        read = await work.conn.scalar(text("SELECT read FROM notices"))
    assert read == first
    for viewer, asked in ((world.buyer, notice), (world.seller, ids.child(case_id))):
        with pytest.raises(NotFound):
            async with desk.work(viewer, case_id) as work:
                await notices.mark_read(work, [asked])


async def test_the_operator_and_an_organisation_are_told_in_the_same_transaction(
    desk, world, case_id
):
    async with desk.work(world.operator, case_id) as work:
        await notices.tell(
            work.conn,
            case_id,
            "payout_returned",
            {"amount_minor": 5},
            at=work.at,
            organisations=[world.insurer_id],
            operators=True,
        )
    async with desk.engine.connect() as conn:
        found = await conn.execute(
            text(
                "SELECT n.account_id FROM notices n JOIN outbox o ON o.subject_id = n.id"
                " WHERE n.kind = 'payout_returned' AND o.kind = 'notice' AND o.state = 'due'"
            )
        )
        accounts = set(found.scalars())
    expected = (world.operator, world.second_operator, world.insurer)
    assert accounts == {viewer.account_id for viewer in expected}
    assert outbox.GIVEN_UP == sentences.Other.GIVEN_UP


def test_a_link_to_sign_in_comes_in_a_letter_of_its_own():
    issued = signin.Mail(
        email="buyer@example.org",
        name="Buyer",
        language="zh",
        secret="a-secret",
        expires=NOW + timedelta(minutes=15),
    )
    letter = notices.sign_in(issued, "https://x.example/a-secret", at=NOW, translate=translated)
    assert letter.to == "buyer@example.org"
    assert "https://x.example/a-secret" in letter.text
    assert "15" in letter.text
    assert "a-secret" not in letter.id + letter.subject
    assert "{" not in letter.text + letter.subject
