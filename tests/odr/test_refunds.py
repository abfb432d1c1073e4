"""What was given back on an order is not given back again, and no case waits on it for ever."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from infra import database as db
from odr import audit, claims, clockwork, hearings, ids, journal, ledger, neutrals, offers, rulings
from odr.errors import Invalid, Unfunded
from odr.journal import Trade
from odr.models.states import RulingKind
from odr.money import Money
from odr.policy import Viewer
from odr.rulings import Decision, Found
from odr.terms import Item, Terms
from odr.words import Reason, Remedy
from odr.work import Office
from tests.odr import world as worlds
from tests.odr.world import World

PRICE = 12_900


@pytest.fixture
def desk(engine, tmp_path) -> Office:
    return worlds.office(engine, tmp_path)


@pytest.fixture
async def world(engine) -> World:
    return await worlds.make(engine)


@pytest.fixture
async def clocks(desk, database, admin):
    """Lets clocks run out, one after the other, until the case is in a state or none runs."""
    await db.make_demonstration(database.admin_url)

    def report(error: BaseException) -> str:
        raise AssertionError("no clock fails") from error

    async def run_until(case_id: UUID, state: str) -> None:
        for _ in range(40):
            if await admin.fetchval("SELECT state FROM cases WHERE id = $1", case_id) == state:
                return
            due = await admin.fetchval("SELECT min(due) FROM clocks WHERE state = 'running'")
            step = "SELECT advance_service_clock($1 - service_now() + interval '1 minute')"
            await admin.execute(step, due)
            await clockwork.run(desk, report, grace=timedelta(0))
        raise AssertionError(f"never {state}")

    return run_until


async def file(desk: Office, world: World, order: UUID, **given: Any) -> UUID:
    given.setdefault("reason", Reason.NOT_RECEIVED)
    return await worlds.file(desk, world, order, **given)


async def act(
    desk: Office, viewer: Viewer, do: Any, case_id: UUID, *given: Any, **more: Any
) -> Any:
    async with desk.work(viewer, ids.child(case_id)) as work:
        return await do(work, case_id, *given, **more)


async def charge_back(desk: Office, world: World, order: UUID, amount: int) -> None:
    """The buyer's bank takes money back, which uses the entitlement up."""
    trade = Trade(order, world.seller_id, "EUR")
    lines = journal.chargeback(ids.child(order), trade, order, Money(amount, "EUR"), amount)
    async with desk.engine.begin() as conn:
        await ledger.book(conn, lines, opening=ledger.accounts_of(lines))


async def granted(admin, case_id: UUID) -> tuple[str, int, int]:
    """Its outcome, what was granted, and the sum of its payouts."""
    row = await admin.fetchrow("SELECT * FROM cases WHERE id = $1", case_id)
    paid = "SELECT coalesce(sum(amount_minor), 0)::int FROM payouts WHERE case_id = $1"
    return row["outcome"], row["granted_minor"], await admin.fetchval(paid, case_id)


async def nothing_found(desk: Office, case_id: UUID) -> None:
    async with desk.engine.connect() as conn:
        assert (await audit.audit_case(conn, desk, case_id)).findings == []
        assert list(await ledger.findings(conn)) == []


async def test_a_claim_above_what_is_left_is_refused_with_what_is_left(desk, world):
    order = await worlds.order(desk.engine, world)
    await charge_back(desk, world, order, 10_000)
    with pytest.raises(Invalid) as refused:
        await file(desk, world, order, terms=worlds.refund(PRICE, full=True))
    assert (refused.value.code, refused.value.bounds) == ("above_order", {"maximum": 2_900})
    await file(desk, world, order, terms=worlds.refund(2_900, full=True))


async def test_a_second_case_cannot_claim_what_the_first_has_granted(desk, world, clocks):
    order = await worlds.order(desk.engine, world)
    first = await file(desk, world, order)
    await worlds.settle(desk, world, first)
    await clocks(first, "closed")
    with pytest.raises(Invalid) as refused:
        await file(desk, world, order, terms=worlds.refund(1, full=True))
    assert (refused.value.code, refused.value.bounds) == ("above_order", {"maximum": 0})


async def test_nothing_can_be_claimed_back_on_an_order_whose_payment_was_never_told(
    desk, world, admin
):
    paid = await worlds.order(desk.engine, world)
    unpaid = await admin.fetchval(
        "INSERT INTO orders SELECT (jsonb_populate_record(NULL::orders, to_jsonb(o) ||"
        " jsonb_build_object('id', child_id(id), 'reference', 'unpaid', 'paid_at', NULL))).*"
        " FROM orders o WHERE id = $1 RETURNING id",
        paid,
    )
    with pytest.raises(Invalid) as refused:
        await file(desk, world, unpaid, terms=worlds.refund(1, full=True))
    assert (refused.value.code, refused.value.bounds) == ("above_order", {"maximum": 0})


async def test_compensation_is_bounded_by_what_is_left_of_its_cap(desk, world):
    order = await worlds.order(desk.engine, world, cap_minor=700)
    wanted = Terms("EUR", (Item(remedy=Remedy.COMPENSATION, amount_minor=701),))
    with pytest.raises(Invalid) as refused:
        await file(desk, world, order, terms=wanted, reason=Reason.DAMAGED_IN_TRANSIT)
    assert (refused.value.code, refused.value.bounds) == ("above_cap", {"maximum": 700})


