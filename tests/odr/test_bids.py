"""Sealed bids: they settle in the middle where they meet; else nobody ever learns them."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from infra import database as db
from odr import (
    audit,
    bids,
    cases,
    claims,
    clockwork,
    envelope,
    hearings,
    ids,
    journal,
    ledger,
    messages,
    offers,
)
from odr.caucus import Caucus, Unsealable
from odr.errors import Invalid, Late, NotAllowed, NotFound, Refused, Stale, Unmet
from odr.journal import Trade
from odr.money import AMOUNT_MINOR_MAX, Money
from odr.policy import Viewer
from odr.procedure.acts import Act
from odr.procedure.facts import Fact
from odr.words import Reason, Remedy, Side
from odr.work import Office
from tests.odr import world as worlds
from tests.odr.world import World

DAY, MOMENT = timedelta(days=1), timedelta(seconds=1)


def unreported(error: BaseException) -> str:
    raise AssertionError("nothing goes wrong here") from error


@dataclass
class Table:
    """A case in negotiation, and whoever bids in it."""

    desk: Office
    world: World
    admin: Any
    id: UUID

    async def do(self, viewer: Viewer, act: Any, *args: Any, **kwargs: Any) -> UUID:
        async with self.desk.work(viewer, ids.child(self.id)) as work:
            await act(work, self.id, *args, **kwargs)
            return work.result

    async def bid(self, viewer: Viewer, minor: int, currency: str = "EUR", **more: Any) -> UUID:
        return await self.do(viewer, bids.place_bid, Money(minor, currency), **more)

    async def both(self, least: int, most: int) -> None:
        """The buyer's bid, then the seller's."""
        await self.bid(self.world.buyer, least)
        await self.bid(self.world.seller, most)

    async def run(self) -> int:
        return (await clockwork.run(self.desk, unreported, grace=timedelta(0))).fired

    async def row(self) -> Any:
        return await self.admin.fetchrow("SELECT * FROM cases WHERE id = $1", self.id)

    async def bids(self) -> list[Any]:
        asked = "SELECT * FROM bids WHERE case_id = $1 ORDER BY round, side"
        return await self.admin.fetch(asked, self.id)

    async def acts(self) -> list[str]:
        asked = "SELECT act FROM acts WHERE case_id = $1 ORDER BY sequence"
        return [row["act"] for row in await self.admin.fetch(asked, self.id)]

    async def forward(self, to: timedelta) -> None:
        await self.admin.fetchval("SELECT advance_service_clock($1)", to)

    async def is_clean(self) -> None:
        report = await audit.audit(self.desk)
        assert report.findings == []


@pytest.fixture
async def table(database, engine, admin, tmp_path) -> Table:
    await db.make_demonstration(database.admin_url)
    desk = worlds.office(engine, tmp_path)
    world = await worlds.make(engine)
    return await negotiating(engine, desk, world, admin)


async def negotiating(engine: Any, desk: Office, world: World, admin: Any) -> Table:
    order = await worlds.order(engine, world)
    case_id = await worlds.file(desk, world, order)
    made = Table(desk, world, admin, case_id)
    await made.do(world.seller, claims.contest, statement="It left whole.")
    return made


@pytest.mark.parametrize(
    ("least", "most", "middle"), [(6_000, 8_000, 7_000), (6_000, 6_000, 6_000), (1, 2, 2)]
)
async def test_bids_that_meet_settle_the_case_in_the_middle(table, least, most, middle):
    await table.both(least, most)
    assert await table.run() == 1
    case = await table.row()
    assert (case["state"], case["outcome"], case["granted_minor"]) == (
        "performing",
        "settled",
        middle,
    )
    assert (await table.acts())[-4:] == [
        "place_bid",
        "place_bid",
        "close_bid_round",
        "settle_by_bids",
    ]
    assert [(bid["state"], bid["sealed"]) for bid in await table.bids()] == [("met", None)] * 2
    paid = "SELECT sum(amount_minor) FROM payouts WHERE case_id = $1"
    assert await table.admin.fetchval(paid, table.id) == middle
    await table.is_clean()


async def test_bids_that_do_not_meet_are_destroyed_and_the_case_goes_on(table):
    await table.both(6_001, 6_000)
    await table.run()
    case = await table.row()
    assert (case["state"], case["outcome"]) == ("negotiating", None)
    assert [(bid["state"], bid["sealed"]) for bid in await table.bids()] == [
        ("destroyed", None)
    ] * 2
    assert (await table.acts())[-1] == "close_bid_round"
    await table.is_clean()


async def test_whoever_bids_last_decides_nothing(table):
    """The answer to a bid cannot depend on the other's: they are compared afterwards."""
    await table.both(1_000, 12_000)
    assert (await table.row())["state"] == "negotiating"
    assert [bid["state"] for bid in await table.bids()] == ["sealed", "sealed"]
    await table.is_clean()


