"""Many at once: one winner for a hold, one effect for an id, and no deadlock."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from infra import database as db
from odr import ids, ledger
from odr.errors import Conflict, Late, Refused, Unfunded
from odr.ledger import HOUSE, Account, Kind
from odr.money import Money

REGISTERED = datetime(2026, 3, 14, tzinfo=UTC)
WORLD = Account(Kind.WORLD, HOUSE, "EUR")
CENT = Money(1, "EUR")


def account(kind):
    return Account(kind, ids.new(REGISTERED), "EUR")


@pytest.fixture
async def crowd(database):
    """An engine with a connection for each of 16 who act at once, and each of them warm."""
    engine = db.create_engine(database.url, connections_max=16)
    await asyncio.gather(*(one(engine, []) for _ in range(16)))
    yield engine
    await engine.dispose()


async def one(engine, transfers, accounts=()):
    """Act in a transaction of one's own; tell what was known, or the refusal's name."""
    try:
        async with engine.begin() as conn:
            if accounts:
                await ledger.open_accounts(conn, accounts)
            return await ledger.book(conn, transfers)
    except Refused as refusal:
        return type(refusal)


def single(debit, credit, amount=CENT, fact=None):
    fact = fact or ids.new(REGISTERED)
    return ledger.single(fact, "moved", debit, credit, amount, cause=fact)


def hold(debit, credit, amount=CENT, expires=None):
    fact = ids.new(REGISTERED)
    return ledger.hold(fact, "held", debit, credit, amount, cause=fact, expires=expires)


def post(held):
    fact = ids.new(REGISTERED)
    return ledger.post(fact, "posted", held.id, cause=fact)


def void(held):
    fact = ids.new(REGISTERED)
    return ledger.void(fact, "voided", held.id, cause=fact)


async def findings(engine):
    async with engine.connect() as conn:
        return await ledger.findings(conn)


async def balance(engine, which):
    async with engine.connect() as conn:
        return await ledger.balance(conn, which)


async def test_of_sixteen_that_post_and_void_a_hold_one_wins(crowd):
    escrow, payable = account(Kind.ESCROW), account(Kind.PAYABLE)
    await one(crowd, [single(WORLD, escrow, Money(30, "EUR"))], [WORLD, escrow, payable])
    posted = 0
    for _ in range(30):
        held = hold(escrow, payable)
        await one(crowd, [held])
        acts = [post(held) if n % 2 else void(held) for n in range(16)]
        random.shuffle(acts)
        met = await asyncio.gather(*(one(crowd, [act]) for act in acts))
        assert Counter(met) == {frozenset(): 1, Conflict: 15}
        posted += acts[met.index(frozenset())].op is ledger.Op.POST
    assert (await balance(crowd, payable)).credits_posted == posted
    assert await findings(crowd) == []


async def test_around_its_expiry_a_hold_is_posted_in_time_or_voided_and_never_both(crowd):
    escrow, payable = account(Kind.ESCROW), account(Kind.PAYABLE)
    await one(crowd, [single(WORLD, escrow, Money(30, "EUR"))], [WORLD, escrow, payable])
    async with crowd.connect() as conn:
        now = await conn.scalar(text("SELECT public.service_now()"))
    held = [hold(escrow, payable, expires=now + timedelta(seconds=2 + n / 50)) for n in range(10)]
    await one(crowd, held)

    async def try_until_resolved(act, each):
        while (met := await one(crowd, [act(each)])) not in {frozenset(), Conflict}:
            assert met is Late
        return act if met == frozenset() else None

    async def expire(each):
        """As the clock does: void what has expired, and nothing before."""
        await asyncio.sleep(2 + held.index(each) / 50)
        return await try_until_resolved(void, each)

    async def post_about_then(each):
        await asyncio.sleep(max(0, 1.9 + held.index(each) / 50))
        met = await one(crowd, [post(each)])
        return {frozenset(): post, Late: None, Conflict: None}[met]

    winners = await asyncio.gather(
        *(act(each) for each in held for act in (expire, post_about_then))
    )
    assert len([winner for winner in winners if winner]) == len(held)
    assert (await balance(crowd, payable)).credits_posted == winners.count(post)
    assert (await balance(crowd, escrow)).debits_pending == 0
    assert await findings(crowd) == []


async def test_the_same_transfer_32_at_once_has_one_effect(crowd):
    escrow = account(Kind.ESCROW)
    await one(crowd, [], [WORLD, escrow])
    for _ in range(10):
        act = single(WORLD, escrow)
        met = await asyncio.gather(*(one(crowd, [act]) for _ in range(32)))
        assert Counter(met) == {frozenset(): 1, frozenset({act.id}): 31}
    assert (await balance(crowd, escrow)).credits_posted == 10


async def test_of_32_with_one_id_and_other_content_one_wins(crowd):
    escrows = [account(Kind.ESCROW) for _ in range(32)]
    await one(crowd, [], [WORLD, *escrows])
    fact = ids.new(REGISTERED)
    acts = [single(WORLD, each, fact=fact) for each in escrows]
    met = await asyncio.gather(*(one(crowd, [act]) for act in acts))
    assert Counter(met) == {frozenset(): 1, Conflict: 31}
    assert await findings(crowd) == []


async def test_the_last_cent_is_spent_once(crowd):
    escrow, payable = account(Kind.ESCROW), account(Kind.PAYABLE)
    await one(crowd, [single(WORLD, escrow, Money(5, "EUR"))], [WORLD, escrow, payable])
    met = await asyncio.gather(*(one(crowd, [single(escrow, payable)]) for _ in range(32)))
    assert Counter(met) == {frozenset(): 5, Unfunded: 27}


async def test_batches_over_the_same_accounts_in_any_order_never_deadlock(crowd):
    bonds = [account(Kind.BOND) for _ in range(8)]
    start = [single(WORLD, each, Money(10**6, "EUR")) for each in bonds]
    await one(crowd, start, [WORLD, *bonds])
    chance = random.Random(7)  # noqa: S311  # the same run each time

    async def act():
        for _ in range(12):
            pairs = [chance.sample([WORLD, *bonds], 2) for _ in range(12)]
            met = await one(crowd, [single(*pair) for pair in pairs])
            assert met == frozenset()

    await asyncio.gather(*(act() for _ in range(16)))
    assert await findings(crowd) == []


async def test_those_who_open_the_same_accounts_at_once_all_get_them(crowd):
    for _ in range(5):
        wanted = [account(Kind.ESCROW) for _ in range(8)]
        met = await asyncio.gather(
            *(one(crowd, [], random.sample(wanted, len(wanted))) for _ in range(16))
        )
        assert set(met) == {frozenset()}
    assert await findings(crowd) == []


async def test_nobody_can_lock_the_accounts_in_an_order_of_their_own(crowd):
    """The service's role cannot take row locks: only ``book`` does, sorted."""
    escrow = account(Kind.ESCROW)
    await one(crowd, [], [escrow])
    async with crowd.connect() as conn:
        with pytest.raises(Exception, match="permission denied") as caught:
            await conn.execute(text("SELECT FROM ledger.balances FOR UPDATE"))
        assert not isinstance(caught.value, IntegrityError)
        assert isinstance(caught.value.orig.__cause__, asyncpg.InsufficientPrivilegeError)