async def test_a_default_grants_no_more_than_is_left_and_says_so(desk, world, admin, clocks):
    order = await worlds.order(desk.engine, world)
    case_id = await file(desk, world, order)
    await charge_back(desk, world, order, 10_000)
    await clocks(case_id, "defaulted")
    assert await granted(admin, case_id) == ("defaulted", 2_900, 0)
    await clocks(case_id, "performing")
    assert await granted(admin, case_id) == ("defaulted", 2_900, 2_900)
    await nothing_found(desk, case_id)


async def test_a_default_of_which_nothing_is_left_when_it_stands_closes_the_case(
    desk, world, admin, clocks
):
    order = await worlds.order(desk.engine, world)
    case_id = await file(desk, world, order)
    await clocks(case_id, "defaulted")
    await charge_back(desk, world, order, PRICE)
    await clocks(case_id, "closed")
    assert await granted(admin, case_id) == ("defaulted", 0, 0)
    await nothing_found(desk, case_id)


async def in_arbitration(desk: Office, world: World, admin, clocks) -> tuple[UUID, UUID, Viewer]:
    """A case whose arbitrator may rule, its order, and the arbitrator."""
    order = await worlds.order(desk.engine, world)
    case_id = await file(desk, world, order)
    await act(desk, world.seller, claims.contest, case_id, statement="It arrived.")
    await clocks(case_id, "hearing")
    seat = "SELECT account_id FROM seats WHERE case_id = $1 AND role = 'arbitrator'"
    arbitrator = Viewer(await admin.fetchval(seat + " AND until IS NULL", case_id))
    await act(desk, arbitrator, neutrals.disclose, case_id)
    for party in (world.buyer, world.seller):
        await act(desk, party, hearings.rest, case_id)
    return case_id, order, arbitrator


async def test_a_final_ruling_grants_no_more_than_is_left_and_says_so(desk, world, admin, clocks):
    case_id, order, arbitrator = await in_arbitration(desk, world, admin, clocks)
    decision = Decision(
        kind=RulingKind.GRANTED_IN_PART,
        findings=[Found("Arrived?", "It did not.", [])],
        not_relied_on=[],
        reasons="Nothing shows that it did.",
        terms=worlds.refund(9_000),
    )
    await act(desk, arbitrator, rulings.rule, case_id, decision)
    await charge_back(desk, world, order, 12_000)
    await clocks(case_id, "performing")
    assert await granted(admin, case_id) == ("ruled", 900, 900)
    await nothing_found(desk, case_id)


async def test_no_ruling_in_time_grants_no_more_than_is_left(desk, world, admin, clocks):
    case_id, order, _ = await in_arbitration(desk, world, admin, clocks)
    await charge_back(desk, world, order, PRICE)
    await clocks(case_id, "closed")
    assert (await granted(admin, case_id))[1:] == (0, 0)
    await nothing_found(desk, case_id)


async def test_what_the_sides_agree_on_is_paid_by_them_and_not_lent(desk, engine, admin):
    """Buyer and seller together could take any amount out of the platform otherwise."""
    poor = await worlds.make(engine, bond_minor=100)
    order = await worlds.order(engine, poor, covered=False)
    trade = Trade(order, poor.seller_id, "EUR")
    async with engine.begin() as conn:
        lines = journal.release_to_seller(ids.child(order), trade, Money(PRICE - 1_000, "EUR"))
        await ledger.book(conn, lines)
    case_id = await file(desk, poor, order)
    with pytest.raises(Unfunded) as refused:
        await worlds.settle(desk, poor, case_id)
    assert refused.value.account == "bond"
    assert await admin.fetchval("SELECT state FROM cases WHERE id = $1", case_id) == "filed"
    offer = await act(desk, poor.buyer, offers.make_offer, case_id, worlds.refund(1_100))
    await act(desk, poor.seller, offers.accept_offer, offer)
    assert await granted(admin, case_id) == ("settled", 1_100, 1_100)


async def test_agreed_compensation_beyond_the_bond_is_not_lent(desk, engine):
    poor = await worlds.make(engine, bond_minor=100)
    order = await worlds.order(engine, poor, covered=False)
    wanted = Terms("EUR", (Item(remedy=Remedy.COMPENSATION, amount_minor=101),))
    case_id = await file(desk, poor, order, terms=wanted, reason=Reason.DAMAGED_IN_TRANSIT)
    with pytest.raises(Unfunded):
        await worlds.settle(desk, poor, case_id)


async def test_what_the_clock_decides_is_lent_where_the_sides_have_nothing(
    desk, engine, admin, clocks
):
    poor = await worlds.make(engine, bond_minor=100)
    order = await worlds.order(engine, poor, covered=False)
    trade = Trade(order, poor.seller_id, "EUR")
    async with engine.begin() as conn:
        lines = journal.release_to_seller(ids.child(order), trade, Money(PRICE, "EUR"))
        await ledger.book(conn, lines)
    case_id = await file(desk, poor, order)
    await clocks(case_id, "performing")
    assert await granted(admin, case_id) == ("defaulted", PRICE, PRICE)
    await nothing_found(desk, case_id)
