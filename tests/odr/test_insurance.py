"""The insurance claim of whoever bore an insured loss: notified, decided, paid, or not."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from odr import cases, insurance, journal, ledger, performance
from odr.cases import Entry
from odr.errors import Invalid, NotAllowed, NotFound, Stale, Unfunded
from odr.ledger import HOUSE, Account, Kind
from odr.models.money import InsuranceClaim
from odr.models.states import InsuranceState
from odr.policy import Viewer
from odr.procedure.acts import Act
from odr.words import Reason
from tests.odr import world


@pytest.fixture
def desk(engine, tmp_path):
    return world.office(engine, tmp_path)


async def settled(desk, there, *, amount=12_900, reason=Reason.DAMAGED_IN_TRANSIT, **goods: Any):
    """A case of an order of the world's in which the seller gave in; its id."""
    order = await world.order(desk.engine, there, **goods)
    terms = world.refund(amount, full=amount == 12_900)
    case = await world.file(desk, there, order, terms=terms, reason=reason)
    await world.settle(desk, there, case)
    return case


async def claims_of(engine, case):
    async with engine.connect() as conn:
        rows = await conn.execute(
            text("SELECT * FROM insurance_claims WHERE case_id = :case"), {"case": case}
        )
        return [InsuranceClaim(**row) for row in rows.mappings()]


async def claim_of(engine, case):
    (claim,) = await claims_of(engine, case)
    return claim


async def available(engine, account):
    async with engine.connect() as conn:
        assert await ledger.findings(conn) == []
        return await ledger.balance(conn, account)


def fund(there):
    return journal.loss_fund(there.insurer_id, "EUR")


def proceeds(there):
    return Account(Kind.PROCEEDS, there.seller_id, "EUR")


async def decide(desk, viewer, claim, **decision: Any):
    async with desk.work(viewer, claim.id) as work:
        await insurance.decide(work, claim.id, **({"grounds": "As surveyed."} | decision))


async def pay(desk, viewer, claim, **options: Any):
    async with desk.work(viewer, claim.id) as work:
        await insurance.pay(work, claim.id, **options)


# Notified.


async def test_an_insured_loss_is_notified_with_a_reserve_a_seat_and_a_notice(desk, engine):
    there = await world.make(engine)
    case = await settled(desk, there)
    claim = await claim_of(engine, case)
    assert claim.state == InsuranceState.NOTIFIED
    assert claim.peril == "damage"
    assert (claim.insurer_id, claim.insured_id) == (there.insurer_id, there.seller_id)
    assert (claim.claimed_minor, claim.reserved_minor) == (12_400, 12_400)
    balance = await available(engine, fund(there))
    assert (balance.debits_pending, balance.available) == (12_400, 1_000_000 - 12_400)
    async with engine.connect() as conn:
        seats = text("SELECT organisation_id FROM seats WHERE case_id = :c AND role = 'insurer'")
        assert (await conn.execute(seats, {"c": case})).scalars().all() == [there.insurer_id]
        told = text(
            "SELECT n.account_id FROM notices n JOIN outbox o ON o.subject_id = n.id"
            " WHERE n.case_id = :c AND n.kind = 'insurance_claim_notified'"
        )
        told_to = (await conn.execute(told, {"c": case})).scalars().all()
    assert told_to == [there.insurer.account_id]


CLAIMED = [
    ({}, {}, 12_900, 12_400),
    ({"deductible_minor": 0}, {}, 12_900, 12_900),
    ({"deductible_minor": 12_899}, {}, 12_900, 1),
    ({"deductible_minor": 12_900}, {}, 12_900, None),
    ({"claim_limit_minor": 300}, {}, 12_900, 300),
    ({"claim_limit_minor": 300, "aggregate_limit_minor": 300}, {}, 5_000, 300),
    ({}, {"covered": False}, 12_900, None),
    ({}, {"currency": "USD"}, 12_900, None),
]
"""What is chosen of the world and of the order, what is asked for, and what is then claimed."""


async def test_what_is_claimed_is_the_loss_within_deductible_and_limits(desk, engine):
    found = []
    for setting, goods, asked, _ in CLAIMED:
        there = await world.make(engine, **setting)
        order = await world.order(engine, there, **goods)
        terms = world.refund(asked, goods.get("currency", "EUR"), full=asked == 12_900)
        case = await world.file(desk, there, order, terms=terms)
        await world.settle(desk, there, case)
        found.append([claim.claimed_minor for claim in await claims_of(engine, case)])
    assert found == [[] if row[3] is None else [row[3]] for row in CLAIMED]


async def test_a_loss_by_another_peril_is_not_notified(desk, engine):
    there = await world.make(engine)
    case = await settled(desk, there, reason=Reason.WRONG_ITEM)
    assert await claims_of(engine, case) == []