async def test_an_act_that_comes_before_the_worker_finds_the_case_settled(table):
    await table.both(1_000, 12_000)
    with pytest.raises(Late):
        await table.do(table.world.buyer, claims.withdraw)
    await table.do(table.world.buyer, messages.send_message, "It is settled, I see.")
    assert (await table.row())["outcome"] == "settled"


async def test_a_week_without_workers_settles_what_met_in_time(table):
    await table.both(1_000, 12_000)
    (placed,) = {bid["at"] for bid in await table.bids() if bid["side"] == "respondent"}
    await table.forward(12 * DAY)
    await table.run()
    case = await table.row()
    assert (case["outcome"], case["entered_at"]) == ("settled", placed)
    await table.is_clean()


async def test_a_side_bids_once_in_a_round(table):
    await table.bid(table.world.buyer, 6_000)
    with pytest.raises(Unmet) as refused:
        await table.bid(table.world.buyer, 5_000)
    assert refused.value.fact is Fact.BID_ROUND_OPEN
    assert len(await table.bids()) == 1


async def test_a_round_is_a_day_and_there_are_three_at_most(table):
    for number in (1, 2, 3):
        await table.both(6_001, 6_000)
        await table.run()
        with pytest.raises(Unmet):
            await table.bid(table.world.seller, 7_000)
        assert {bid["round"] for bid in await table.bids()} == set(range(1, number + 1))
        await table.forward(DAY + MOMENT)
    with pytest.raises(Unmet):
        await table.bid(table.world.seller, 7_000)
    await table.is_clean()


async def test_a_bid_that_stays_alone_is_destroyed_when_the_day_is_over(table):
    await table.bid(table.world.buyer, 6_000)
    await table.forward(DAY + MOMENT)
    await table.run()
    (bid,) = await table.bids()
    assert (bid["state"], bid["sealed"], bid["ended_at"]) == (
        "destroyed",
        None,
        bid["round_ends"],
    )
    await table.is_clean()
    await table.both(6_000, 7_000)
    await table.run()
    assert (await table.row())["outcome"] == "settled"


async def test_a_bid_that_comes_after_the_day_is_one_of_a_new_round(table):
    await table.bid(table.world.buyer, 6_000)
    await table.forward(DAY + MOMENT)
    await table.bid(table.world.seller, 7_000)
    assert [(bid["round"], bid["state"]) for bid in await table.bids()] == [
        (1, "destroyed"),
        (2, "sealed"),
    ]
    await table.is_clean()


async def test_a_round_ends_with_the_negotiation_at_the_latest(table):
    await table.forward(9 * DAY + 12 * timedelta(hours=1))
    await table.bid(table.world.buyer, 6_000)
    asked = "SELECT clock, due FROM clocks WHERE case_id = $1 AND state = 'running'"
    due = {row["clock"]: row["due"] for row in await table.admin.fetch(asked, table.id)}
    assert due["bid_round"] == due["negotiation"]
    await table.forward(DAY)
    await table.run()
    assert (await table.row())["state"] == "mediating"
    (bid,) = await table.bids()
    assert (bid["state"], bid["sealed"]) == ("destroyed", None)


@pytest.mark.parametrize("act", ["withdraw", "intervention", "claim"])
async def test_a_bid_is_destroyed_when_the_negotiation_is_over(table, act):
    await table.bid(table.world.buyer, 6_000)
    who, does = {
        "withdraw": (table.world.buyer, claims.withdraw),
        "intervention": (table.world.seller, hearings.request_intervention),
        "claim": (table.world.seller, claims.accept_claim),
    }[act]
    await table.do(who, does)
    (bid,) = await table.bids()
    assert (bid["state"], bid["sealed"]) == ("destroyed", None)
    await table.is_clean()


