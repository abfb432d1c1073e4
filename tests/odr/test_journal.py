"""What each event of an order, a case and a claim does to the accounts; splits and waterfalls."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from infra import database as db
from odr import ids, journal, ledger
from odr.errors import Invalid, Refused
from odr.journal import Shares, Trade
from odr.ledger import Account, Kind
from odr.money import AMOUNT_MINOR_MAX, Money

REGISTERED = datetime(2026, 3, 14, tzinfo=UTC)
EVENTS = Path(__file__).with_name("journal_events.txt")


def stories():
    told = EVENTS.read_text(encoding="utf-8").split("\n= ")[1:]
    for story in told:
        title, *lines = [line for line in story.splitlines() if line]
        yield pytest.param(lines, id=title)


def euro(words):
    return Money(int(words), "EUR")


def shares(words):
    return Shares(*(int(share) for share in words.split("/")))


@dataclass
class Story:
    """An order with its people, and what the next event refers to."""

    trade: Trade = field(
        default_factory=lambda: Trade(ids.new(REGISTERED), ids.new(REGISTERED), "EUR")
    )
    buyer: UUID = field(default_factory=lambda: ids.new(REGISTERED))
    insurer: UUID = field(default_factory=lambda: ids.new(REGISTERED))
    claimed: UUID | None = None
    held: tuple[UUID, ...] = ()
    reserve: UUID | None = None
    last: tuple[ledger.Transfer, ...] = ()

    def __post_init__(self) -> None:
        self.case = ids.child(self.trade.order)
        self.claim = ids.child(self.trade.order)

    def account(self, word):
        kind = Kind(word)
        owner = {
            **dict.fromkeys((Kind.BOND, Kind.PROCEEDS, Kind.RECEIVABLE), self.trade.seller),
            Kind.PAYABLE: self.case,
            Kind.COUPON: self.buyer,
            Kind.LOSS_FUND: self.insurer,
        }.get(kind, self.trade.order)
        return (
            self.trade.of_house(kind)
            if kind.rule is ledger.Rule.UNBOUNDED
            else Account(kind, owner, "EUR")
        )

    def accounts(self):
        return {kind.value: self.account(kind.value) for kind in Kind}

    def lines(self, event):
        """Write the journal's lines for an event; the same words are the same fact."""
        name, *words = event.split()
        return getattr(self, f"_{name}")(ids.derive(self.case, event), *words)

    def payout(self, name):
        return ids.derive(self.case, f"payout {name}")

    def _paid(self, _fact, amount, cap="cap=0"):
        return journal.order_paid(self.trade, euro(amount), euro(cap.removeprefix("cap=")))

    def _claim(self, fact, amount):
        lines = journal.claim_held(fact, self.trade, self.case, euro(amount))
        self.claimed = lines[0].id
        return lines

    def _drop(self, fact):
        return journal.claim_dropped(fact, self.case, self.claimed)

    def _release(self, fact, amount):
        return journal.release_to_seller(fact, self.trade, euro(amount))

    def _refund(self, fact, parts):
        claimed = self.claimed
        return journal.refund(fact, self.trade, self.case, shares(parts), claimed)

    def _refund_from_escrow(self, fact, amount):
        return journal.refund_from_escrow(fact, self.trade, self.case, euro(amount), self.claimed)

    def _from_bond(self, fact, amount):
        return journal.from_bond(fact, self.trade, self.case, euro(amount))

    def _advance(self, fact, amount):
        return journal.platform_advance(fact, self.trade, self.case, euro(amount))

    def _without_recourse(self, fact, amount):
        return journal.without_recourse(fact, self.trade, self.case, euro(amount))

    def _on_return(self, fact, parts, year):
        expires = datetime(int(year), 1, 1, tzinfo=UTC)
        lines = journal.refund_on_return(
            fact, self.trade, self.case, shares(parts), expires=expires, claimed=self.claimed
        )
        self.held = tuple(journal.holds(lines))
        return lines

    def _received(self, fact):
        return journal.return_received(fact, self.case, self.held)

    def _lapsed(self, fact):
        return journal.return_lapsed(fact, self.case, self.held)

    def _replace(self, fact, amount):
        lines = journal.replacement_promised(fact, self.trade, self.case, euro(amount))
        self.held = (self.claimed, *journal.holds(lines))
        return lines

    def _delivered(self, fact):
        return journal.replacement_delivered(fact, self.case, self.held)

    def _failed(self, fact):
        return journal.replacement_failed(fact, self.case, self.held)

    def _coupon(self, fact, amount):
        return journal.coupon(fact, self.case, self.buyer, euro(amount))

    def _redeem(self, fact, amount):
        return journal.coupon_redeemed(fact, self.trade.order, self.buyer, euro(amount))

    def _compensate(self, fact, payer, amount):
        payer = self.account(payer)
        return journal.compensation(fact, self.trade, self.case, euro(amount), payer)

    def _deposit(self, fact, amount):
        return journal.bond_deposited(fact, self.trade.seller, euro(amount))

    def _recover(self, fact, source, amount):
        source = self.account(source)
        return journal.advance_recovered(fact, self.trade, self.case, euro(amount), source)

    def _chargeback(self, fact, amount, covered):
        covered = int(covered.removeprefix("covered="))
        return journal.chargeback(fact, self.trade, self.case, euro(amount), covered)

    def _fund(self, fact, amount):
        return journal.fund_deposited(fact, self.insurer, euro(amount))

    def _reserve(self, fact, payee, amount):
        payee = self.account(payee)
        lines = journal.loss_reserved(fact, self.claim, self.insurer, payee, euro(amount))
        self.reserve = lines[0].id
        return lines

    def _change(self, fact, payee, amount):
        lines = journal.reserve_changed(
            fact,
            self.claim,
            self.insurer,
            self.account(payee),
            euro(amount),
            reserve=self.reserve,
        )
        self.reserve = lines[-1].id
        return lines

    def _indemnify(self, fact, amount):
        return journal.indemnity_paid(fact, self.claim, self.reserve, euro(amount))

    def _indemnify_buyer(self, fact, amount):
        return journal.indemnity_paid(fact, self.claim, self.reserve, euro(amount), self.trade)

    def _deny(self, fact):
        return journal.loss_denied(fact, self.claim, self.reserve)

    def _recovered(self, fact, payer, amount):
        return journal.loss_recovered(fact, self.claim, self.account(payer), euro(amount))

    def _send(self, _fact, name, amount):
        source = self.account("payable")
        return journal.payout_sent(self.payout(name), self.case, source, euro(amount))

    def _settle(self, _fact, name):
        return journal.payout_settled(self.payout(name), self.case)

    def _reject(self, _fact, name):
        return journal.payout_rejected(self.payout(name), self.case)

    def _return(self, _fact, name, amount):
        source = self.account("payable")
        return journal.payout_returned(self.payout(name), self.case, source, euro(amount))

    def _paid_after_all(self, _fact, name, amount, covered):
        return journal.payout_paid_after_all(
            self.payout(name),
            self.case,
            self.account("payable"),
            euro(amount),
            covered=covered == "covered",
        )

    def _undo(self, fact):
        return journal.undone(fact, self.last)