async def test_an_order_placed_outside_the_period_is_not_insured(desk, engine, admin):
    there = await world.make(engine)
    for first, last, insured in ((-8, 99, 0), (-99, -12, 0), (-12, -8, 1)):
        await admin.execute(
            "UPDATE covers SET starts = current_date + $1::int, ends = current_date + $2::int",
            first,
            last,
        )
        case = await settled(desk, there, placed_days_ago=10)
        assert len(await claims_of(engine, case)) == insured


async def test_a_cover_of_the_marketplace_insures_its_seller_who_bore_the_loss(desk, engine):
    there = await world.make(engine, insured="marketplace")
    claim = await claim_of(engine, await settled(desk, there))
    assert claim.insured_id == there.seller_id
    await decide(desk, there.insurer, claim, approve_minor=12_400)
    await pay(desk, there.insurer, claim)
    assert (await available(engine, proceeds(there))).available == 12_400


@pytest.mark.parametrize("insured", ["marketplace", "seller"])
async def test_who_pays_without_recourse_bears_the_loss(desk, engine, insured):
    there = await world.make(engine, insured=insured)
    order = await world.order(engine, there)
    terms = world.refund(12_900, full=True)
    case = await world.file(desk, there, order, terms=terms)
    async with desk.work(there.seller, case) as work:
        held = await cases.hold(work, case, Act.ACCEPT_CLAIM)
        held = await cases.advance(work, held, Entry())
        await performance.begin(work, held, terms, recourse=False)
    escrow = await available(engine, Account(Kind.ESCROW, order, "EUR"))
    assert escrow.available == 12_900
    platform = Account(Kind.PLATFORM, HOUSE, "EUR")
    assert (await available(engine, platform)).debits_posted == 12_900
    assert (await available(engine, Account(Kind.ENTITLEMENT, order, "EUR"))).available == 0
    if insured == "seller":
        assert await claims_of(engine, case) == []
        return
    claim = await claim_of(engine, case)
    assert claim.insured_id == there.marketplace_id
    await decide(desk, there.insurer, claim, approve_minor=12_400)
    await pay(desk, there.insurer, claim)
    assert (await available(engine, platform)).credits_posted == 12_400


async def test_the_aggregate_limit_holds_over_all_claims_and_a_denial_leaves_room(desk, engine):
    there = await world.make(engine, claim_limit_minor=12_000, aggregate_limit_minor=20_000)
    first = await claim_of(engine, await settled(desk, there))
    second = await claim_of(engine, await settled(desk, there))
    assert (first.claimed_minor, second.claimed_minor) == (12_000, 8_000)
    assert await claims_of(engine, await settled(desk, there)) == []
    await decide(desk, there.insurer, first, denial_reason="packed_badly")
    fourth = await claim_of(engine, await settled(desk, there))
    assert fourth.claimed_minor == 12_000


async def test_the_aggregate_limit_holds_when_cases_settle_at_once(desk, engine):
    there = await world.make(engine, claim_limit_minor=12_000, aggregate_limit_minor=20_000)
    orders = [await world.order(engine, there) for _ in range(4)]
    cases = [await world.file(desk, there, order) for order in orders]
    await asyncio.gather(*(world.settle(desk, there, case) for case in cases))
    found = [await claims_of(engine, case) for case in cases]
    claimed = sorted(claim.claimed_minor for claims in found for claim in claims)
    assert claimed == [8_000, 12_000]


async def test_an_empty_fund_does_not_stand_in_the_buyers_way(desk, engine):
    there = await world.make(engine, fund_minor=12_399)
    case = await settled(desk, there)
    claim = await claim_of(engine, case)
    assert (claim.claimed_minor, claim.reserved_minor) == (12_400, 0)
    payable = await available(engine, journal.payable(case, "EUR"))
    assert payable.available == 12_900
    async with engine.connect() as conn:
        short = text(
            "SELECT account_id FROM notices WHERE case_id = :c AND kind = 'insurance_fund_short'"
        )
        told = set((await conn.execute(short, {"c": case})).scalars())
    people = (there.insurer, there.operator, there.second_operator)
    assert {viewer.account_id for viewer in people} <= told
    with pytest.raises(Unfunded):
        await decide(desk, there.insurer, claim, approve_minor=12_400)
    await decide(desk, there.insurer, claim, approve_minor=12_000)
    await pay(desk, there.insurer, claim)
    assert (await available(engine, proceeds(there))).available == 12_000


async def test_an_insurer_that_never_paid_in_does_not_stand_in_the_way_either(desk, engine):
    there = await world.make(engine, fund_minor=0)
    claim = await claim_of(engine, await settled(desk, there))
    assert claim.reserved_minor == 0


# Decided and paid.