@pytest.mark.parametrize(
    ("minor", "currency", "path", "code"),
    [
        (0, "EUR", "amount_minor", "zero"),
        (-1, "EUR", "amount_minor", "negative"),
        (12_901, "EUR", "amount_minor", "above_order"),
        (AMOUNT_MINOR_MAX, "EUR", "amount_minor", "above_order"),
        (6_000, "USD", "currency", "other_currency"),
    ],
)
async def test_a_bid_out_of_bounds_is_refused(table, minor, currency, path, code):
    for other_has_bid in (False, True):
        with pytest.raises(Invalid) as refused:
            await table.bid(table.world.seller, minor, currency)
        assert (refused.value.path, refused.value.code) == ((path,), code)
        if not other_has_bid:
            await table.bid(table.world.buyer, 6_000)


async def test_the_whole_order_can_be_bid(table):
    await table.both(12_900, 12_900)
    await table.run()
    assert (await table.row())["granted_minor"] == 12_900


async def test_a_stale_bid_is_refused(table):
    with pytest.raises(Stale):
        await table.bid(table.world.buyer, 6_000, version=1)


async def test_nobody_bids_before_the_claim_is_answered_or_in_mediation(engine, table):
    order = await worlds.order(engine, table.world)
    early = Table(
        table.desk, table.world, table.admin, await worlds.file(table.desk, table.world, order)
    )
    with pytest.raises(NotAllowed):
        await early.bid(table.world.buyer, 6_000)
    await table.do(table.world.buyer, hearings.request_intervention)
    with pytest.raises(NotAllowed):
        await table.bid(table.world.buyer, 6_000)


async def test_only_the_parties_bid(table):
    for viewer in (table.world.stranger, table.world.insurer, table.world.mediators[0]):
        with pytest.raises(NotFound):
            await table.bid(viewer, 6_000)
    with pytest.raises(NotAllowed):
        await table.bid(table.world.operator, 6_000)


async def test_a_seller_who_claims_bids_the_most_that_they_give(engine, table):
    world = table.world
    filing = claims.Filing(
        order_id=await worlds.order(engine, world),
        reason=Reason.RETURN_ALTERED,
        statement="It came back scratched.",
        terms=worlds.refund(3_000),
    )
    async with table.desk.work(world.seller, ids.child(filing.order_id)) as work:
        case_id = await claims.file(work, filing)
    turned = Table(table.desk, world, table.admin, case_id)
    await turned.do(world.buyer, claims.contest, statement="It did not.")
    await turned.both(5_000, 9_000)
    await turned.run()
    case = await turned.row()
    assert (case["claimant_party"], case["granted_minor"]) == ("seller", 7_000)


async def _book(table: Table, lines: Any) -> None:
    async with table.desk.engine.begin() as conn:
        await ledger.book(conn, lines, opening=ledger.accounts_of(lines))


async def test_the_middle_is_cut_to_what_is_left_of_the_order(table):
    """What the buyer's bank took back meanwhile is not given back again."""
    await table.both(8_000, 10_000)
    order = (await table.row())["order_id"]
    trade = Trade(order, table.world.seller_id, "EUR")
    taken = Money(7_900, "EUR")
    await _book(table, journal.chargeback(ids.child(order), trade, order, taken, 7_900))
    await table.run()
    case = await table.row()
    assert (case["outcome"], case["granted_minor"]) == ("settled", 5_000)
    await table.is_clean()


async def test_bids_that_meet_in_more_than_the_seller_has_settle_nothing(engine, table):
    """Buyer and seller together could take any amount out of the platform otherwise."""
    poor = await worlds.make(engine, bond_minor=100)
    order = await worlds.order(engine, poor)
    trade = Trade(order, poor.seller_id, "EUR")
    await _book(table, journal.release_to_seller(ids.child(order), trade, Money(11_900, "EUR")))
    case = Table(table.desk, poor, table.admin, await worlds.file(table.desk, poor, order))
    await case.do(poor.seller, claims.contest, statement="It left whole.")
    await case.both(1_000, 12_000)
    await case.run()
    assert (await case.row())["state"] == "negotiating"
    assert {(bid["state"], bid["sealed"]) for bid in await case.bids()} == {("destroyed", None)}
    assert (await case.acts())[-3:] == ["place_bid", "place_bid", "close_bid_round"]
    await case.is_clean()
    await case.do(poor.buyer, messages.send_message, "The case goes on.")
    await case.forward(DAY + MOMENT)
    await case.both(900, 1_100)
    await case.run()
    assert (await case.row())["granted_minor"] == 1_000
    await case.is_clean()


