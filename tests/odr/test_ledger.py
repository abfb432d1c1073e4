"""The ledger's face: what it books, what it refuses and how it says so."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from infra import database as db
from odr import ids, ledger, money
from odr.errors import Conflict, Invalid, Late, NotFound, TooMuch, Unfunded
from odr.ledger import HOUSE, Account, Kind, Op, Transfer
from odr.money import Money

REGISTERED = datetime(2026, 3, 14, tzinfo=UTC)
ORDER = ids.new(REGISTERED)
CASE = ids.child(ORDER)
WORLD = Account(Kind.WORLD, HOUSE, "EUR")
ESCROW = Account(Kind.ESCROW, ORDER, "EUR")
PAYABLE = Account(Kind.PAYABLE, CASE, "EUR")
SELLER_OWES = Account(Kind.RECEIVABLE, ids.new(REGISTERED), "EUR")


def euro(cents):
    return Money(cents, "EUR")


def paid(cents=100, code="paid"):
    return ledger.single(ORDER, code, WORLD, ESCROW, euro(cents), cause=ORDER)


def held(cents=60, code="held", expires=None):
    return ledger.hold(CASE, code, ESCROW, PAYABLE, euro(cents), cause=CASE, expires=expires)


def posted(hold, amount=None, code="posted"):
    return ledger.post(CASE, code, hold.id, amount, cause=CASE)


def voided(hold, code="voided"):
    return ledger.void(CASE, code, hold.id, cause=CASE)


async def begun(conn):
    await ledger.open_accounts(conn, [WORLD, ESCROW, PAYABLE, SELLER_OWES])
    await ledger.book(conn, [paid()])
    return conn


@pytest.fixture(scope="module")
def shared(databases):
    """One database for all tests that commit nothing."""
    taken = databases.take()
    yield taken
    databases.give_back(taken)


@pytest.fixture
async def conn(shared):
    """The service's connection, with the accounts open and 100 cents in escrow; rolled back."""
    engine = db.create_engine(shared.url)
    async with engine.connect() as opened:
        await opened.begin()
        yield await begun(opened)
        await opened.rollback()
    await engine.dispose()


@pytest.fixture
async def own(connection):
    """The same in a database of the test's own."""
    return await begun(connection)


async def refused(conn, kind, transfers):
    """Be refused inside a savepoint, so that the test can go on."""
    with pytest.raises(kind) as caught:
        async with conn.begin_nested():
            await ledger.book(conn, transfers)
    return caught.value


async def test_a_single_transfer_moves_money_at_once(conn):
    assert await ledger.balance(conn, ESCROW) == ledger.Balance(0, 100, 0, 0, 100)
    assert await ledger.balance(conn, WORLD) == ledger.Balance(100, 0, 0, 0, None)


async def test_a_hold_binds_what_is_available_and_gives_nothing_yet(conn):
    await ledger.book(conn, [held(60)])
    assert await ledger.balance(conn, ESCROW) == ledger.Balance(0, 100, 60, 0, 40)
    assert await ledger.balance(conn, PAYABLE) == ledger.Balance(0, 0, 0, 60, 0)


async def test_a_post_of_a_part_returns_the_rest(conn):
    await ledger.book(conn, [held(60)])
    await ledger.book(conn, [posted(held(), euro(25))])
    assert await ledger.balance(conn, ESCROW) == ledger.Balance(25, 100, 0, 0, 75)
    assert await ledger.balance(conn, PAYABLE) == ledger.Balance(0, 25, 0, 0, 25)


async def test_a_post_without_an_amount_executes_all_of_the_hold(conn):
    await ledger.book(conn, [held(60)])
    await ledger.book(conn, [posted(held())])
    assert await ledger.balance(conn, PAYABLE) == ledger.Balance(0, 60, 0, 0, 60)


async def test_a_post_of_nothing_is_refused_and_not_taken_for_all(conn):
    await ledger.book(conn, [held(60)])
    refusal = await refused(conn, Invalid, [posted(held(), euro(0))])
    assert refusal.facts["code"] == "out_of_bounds"


async def test_a_void_returns_the_hold(conn):
    await ledger.book(conn, [held(60)])
    await ledger.book(conn, [voided(held())])
    assert await ledger.balance(conn, ESCROW) == ledger.Balance(0, 100, 0, 0, 100)


async def test_an_expired_hold_cannot_be_posted_but_voided(own, admin):
    now = await own.scalar(text("SELECT public.service_now()"))
    due = now + timedelta(hours=1)
    await ledger.book(own, [held(expires=due)])
    await own.commit()
    await admin.execute("UPDATE service_clock SET demo = true, ahead = '61 minutes'")
    refusal = await refused(own, Late, [posted(held())])
    assert refusal.due == due
    await ledger.book(own, [voided(held())])
    assert (await ledger.balance(own, ESCROW)).available == 100