async def shown(conn, story):
    """Every account in words, as the table writes it."""
    accounts = story.accounts()
    found = await ledger.balances(conn, accounts.values())
    return {
        word: f"{b.credits_posted - b.debits_posted}"
        + (f"-{b.debits_pending}" if b.debits_pending else "")
        + (f"+{b.credits_pending}" if b.credits_pending else "")
        for word, b in ((word, found[account]) for word, account in accounts.items())
    }


async def outcome(conn, story, event):
    """Book an event and tell what changed, or what refused it."""
    before = await shown(conn, story)
    try:
        lines = story.lines(event)
        async with conn.begin_nested():
            await ledger.book(conn, lines)
    except Refused as refusal:
        facts = refusal.facts
        which = next(facts[name] for name in ("account", "what", "code", "act") if name in facts)
        return f"{type(refusal).__name__} {which}"
    if event != "undo":
        story.last = tuple(lines)
    after = await shown(conn, story)
    changed = (f"{word}={after[word]}" for word in after if after[word] != before[word])
    return " ".join(sorted(changed)) or "nothing"


@pytest.fixture(scope="module")
def shared(databases):
    """One database for all stories, which commit nothing."""
    taken = databases.take()
    yield taken
    databases.give_back(taken)


@pytest.fixture
async def conn(shared):
    engine = db.create_engine(shared.url)
    async with engine.connect() as opened:
        yield opened
        await opened.rollback()
    await engine.dispose()