async def test_a_bid_that_cannot_be_opened_counts_as_not_placed(table):
    await table.both(1_000, 12_000)
    await table.admin.execute(
        "UPDATE bids SET sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)"
        " WHERE side = 'respondent'"
    )
    report = await audit.audit(table.desk)
    assert len(report.findings) == 1
    assert "sealed" in str(report.findings[0])
    await table.run()
    assert (await table.row())["state"] == "negotiating"
    assert {bid["state"] for bid in await table.bids()} == {"destroyed"}


async def test_bids_whose_sides_were_swapped_do_not_open(table):
    await table.both(12_000, 1_000)
    await table.admin.execute(
        "CREATE TEMP TABLE kept AS SELECT * FROM bids; DELETE FROM bids;"
        " UPDATE kept SET side = CASE side WHEN 'claimant' THEN 'respondent' ELSE 'claimant' END;"
        " INSERT INTO bids SELECT * FROM kept"
    )
    await table.run()
    assert (await table.row())["state"] == "negotiating"


# The envelope


def test_what_is_sealed_has_one_length_and_one_commitment_for_each_bid():
    caucus = Caucus(secrets.token_bytes(32))
    case_id, lengths, committed = UUID(int=1), set(), set()
    for minor in (1, 1, 12_900, AMOUNT_MINOR_MAX):
        for side in (Side.CLAIMANT, Side.RESPONDENT):
            written = envelope.write(case_id, side, Money(minor, "EUR"))
            assert envelope.read(written, case_id, side) == Money(minor, "EUR")
            lengths.add(len(envelope.seal(caucus, UUID(int=2), written)))
            committed.add(envelope.commitment(written))
    assert lengths == {285}
    assert len(committed) == 8, "each has a salt of its own"


def test_an_envelope_opens_with_its_key_for_its_bid_and_nowhere_else():
    caucus, case_id, bid = Caucus(secrets.token_bytes(32)), UUID(int=1), UUID(int=2)
    written = envelope.write(case_id, Side.CLAIMANT, Money(1, "EUR"))
    sealed = envelope.seal(caucus, bid, written)
    assert envelope.unseal(caucus, bid, sealed) == written
    for key, name in ((Caucus(bytes(32)), bid), (caucus, UUID(int=3))):
        with pytest.raises(Unsealable):
            envelope.unseal(key, name, sealed)
    with pytest.raises(Unsealable):
        caucus.open(bid, sealed)
    for wrong in ((UUID(int=9), Side.CLAIMANT), (case_id, Side.RESPONDENT)):
        with pytest.raises(Unsealable):
            envelope.read(written, *wrong)
    for not_a_bid in ("", "{}", "1", written.replace("EUR", "EUR ", 1)):
        with pytest.raises(Unsealable):
            envelope.read(not_a_bid, case_id, Side.CLAIMANT)


# Races


async def _crossing(engine: Any, table: Table) -> Table:
    """Both bid at once, and the worker looks at once."""
    case = await negotiating(engine, table.desk, table.world, table.admin)
    await asyncio.gather(
        case.bid(case.world.buyer, 6_000), case.bid(case.world.seller, 8_000), case.run()
    )
    await case.run()
    return case


async def _races(engine: Any, table: Table, rounds: int) -> None:
    for _ in range(rounds):
        case = await _crossing(engine, table)
        assert (await case.acts()).count("settle_by_bids") == 1
        assert (await case.row())["granted_minor"] == 7_000
        assert [bid["state"] for bid in await case.bids()] == ["met", "met"]
    await table.is_clean()


async def test_bids_that_cross_settle_once(engine, table):
    await _races(engine, table, 50)


@pytest.mark.long
async def test_bids_that_cross_settle_once_two_hundred_times(engine, table):
    await _races(engine, table, 200)