async def test_a_repeated_post_after_the_expiry_is_a_repeat_and_not_late(own, admin):
    now = await own.scalar(text("SELECT public.service_now()"))
    hold = held(expires=now + timedelta(hours=1))
    await ledger.book(own, [hold])
    await ledger.book(own, [posted(hold)])
    await own.commit()
    await admin.execute("UPDATE service_clock SET demo = true, ahead = '1 year'")
    assert await ledger.book(own, [hold, posted(hold)]) == {hold.id, posted(hold).id}


async def test_a_hold_that_is_over_before_it_begins_is_refused(conn):
    refusal = await refused(conn, Late, [held(expires=REGISTERED)])
    assert refusal.due == REGISTERED


async def test_a_hold_is_replaced_by_another_in_one_act(conn):
    await ledger.book(conn, [held(90)])
    await ledger.book(conn, [voided(held()), held(100, "held_again")])
    assert await ledger.balance(conn, ESCROW) == ledger.Balance(0, 100, 100, 0, 0)


async def test_a_batch_is_judged_by_what_it_leaves_behind(conn):
    on = ledger.single(CASE, "on", ESCROW, PAYABLE, euro(150), cause=CASE)
    assert await ledger.book(conn, [on, paid(50, "paid_more")]) == frozenset()
    assert (await ledger.balance(conn, ESCROW)).available == 0


async def test_a_batch_is_booked_whole_or_not_at_all(conn):
    await refused(conn, Unfunded, [paid(5, "more"), held(106)])
    assert await ledger.balance(conn, ESCROW) == ledger.Balance(0, 100, 0, 0, 100)


async def test_an_empty_batch_is_nothing(conn):
    assert await ledger.book(conn, []) == frozenset()


async def test_a_flood_is_refused_before_it_is_sent(conn):
    flood = [paid()] * (ledger.BATCH_MAX + 1)
    with pytest.raises(TooMuch):
        await ledger.book(conn, flood)


async def test_a_repeat_has_no_effect_and_is_told(conn):
    assert await ledger.book(conn, [paid()]) == {paid().id}
    assert await ledger.book(conn, [paid(), held()]) == {paid().id}
    assert (await ledger.balance(conn, ESCROW)).credits_posted == 100


async def test_the_same_line_twice_in_a_batch_is_booked_once(conn):
    await ledger.book(conn, [held(), held()])
    assert (await ledger.balance(conn, ESCROW)).debits_pending == 60


async def test_the_same_id_with_other_content_is_a_conflict(conn):
    refusal = await refused(conn, Conflict, [paid(101)])
    assert refusal.what == "transfer"


async def test_a_hold_is_resolved_once(conn):
    await ledger.book(conn, [held()])
    await ledger.book(conn, [posted(held())])
    assert (await refused(conn, Conflict, [voided(held())])).what == "hold"
    assert (await refused(conn, Conflict, [posted(held(), code="again")])).what == "hold"


async def test_what_is_not_there_cannot_be_resolved(conn):
    await refused(conn, NotFound, [posted(held())])
    await refused(conn, NotFound, [held(), posted(held())])
    await refused(conn, NotFound, [posted(paid())])


async def test_an_overdraft_names_the_kind_of_account_and_no_amount(conn):
    refusal = await refused(conn, Unfunded, [held(101)])
    assert refusal.facts == {"account": "escrow"}
    repaid = ledger.single(CASE, "repaid", WORLD, SELLER_OWES, euro(1), cause=CASE)
    assert (await refused(conn, Unfunded, [repaid])).facts == {"account": "receivable"}


async def test_a_post_beyond_its_hold_is_invalid(conn):
    await ledger.book(conn, [held(60)])
    assert (await refused(conn, Invalid, [posted(held(), euro(61))])).code == "beyond_hold"


async def test_a_post_in_another_currency_is_invalid(conn):
    await ledger.book(conn, [held(60)])
    await refused(conn, Invalid, [posted(held(), Money(60, "JPY"))])


@pytest.mark.parametrize("cents", [0, -1])
async def test_an_amount_is_positive(conn, cents):
    assert (await refused(conn, Invalid, [paid(cents, "x")])).bounds["minimum"] == 1


async def test_the_largest_amount_is_booked(conn):
    await ledger.book(conn, [paid(money.AMOUNT_MINOR_MAX, "most")])
    assert (await ledger.balance(conn, ESCROW)).available == money.AMOUNT_MINOR_MAX + 100