@pytest.mark.parametrize("lines", list(stories()))
async def test_the_events_of_a_story_change_the_accounts_as_told(conn, lines):
    story = Story()
    await ledger.open_accounts(conn, story.accounts().values())
    for line in lines:
        event, told = (part.strip() for part in line.split("|"))
        expected = " ".join(sorted(told.split())) if "=" in told else told
        assert f"{event} | {await outcome(conn, story, event)}" == f"{event} | {expected}"
    assert await ledger.findings(conn) == []
    for row in await conn.execute(text("SELECT * FROM ledger.trial_balance")):
        assert row.debits_posted == row.credits_posted
        assert row.debits_pending == row.credits_pending


def test_the_stories_tell_every_event_of_the_journal():
    told = {line.values[0][n].split()[0] for line in stories() for n in range(len(line.values[0]))}
    known = {name[1:] for name in vars(Story) if name.startswith("_") and name[1] != "_"}
    assert told == known


def test_an_order_opens_all_accounts_that_its_templates_need():
    trade = Trade(ids.new(REGISTERED), ids.new(REGISTERED), "EUR")
    opened = set(trade.accounts())
    lines = journal.order_paid(trade, euro(1), euro(1))
    lines += journal.refund(trade.order, trade, ids.child(trade.order), Shares(1, 1, 1))
    needed = {a for a in ledger.accounts_of(lines) if a.kind is not Kind.PAYABLE}
    assert needed <= opened


def test_an_amount_in_another_currency_is_not_the_orders():
    trade = Trade(ids.new(REGISTERED), ids.new(REGISTERED), "EUR")
    with pytest.raises(Invalid):
        journal.from_bond(trade.order, trade, trade.order, Money(1, "JPY"))


def test_only_single_transfers_are_undone():
    trade = Trade(ids.new(REGISTERED), ids.new(REGISTERED), "EUR")
    held = journal.claim_held(trade.order, trade, trade.order, euro(1))
    with pytest.raises(ValueError, match="claim_held is no single transfer"):
        journal.undone(trade.order, held)


def test_a_bond_below_its_floor_is_topped_up():
    assert [journal.top_up(available, 100) for available in (0, 99, 100, 101)] == [100, 1, 0, 0]


amounts = st.integers(0, AMOUNT_MINOR_MAX)


@given(amounts, amounts, amounts)
def test_the_waterfall_takes_all_of_each_source_before_the_next(amount, escrow, bond):
    taken = journal.waterfall(amount, escrow, bond)
    assert taken.total == amount
    assert 0 <= taken.escrow <= escrow
    assert 0 <= taken.bond <= bond
    assert taken.bond == 0 or taken.escrow == escrow
    assert taken.advance == 0 or (taken.escrow, taken.bond) == (escrow, bond)


@pytest.mark.parametrize("negative", [(-1, 0, 0), (0, -1, 0), (0, 0, -1)])
def test_a_waterfall_of_negative_amounts_is_refused(negative):
    with pytest.raises(Invalid):
        journal.waterfall(*negative)


weights = st.lists(st.integers(0, 10**12), min_size=1, max_size=40).filter(any)


@given(amounts, weights)
def test_a_split_loses_nothing_and_is_fair_to_a_unit(amount, weights):
    given_ = journal.split(amount, weights)
    total = sum(weights)
    assert sum(given_) == amount
    for share, weight in zip(given_, weights, strict=True):
        assert abs(share * total - amount * weight) < total
        assert share == 0 or weight > 0


@given(amounts, weights)
def test_who_weighs_more_never_gets_less(amount, weights):
    pairs = sorted(zip(weights, journal.split(amount, weights), strict=True))
    for (lighter, less), (heavier, more) in pairwise(pairs):
        assert less <= more or lighter == heavier


def test_of_equal_remainders_the_earlier_gets_the_cent():
    assert journal.split(100, [1, 1, 1]) == [34, 33, 33]
    assert journal.split(2, [1, 1, 1]) == [1, 1, 0]
    assert journal.split(0, [1, 2]) == [0, 0]


@pytest.mark.parametrize(("amount", "weights"), [(-1, [1]), (1, []), (1, [0]), (1, [2, -1])])
def test_a_split_among_nobody_or_of_debts_is_refused(amount, weights):
    with pytest.raises(Invalid):
        journal.split(amount, weights)