async def _outcomes(*acts: Any) -> list[str]:
    """What became of acts done at once: done, or the refusal's name."""
    told = await asyncio.gather(*acts, return_exceptions=True)
    for each in told:
        assert not isinstance(each, Exception) or isinstance(each, Refused), each
    return ["done" if isinstance(each, UUID) else type(each).__name__ for each in told]


async def _against_an_offer(engine: Any, table: Table, rounds: int) -> None:
    """The bid that completes a round, against the acceptance of an offer, against the worker."""
    for _ in range(rounds):
        case = await negotiating(engine, table.desk, table.world, table.admin)
        offer = await case.do(case.world.seller, offers.make_offer, worlds.refund(1_000))
        await case.bid(case.world.seller, 8_000)

        async def accept(case: Table = case, offer: UUID = offer) -> UUID:
            async with case.desk.work(case.world.buyer, ids.child(case.id)) as work:
                return await offers.accept_offer(work, offer)

        told = await _outcomes(case.bid(case.world.buyer, 6_000), accept(), case.run())
        await case.run()
        acts = await case.acts()
        assert acts.count("settle_by_bids") + acts.count("accept_offer") == 1, (acts, told)
        granted = 7_000 if "settle_by_bids" in acts else 1_000
        assert (await case.row())["granted_minor"] == granted
        assert {bid["sealed"] for bid in await case.bids()} == {None}
    await table.is_clean()


async def test_bids_that_meet_and_an_offer_that_is_accepted_settle_once(engine, table):
    await _against_an_offer(engine, table, 20)


@pytest.mark.long
async def test_bids_and_an_accepted_offer_settle_once_two_hundred_times(engine, table):
    await _against_an_offer(engine, table, 200)


# What others can tell


async def test_bids_that_meet_and_bids_that_do_not_are_placed_alike(engine, table):
    """Until the round is closed, every row but the sealed bytes is the same."""
    seen = []
    for least, most in ((1, 12_900), (12_900, 1), (6_001, 6_000)):
        case = await negotiating(engine, table.desk, table.world, table.admin)
        await case.both(least, most)
        rows = [
            (bid["round"], bid["side"], bid["state"], len(bid["sealed"]))
            for bid in await case.bids()
        ]
        clocks = await table.admin.fetch(
            "SELECT clock, side, state, amount_minor FROM clocks WHERE case_id = $1"
            " ORDER BY clock, side",
            case.id,
        )
        entries = await table.admin.fetch(
            "SELECT act, octet_length(e.body::text) AS size FROM acts a JOIN vault_entries e"
            " ON e.stream = a.stream_id AND e.seq = a.sequence WHERE a.case_id = $1"
            " AND act = 'place_bid' ORDER BY a.sequence",
            case.id,
        )
        told = await table.admin.fetchval(
            "SELECT count(*) FROM notices WHERE case_id = $1", case.id
        )
        seen.append((rows, list(map(tuple, clocks)), list(map(tuple, entries)), told))
    assert seen[0] == seen[1] == seen[2]


async def test_the_role_that_reads_cannot_read_what_is_sealed(reader, table):
    await table.bid(table.world.buyer, 6_000)
    async with reader.connect() as conn:
        with pytest.raises(Exception, match="permission denied"):
            await conn.execute(text("SELECT sealed FROM bids"))


async def test_a_bid_is_offered_only_where_it_is_not_refused(table):
    """What the page shows is what the act allows."""

    async def open_to(viewer: Viewer) -> bool:
        try:
            async with table.desk.work(viewer, ids.child(table.id)) as work:
                await cases.hold(work, table.id, Act.PLACE_BID)
        except Unmet:
            return False
        return True

    both = (table.world.buyer, table.world.seller)
    assert [await open_to(viewer) for viewer in both] == [True, True]
    await table.bid(table.world.buyer, 6_000)
    assert [await open_to(viewer) for viewer in both] == [False, True]
    await table.bid(table.world.seller, 5_000)
    await table.run()
    assert [await open_to(viewer) for viewer in both] == [False, False]
    await table.forward(DAY + MOMENT)
    assert [await open_to(viewer) for viewer in both] == [True, True]


def test_what_is_bid_for_is_money_that_can_be_carried_out():
    assert bids.terms_of(Money(5, "EUR")) == worlds.refund(5)
    assert bids.REMEDY is Remedy.PARTIAL_REFUND
