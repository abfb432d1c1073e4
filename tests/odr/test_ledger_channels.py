"""Every way by which a buyer gets money back, in any order: never more than the price.

A random walk over orders and all channels at once: settlement and ruling from escrow, bond and
advance, returns, replacements, insurer, goodwill, chargebacks, payouts that are sent, settled,
rejected and returned. What the walk believes is kept beside the ledger and compared with it.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from infra import database as db
from odr import ids, journal, ledger
from odr.errors import Conflict, Late, Unfunded
from odr.journal import Shares, Trade
from odr.ledger import Kind
from odr.money import Money

REGISTERED = datetime(2026, 3, 14, tzinfo=UTC)
CURRENCIES = ("EUR", "JPY", "KWD")
AMOUNTS = st.integers(1, 300)
HOUR = timedelta(hours=1)


class Order:
    """What the walk believes of an order."""

    def __init__(self, trade, price) -> None:
        self.trade, self.price = trade, price
        self.granted = 0  # to the buyer, by whatever channel
        self.charged_back = 0  # of that, taken by the bank
        self.compensated = 0  # beyond it, for losses
        self.case = ids.child(trade.order)
        self.payable = journal.payable(self.case, trade.currency)


class Promise:
    """Holds that become a grant when they are posted."""

    def __init__(self, order, amount, held) -> None:
        self.order, self.amount, self.held, self.open = order, amount, held, True


class Payout:
    """Money on its way to a bank."""

    def __init__(self, order, amount) -> None:
        self.order, self.amount, self.state = order, amount, "sent"
        self.id = ids.child(order.case)


class Channels(RuleBasedStateMachine):
    """The walk; each rule is one act, in one transaction of the service's role."""

    orders = Bundle("orders")
    promises = Bundle("promises")
    payouts = Bundle("payouts")
    reserves = Bundle("reserves")

    def __init__(self, runner, engine, admin) -> None:
        super().__init__()
        self.run, self.engine, self.admin = runner.run, engine, admin
        self.seller, self.insurer = ids.new(REGISTERED), ids.new(REGISTERED)
        self.all_orders, self.all_payouts = [], []
        funds = []
        for currency in CURRENCIES:
            fund = Money(400, currency)
            funds += journal.bond_deposited(ids.new(REGISTERED), self.seller, fund)
            funds += journal.fund_deposited(ids.new(REGISTERED), self.insurer, fund)
        self.run(self.book(funds, ledger.accounts_of(funds)))

    async def book(self, lines, accounts=()):
        async with self.engine.begin() as conn:
            if accounts:
                await ledger.open_accounts(conn, accounts)
            return await ledger.book(conn, lines)

    async def service_now(self):
        async with self.engine.connect() as conn:
            return await conn.scalar(text("SELECT public.service_now()"))

    def act(self, lines, expected=(Unfunded,)):
        """Book; True if it took effect, False if it was refused as it may be."""
        try:
            return not self.run(self.book(lines))
        except expected:
            return False

    @rule(target=orders, price=AMOUNTS, currency=st.sampled_from(CURRENCIES))
    def pay(self, price, currency):
        order = Order(Trade(ids.new(REGISTERED), self.seller, currency), price)
        lines = journal.order_paid(order.trade, Money(price, currency), Money(20, currency))
        self.run(self.book(lines, [*order.trade.accounts(), order.payable]))
        self.all_orders.append(order)
        return order

    @rule(order=orders, amount=AMOUNTS)
    def release(self, order, amount):
        money = Money(amount, order.trade.currency)
        self.act(journal.release_to_seller(ids.child(order.case), order.trade, money))

    @rule(
        order=orders,
        escrow=st.integers(0, 200),
        bond=st.integers(0, 100),
        advance=st.integers(0, 100),
        times=st.integers(1, 2),
    )
    def settle(self, order, escrow, bond, advance, times):
        """Grant by a settlement or a ruling; perhaps tell it twice."""
        shares = Shares(escrow, bond, advance)
        lines = journal.refund(ids.child(order.case), order.trade, order.case, shares)
        for _ in range(times):
            if lines and self.act(lines):
                order.granted += shares.total

    @rule(target=promises, order=orders, amount=AMOUNTS)
    def claim_and_agree_on_a_return(self, order, amount):
        """Claim what escrow has, then promise all of it for the return of the goods."""
        fact, money = ids.child(order.case), Money(amount, order.trade.currency)
        claim = journal.claim_held(fact, order.trade, order.case, money)
        if not self.act(claim):
            return multiple()
        expires = self.run(self.service_now()) + HOUR
        lines = journal.refund_on_return(
            fact,
            order.trade,
            order.case,
            Shares(amount, 0, 0),
            expires=expires,
            claimed=claim[0].id,
        )
        if not self.act(lines):
            assert self.act(journal.claim_dropped(fact, order.case, claim[0].id))
            return multiple()
        return Promise(order, amount, journal.holds(lines))

    @rule(target=promises, order=orders, amount=AMOUNTS)
    def promise_a_replacement(self, order, amount):
        fact, money = ids.child(order.case), Money(amount, order.trade.currency)
        lines = journal.claim_held(fact, order.trade, order.case, money)
        lines += journal.replacement_promised(fact, order.trade, order.case, money)
        if not self.act(lines):
            return multiple()
        return Promise(order, amount, journal.holds(lines))

    @rule(promise=promises)
    def keep(self, promise):
        lines = journal.return_received(
            ids.child(promise.order.case), promise.order.case, promise.held
        )
        if self.act(lines, (Conflict, Late)):
            assert promise.open
            promise.open = False
            promise.order.granted += promise.amount

    @rule(promise=promises)
    def end(self, promise):
        lines = journal.return_lapsed(
            ids.child(promise.order.case), promise.order.case, promise.held
        )
        if self.act(lines, (Conflict,)):
            assert promise.open
            promise.open = False

    @rule(order=orders, amount=AMOUNTS)
    def charge_back(self, order, amount):
        """The bank has done it: booked whatever the entitlement says."""
        money = Money(amount, order.trade.currency)
        right = order.trade.of_order(Kind.ENTITLEMENT)
        covered = min(amount, self.run(self.balance(right)).available)
        lines = journal.chargeback(ids.child(order.case), order.trade, order.case, money, covered)
        assert self.act(lines)
        order.granted += covered
        order.charged_back += covered

    @rule(order=orders, amount=AMOUNTS)
    def compensate(self, order, amount):
        money = Money(amount, order.trade.currency)
        platform = order.trade.of_house(Kind.PLATFORM)
        fact = ids.child(order.case)
        if self.act(journal.compensation(fact, order.trade, order.case, money, platform)):
            order.compensated += amount

    @rule(target=reserves, order=orders, amount=AMOUNTS)
    def reserve(self, order, amount):
        claim, money = ids.child(order.case), Money(amount, order.trade.currency)
        lines = journal.loss_reserved(claim, claim, self.insurer, order.payable, money)
        return (order, claim, lines[0]) if self.act(lines) else multiple()

    @rule(reserve=reserves, amount=AMOUNTS)
    def indemnify_the_buyer(self, reserve, amount):
        order, claim, held = reserve
        amount = min(amount, held.amount.amount_minor)
        money = Money(amount, order.trade.currency)
        lines = journal.indemnity_paid(ids.child(claim), claim, held.id, money, order.trade)
        if self.act(lines, (Unfunded, Conflict)):
            order.granted += amount

    @rule(reserve=reserves)
    def deny(self, reserve):
        _, claim, held = reserve
        self.act(journal.loss_denied(ids.child(claim), claim, held.id), (Conflict,))

    @rule(order=orders, amount=AMOUNTS, kind=st.sampled_from([Kind.BOND, Kind.PROCEEDS]))
    def recover(self, order, amount, kind):
        money = Money(amount, order.trade.currency)
        source = order.trade.of_seller(kind)
        self.act(
            journal.advance_recovered(ids.child(order.case), order.trade, order.case, money, source)
        )

    @rule(target=payouts, order=orders, amount=AMOUNTS)
    def send(self, order, amount):
        payout = Payout(order, amount)
        money = Money(amount, order.trade.currency)
        if not self.act(journal.payout_sent(payout.id, order.case, order.payable, money)):
            return multiple()
        self.all_payouts.append(payout)
        return payout

    @rule(payout=payouts)
    def is_settled(self, payout):
        if self.act(journal.payout_settled(payout.id, payout.order.case), (Conflict,)):
            assert payout.state == "sent"
            payout.state = "paid"

    @rule(payout=payouts)
    def is_rejected(self, payout):
        if self.act(journal.payout_rejected(payout.id, payout.order.case), (Conflict,)):
            assert payout.state == "sent"
            payout.state = "rejected"

    @rule(payout=payouts)
    def is_returned(self, payout):
        if payout.state in {"paid", "returned"}:
            order, money = payout.order, Money(payout.amount, payout.order.trade.currency)
            first = payout.state == "paid"
            lines = journal.payout_returned(payout.id, order.case, order.payable, money)
            assert self.act(lines) is first
            payout.state = "returned"

    @rule(minutes=st.integers(1, 90))
    def wait(self, minutes):
        step = timedelta(minutes=minutes)
        self.run(self.admin.execute("SELECT public.advance_service_clock($1)", step))

    async def balance(self, account):
        async with self.engine.connect() as conn:
            return await ledger.balance(conn, account)

    @invariant()
    def no_buyer_is_granted_more_than_the_price(self):
        for order in self.all_orders:
            assert order.granted <= order.price

    async def _compare(self):
        async with self.engine.connect() as conn:
            for order in self.all_orders:
                right = await ledger.balance(conn, order.trade.of_order(Kind.ENTITLEMENT))
                assert right.credits_posted - right.debits_posted == order.price - order.granted
                payable = await ledger.balance(conn, order.payable)
                mine = [payout for payout in self.all_payouts if payout.order is order]
                paid = sum(p.amount for p in mine if p.state in {"paid", "returned"})
                assert payable.debits_posted == paid
                back = sum(p.amount for p in mine if p.state == "returned")
                given = order.granted - order.charged_back + order.compensated
                assert payable.credits_posted == given + back
                sent = sum(p.amount for p in mine if p.state == "sent")
                assert payable.debits_pending == sent
            assert await ledger.findings(conn) == []
            for row in await conn.execute(text("SELECT * FROM ledger.trial_balance")):
                assert row.debits_posted == row.credits_posted
                assert row.debits_pending == row.credits_pending

    def teardown(self):
        self.run(self._compare())


def walk(database, examples, steps):
    """Walk on a loop of the walk's own, for Hypothesis is not asynchronous."""
    with asyncio.Runner() as runner:
        engine = db.create_engine(database.url)
        runner.run(db.make_demonstration(database.admin_url))
        admin = runner.run(asyncpg.connect(database.admin_url))
        try:
            run_state_machine_as_test(
                lambda: Channels(runner, engine, admin),
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=steps,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(admin.close())
            runner.run(engine.dispose())


def test_no_walk_over_the_channels_pays_a_buyer_twice(database):
    walk(database, examples=25, steps=40)


@pytest.mark.long
def test_no_long_walk_over_the_channels_pays_a_buyer_twice(database):
    walk(database, examples=300, steps=60)