async def test_an_account_has_to_be_open(conn):
    closed = Account(Kind.BOND, ORDER, "EUR")
    into = ledger.single(CASE, "x", WORLD, closed, euro(1), cause=CASE)
    out_of = ledger.single(CASE, "x", closed, WORLD, euro(1), cause=CASE)
    assert (await refused(conn, Invalid, [into])).path == ("credit",)
    assert (await refused(conn, Invalid, [out_of])).path == ("debit",)
    with pytest.raises(NotFound):
        await ledger.balance(conn, closed)


async def test_accounts_of_two_currencies_do_not_mix(conn):
    yen = Account(Kind.ESCROW, ORDER, "JPY")
    await ledger.open_accounts(conn, [yen])
    await refused(conn, Invalid, [ledger.single(CASE, "x", WORLD, yen, euro(1), cause=CASE)])


async def test_an_unknown_currency_has_no_accounts(conn):
    with pytest.raises(Invalid):
        await ledger.open_accounts(conn, [Account(Kind.BOND, ORDER, "XXX")])


async def test_a_bug_is_no_refusal(conn):
    bug = Transfer(id=ids.child(ORDER), op=Op.SINGLE, cause=ORDER, code="no accounts")
    with pytest.raises(IntegrityError):
        await ledger.book(conn, [bug])


async def test_accounts_are_opened_once(conn):
    await ledger.open_accounts(conn, [WORLD, WORLD, ESCROW])
    assert await conn.scalar(text("SELECT count(*) FROM ledger.accounts")) == 4


async def test_open_holds_are_listed_until_they_are_resolved(conn):
    due = datetime(2999, 1, 1, tzinfo=UTC)
    first, second = held(10, "first"), held(20, "second", due)
    await ledger.book(conn, [first])
    await ledger.book(conn, [second])
    assert await ledger.open_holds(conn, CASE) == [
        ledger.Hold(first.id, ESCROW.id, PAYABLE.id, euro(10), None, "first"),
        ledger.Hold(second.id, ESCROW.id, PAYABLE.id, euro(20), due, "second"),
    ]
    await ledger.book(conn, [posted(first), voided(second)])
    assert await ledger.open_holds(conn, CASE) == []


async def test_the_audit_finds_a_counter_that_was_turned_back(own, admin):
    assert await ledger.findings(own) == []
    await own.commit()
    await admin.execute("ALTER TABLE ledger.balances DISABLE TRIGGER by_transfers_only")
    await admin.execute("UPDATE ledger.balances SET credits_posted = 99 WHERE credits_posted > 0")
    (found,) = await ledger.findings(own)
    assert (found["finding"], found["id"], found["stored"][1]) == ("counters", ESCROW.id, 99)


async def test_the_audit_finds_a_missing_stripe_and_a_forged_resolution(own, admin):
    await ledger.book(own, [held()])
    await ledger.book(own, [posted(held(), euro(60))])
    await own.commit()
    await admin.execute("ALTER TABLE ledger.transfers DISABLE TRIGGER ALL")
    await admin.execute("UPDATE ledger.transfers SET amount = 61 WHERE op = 'pending'")
    await admin.execute("ALTER TABLE ledger.balances DISABLE TRIGGER ALL")
    await admin.execute("DELETE FROM ledger.balances WHERE account = $1 AND stripe = 3", WORLD.id)
    found = {row["finding"] for row in await ledger.findings(own)}
    assert found == {"counters", "resolution", "stripes"}


async def test_the_kinds_are_the_same_in_both_languages(conn):
    rows = await conn.execute(text("SELECT kind, unit, rule FROM ledger.kinds"))
    assert {tuple(row) for row in rows} == {(k.value, k.unit.value, k.rule.value) for k in Kind}


async def test_the_currencies_are_the_same_in_both_languages(conn):
    rows = await conn.execute(text("SELECT code, exponent FROM ledger.currencies"))
    assert {row.code: row.exponent for row in rows} == money.EXPONENTS


def test_each_kind_of_account_explains_itself():
    assert all(kind.meaning.endswith(".") for kind in Kind)
    assert len({kind.meaning for kind in Kind}) == len(Kind)


def test_an_account_is_its_kind_owner_and_currency_and_nothing_else():
    assert ESCROW.id == Account(Kind.ESCROW, ORDER, "EUR").id
    others = [
        Account(Kind.BOND, ORDER, "EUR"),
        Account(Kind.ESCROW, CASE, "EUR"),
        Account(Kind.ESCROW, ORDER, "JPY"),
    ]
    assert len({ESCROW.id, *(other.id for other in others)}) == 4


def test_ids_in_the_ledger_carry_the_month_of_the_order():
    assert ids.month(ESCROW.id) == ids.month(paid().id) == ids.month(held().id) == (2026, 3)