async def test_an_approved_claim_is_paid_to_whoever_bore_the_loss(desk, engine):
    there = await world.make(engine)
    claim = await claim_of(engine, await settled(desk, there))
    await decide(desk, there.insurer, claim, approve_minor=12_400, version=0)
    decided = await claim_of(engine, claim.case_id)
    assert (decided.state, decided.settled_at) == (InsuranceState.APPROVED, None)
    assert (decided.decided_by, decided.grounds) == (there.insurer.account_id, "As surveyed.")
    await pay(desk, there.insurer, claim, version=1)
    paid = await claim_of(engine, claim.case_id)
    assert paid.state == InsuranceState.PAID
    assert paid.settled_at is not None
    amounts = (paid.claimed_minor, paid.reserved_minor, paid.approved_minor, paid.paid_minor)
    assert amounts == (12_400, 12_400, 12_400, 12_400)
    assert (await available(engine, proceeds(there))).available == 12_400
    assert (await available(engine, fund(there))).available == 1_000_000 - 12_400


async def test_what_is_approved_in_part_returns_the_rest_to_the_fund(desk, engine):
    there = await world.make(engine)
    claim = await claim_of(engine, await settled(desk, there))
    await decide(desk, there.insurer, claim, approve_minor=12_399)
    await pay(desk, there.insurer, claim)
    paid = await claim_of(engine, claim.case_id)
    amounts = (paid.claimed_minor, paid.reserved_minor, paid.approved_minor, paid.paid_minor)
    assert amounts == (12_400, 12_400, 12_399, 12_399)
    balance = await available(engine, fund(there))
    assert (balance.debits_pending, balance.available) == (0, 1_000_000 - 12_399)


async def test_a_denied_claim_is_settled_with_its_reason_and_frees_the_reserve(desk, engine):
    there = await world.make(engine)
    claim = await claim_of(engine, await settled(desk, there))
    await decide(desk, there.insurer, claim, denial_reason="packed_badly", grounds="No padding.")
    denied = await claim_of(engine, claim.case_id)
    assert (denied.state, denied.denial_reason) == (InsuranceState.DENIED, "packed_badly")
    assert denied.settled_at is not None
    assert (denied.approved_minor, denied.paid_minor) == (0, 0)
    assert (await available(engine, fund(there))).available == 1_000_000
    with pytest.raises(NotAllowed):
        await pay(desk, there.insurer, claim)


async def test_nobody_but_the_insurers_people_may_decide_or_pay(desk, engine):
    there = await world.make(engine)
    other = await world.make(engine)
    claim = await claim_of(engine, await settled(desk, there))
    token = Viewer(
        there.insurer.account_id, there.insurer.organisation_ids, scopes=frozenset({"read"})
    )
    for viewer in (there.seller, there.buyer, there.operator, other.insurer, token):
        with pytest.raises(NotFound):
            await decide(desk, viewer, claim, approve_minor=1)
        with pytest.raises(NotFound):
            await pay(desk, viewer, claim)
    async with desk.work(there.insurer, HOUSE) as work:
        with pytest.raises(NotFound):
            await insurance.pay(work, HOUSE)


SENSELESS = [
    ({"approve_minor": 12_401}, "approve_minor", "out_of_bounds"),
    ({"approve_minor": 0}, "approve_minor", "out_of_bounds"),
    ({"approve_minor": -1}, "approve_minor", "out_of_bounds"),
    ({}, "approve_minor", "contradictory"),
    ({"approve_minor": 1, "denial_reason": "late"}, "approve_minor", "contradictory"),
    ({"denial_reason": " "}, "denial_reason", "missing"),
    ({"denial_reason": "x" * 61}, "denial_reason", "too_long"),
    ({"approve_minor": 1, "grounds": ""}, "grounds", "missing"),
    ({"approve_minor": 1, "grounds": "a\x00"}, "grounds", "malformed"),
    ({"approve_minor": 1, "grounds": "x" * 4001}, "grounds", "too_long"),
]


async def test_a_decision_that_makes_no_sense_is_refused(desk, engine):
    there = await world.make(engine)
    claim = await claim_of(engine, await settled(desk, there))
    for decision, path, code in SENSELESS:
        with pytest.raises(Invalid) as refused:
            await decide(desk, there.insurer, claim, **decision)
        assert (refused.value.path, refused.value.code) == ((path,), code)
    assert (await claim_of(engine, claim.case_id)).state == InsuranceState.NOTIFIED


async def test_a_claim_is_decided_once_and_paid_once(desk, engine):
    there = await world.make(engine)
    claim = await claim_of(engine, await settled(desk, there))
    with pytest.raises(NotAllowed):
        await pay(desk, there.insurer, claim)
    with pytest.raises(Stale):
        await decide(desk, there.insurer, claim, approve_minor=1, version=1)
    await decide(desk, there.insurer, claim, approve_minor=1, version=0)
    with pytest.raises(NotAllowed):
        await decide(desk, there.insurer, claim, denial_reason="late")
    with pytest.raises(Stale):
        await pay(desk, there.insurer, claim, version=0)
    tries = [pay(desk, there.insurer, claim) for _ in range(3)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == [
        "NoneType",
        "NotAllowed",
        "NotAllowed",
    ]
    assert (await available(engine, proceeds(there))).available == 1
