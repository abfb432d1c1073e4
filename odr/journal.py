"""The journal: which transfers each event of an order, a case or a claim makes.

Each function gives the lines of one event, to be booked by one call of ``ledger.book``, in the
transaction of the act that it follows from. ``fact`` is the id of what happened (an act, an
award, a payout): the ids of the lines derive from it, so that the same fact is booked once,
however often it is told. ``case`` is what the lines are filed under.

Whatever gives the buyer something back takes it from the order's entitlement in the same event:
paid twice is then an overdraft, which the database refuses. The module is pure: it reads no
balance and knows no table, no rail and no clock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from odr import ledger
from odr.errors import Invalid
from odr.ledger import HOUSE, Account, Kind, Op, Transfer
from odr.money import Money


@dataclass(frozen=True, slots=True)
class Trade:
    """An order as the ledger sees it."""

    order: UUID
    seller: UUID
    currency: str

    def of_order(self, kind: Kind) -> Account:
        """The order's own account of a kind: escrow, entitlement, cap on compensation."""
        return Account(kind, self.order, self.currency)

    def of_seller(self, kind: Kind) -> Account:
        """The seller's account in the order's currency: bond, proceeds, receivable."""
        return Account(kind, self.seller, self.currency)

    def of_house(self, kind: Kind) -> Account:
        """The service's account in the order's currency."""
        return Account(kind, HOUSE, self.currency)

    def accounts(self) -> list[Account]:
        """All accounts that an order needs from the start, to open them at registration."""
        of_order = (Kind.ESCROW, Kind.ENTITLEMENT, Kind.COMPENSATION_CAP)
        of_seller = (Kind.BOND, Kind.PROCEEDS, Kind.RECEIVABLE)
        of_house = (kind for kind in Kind if kind.rule is ledger.Rule.UNBOUNDED)
        return [
            *map(self.of_order, of_order),
            *map(self.of_seller, of_seller),
            *map(self.of_house, of_house),
        ]


@dataclass(frozen=True, slots=True)
class Shares:
    """Who pays how much of what is granted, in minor units."""

    escrow: int
    bond: int
    advance: int

    @property
    def total(self) -> int:
        """What the buyer gets."""
        return self.escrow + self.bond + self.advance


def waterfall(amount: int, escrow: int, bond: int) -> Shares:
    """Take ``amount`` from escrow, then the seller's bond, then the platform's advance.

    All in minor units, with what is available in escrow and bond; ``Invalid`` if negative.
    """
    for name, given in (("amount", amount), ("escrow", escrow), ("bond", bond)):
        if given < 0:
            raise Invalid((name,), "negative", minimum=0)
    from_escrow = min(amount, escrow)
    from_bond = min(amount - from_escrow, bond)
    return Shares(from_escrow, from_bond, amount - from_escrow - from_bond)


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Split ``amount`` (minor units) by ``weights`` without losing a cent: largest remainder.

    No share is a whole unit away from its exact value; of equal remainders the earlier one gets
    the unit. ``Invalid`` for a negative amount or weight, or weights that are all zero.
    """
    if amount < 0:
        raise Invalid(("amount",), "negative", minimum=0)
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        raise Invalid(("weights",), "no_share", minimum=0)
    shares, remainders = map(list, zip(*(divmod(amount * w, total) for w in weights), strict=True))
    by_remainder = sorted(range(len(weights)), key=lambda i: -remainders[i])
    for i in by_remainder[: amount - sum(shares)]:
        shares[i] += 1
    return shares


def top_up(available: int, floor: int) -> int:
    """What a seller must add to a bond that fell below its floor, in minor units."""
    return max(0, floor - available)


def payable(case: UUID, currency: str) -> Account:
    """What a case has granted the buyer."""
    return Account(Kind.PAYABLE, case, currency)


def holds(transfers: Iterable[Transfer]) -> list[UUID]:
    """List the ids of the holds among ``transfers``, in their order."""
    return [each.id for each in transfers if each.op is Op.PENDING]


# The order and what a case claims from it.


def order_paid(trade: Trade, amount: Money, cap: Money | None = None) -> list[Transfer]:
    """Fill escrow and entitlement with the price, and the cap on compensation if there is one."""
    filled = [
        ("order_paid", Kind.WORLD, Kind.ESCROW, amount),
        ("entitlement_filled", Kind.ENTITLEMENT_ISSUED, Kind.ENTITLEMENT, amount),
    ]
    if cap:
        filled.append(("cap_filled", Kind.COMPENSATION_ISSUED, Kind.COMPENSATION_CAP, cap))
    return [
        ledger.single(
            trade.order,
            code,
            trade.of_house(source),
            trade.of_order(kind),
            given,
            cause=trade.order,
        )
        for code, source, kind, given in filled
    ]


def claim_held(
    fact: UUID, trade: Trade, case: UUID, amount: Money, *, expires: datetime | None = None
) -> list[Transfer]:
    """Hold in escrow what a case claims, so that it is not released to the seller meanwhile."""
    escrow, granted = trade.of_order(Kind.ESCROW), payable(case, trade.currency)
    return [ledger.hold(fact, "claim_held", escrow, granted, amount, cause=case, expires=expires)]


def claim_dropped(fact: UUID, case: UUID, claimed: UUID) -> list[Transfer]:
    """Give the hold ``claimed`` back to escrow: withdrawn, dismissed, or expired."""
    return [ledger.void(fact, "claim_dropped", claimed, cause=case)]


def release_to_seller(fact: UUID, trade: Trade, amount: Money) -> list[Transfer]:
    """Give the seller what is in escrow and not held."""
    escrow, proceeds = trade.of_order(Kind.ESCROW), trade.of_seller(Kind.PROCEEDS)
    return [ledger.single(fact, "released_to_seller", escrow, proceeds, amount, cause=trade.order)]


# What the buyer is granted.


def refund(
    fact: UUID, trade: Trade, case: UUID, shares: Shares, claimed: UUID | None = None
) -> list[Transfer]:
    """Grant a refund, whole or partial, by the shares of the waterfall.

    The escrow's share is posted from the hold ``claimed``, the rest of which returns; without a
    hold it is taken from what is free in escrow. What the platform advances, the seller owes.
    """
    lines: list[Transfer] = []
    escrow = Money(shares.escrow, trade.currency)
    if claimed is not None and escrow:
        lines.append(ledger.post(fact, "refund_from_escrow", claimed, escrow, cause=case))
    elif claimed is not None:
        lines.append(ledger.void(fact, "claim_dropped", claimed, cause=case))
    for code, source, amount in _sources(trade, shares):
        if code == "refund_from_escrow" and claimed is not None:
            continue
        lines.append(
            ledger.single(fact, code, source, payable(case, trade.currency), amount, cause=case)
        )
    if shares.total:
        lines.append(_entitlement_used(fact, trade, case, Money(shares.total, trade.currency)))
    return lines


def refund_from_escrow(
    fact: UUID, trade: Trade, case: UUID, amount: Money, claimed: UUID
) -> list[Transfer]:
    """Grant a refund from the hold of the claim; what is not granted returns to escrow."""
    return refund(fact, trade, case, Shares(_minor(trade, amount), 0, 0), claimed)


def from_bond(fact: UUID, trade: Trade, case: UUID, amount: Money) -> list[Transfer]:
    """Grant a refund from the seller's bond."""
    return refund(fact, trade, case, Shares(0, _minor(trade, amount), 0))


def platform_advance(fact: UUID, trade: Trade, case: UUID, amount: Money) -> list[Transfer]:
    """Grant a refund that the platform pays first; the seller owes it from now on."""
    return refund(fact, trade, case, Shares(0, 0, _minor(trade, amount)))


def without_recourse(fact: UUID, trade: Trade, case: UUID, amount: Money) -> list[Transfer]:
    """Grant a refund that the operator pays and bears: nobody owes it."""
    platform, granted = trade.of_house(Kind.PLATFORM), payable(case, trade.currency)
    return [
        ledger.single(fact, "refund_without_recourse", platform, granted, amount, cause=case),
        _entitlement_used(fact, trade, case, amount),
    ]


def refund_on_return(
    fact: UUID,
    trade: Trade,
    case: UUID,
    shares: Shares,
    *,
    expires: datetime,
    claimed: UUID | None = None,
) -> list[Transfer]:
    """Promise a refund for goods sent back until ``expires``: hold money and entitlement.

    The hold of the claim is voided and made anew, as a hold's expiry never changes. Resolve it
    by ``return_received`` or ``return_lapsed`` with all ``holds`` of these lines.
    """
    lines: list[Transfer] = []
    if claimed is not None:
        lines.append(ledger.void(fact, "claim_dropped", claimed, cause=case))
    lines += [
        ledger.hold(
            fact,
            f"{code}_on_return",
            source,
            payable(case, trade.currency),
            amount,
            cause=case,
            expires=expires,
        )
        for code, source, amount in _sources(trade, shares)
    ]
    total = Money(shares.total, trade.currency)
    lines.append(_entitlement_held(fact, trade, case, total, expires))
    return lines


def return_received(fact: UUID, case: UUID, held: Sequence[UUID]) -> list[Transfer]:
    """Grant what was promised for the return."""
    return _all_posted(fact, "return_received", case, held)


def return_lapsed(fact: UUID, case: UUID, held: Sequence[UUID]) -> list[Transfer]:
    """End the promise: the goods were not sent back in time."""
    return _all_voided(fact, "return_lapsed", case, held)


def replacement_promised(fact: UUID, trade: Trade, case: UUID, amount: Money) -> list[Transfer]:
    """Hold the entitlement while a replacement is on its way; the claim's hold stays as it is."""
    return [_entitlement_held(fact, trade, case, amount, None)]


def replacement_delivered(fact: UUID, case: UUID, held: Sequence[UUID]) -> list[Transfer]:
    """Give back all that was held, the claim's hold among ``held``: the buyer has the goods."""
    return _all_voided(fact, "replacement_delivered", case, held)


def replacement_failed(fact: UUID, case: UUID, held: Sequence[UUID]) -> list[Transfer]:
    """Grant the money instead: from the claim's hold and the entitlement's, both in ``held``."""
    return _all_posted(fact, "replacement_failed", case, held)


def coupon(fact: UUID, case: UUID, buyer: UUID, amount: Money) -> list[Transfer]:
    """Give the buyer a coupon; coupons are no money and have books of their own."""
    issued = Account(Kind.COUPON_ISSUED, HOUSE, amount.currency)
    owned = Account(Kind.COUPON, buyer, amount.currency)
    return [ledger.single(fact, "coupon_issued", issued, owned, amount, cause=case)]


def coupon_redeemed(fact: UUID, order: UUID, buyer: UUID, amount: Money) -> list[Transfer]:
    """Take back what the buyer spends of their coupons on ``order``."""
    issued = Account(Kind.COUPON_ISSUED, HOUSE, amount.currency)
    owned = Account(Kind.COUPON, buyer, amount.currency)
    return [ledger.single(fact, "coupon_redeemed", owned, issued, amount, cause=order)]


def compensation(
    fact: UUID, trade: Trade, case: UUID, amount: Money, payer: Account
) -> list[Transfer]:
    """Pay for a loss beyond the price, from ``payer`` and within the order's cap."""
    granted = payable(case, trade.currency)
    cap = trade.of_order(Kind.COMPENSATION_CAP)
    issued = trade.of_house(Kind.COMPENSATION_ISSUED)
    return [
        ledger.single(fact, "compensation", payer, granted, amount, cause=case),
        ledger.single(fact, "compensation_used", cap, issued, amount, cause=case),
    ]


# The seller's bond and debts.


def bond_deposited(fact: UUID, seller: UUID, amount: Money) -> list[Transfer]:
    """Put a seller's money into their bond."""
    world = Account(Kind.WORLD, HOUSE, amount.currency)
    bond = Account(Kind.BOND, seller, amount.currency)
    return [ledger.single(fact, "bond_deposited", world, bond, amount, cause=seller)]


def advance_recovered(
    fact: UUID, trade: Trade, case: UUID, amount: Money, source: Account
) -> list[Transfer]:
    """Pay off what the seller owes, from their bond, proceeds, or money that came in."""
    owed = trade.of_seller(Kind.RECEIVABLE)
    return [ledger.single(fact, "advance_recovered", source, owed, amount, cause=case)]


def chargeback(fact: UUID, trade: Trade, case: UUID, amount: Money, covered: int) -> list[Transfer]:
    """Book what the buyer's bank has taken back, which is a fact and always booked.

    ``covered`` (minor units) is how much of it the entitlement still covers: that the seller
    owes. The rest is in suspense, and the caller raises an alarm.
    """
    if not 0 <= covered <= _minor(trade, amount):
        raise Invalid(("covered",), "out_of_bounds", minimum=0, maximum=amount.amount_minor)
    within = Money(covered, trade.currency)
    beyond = amount - within
    world = trade.of_house(Kind.WORLD)
    lines: list[Transfer] = []
    if within:
        owed = trade.of_seller(Kind.RECEIVABLE)
        lines.append(ledger.single(fact, "chargeback", owed, world, within, cause=case))
        lines.append(_entitlement_used(fact, trade, case, within))
    if beyond:
        suspense = trade.of_house(Kind.SUSPENSE)
        lines.append(ledger.single(fact, "chargeback_beyond", suspense, world, beyond, cause=case))
    return lines


# Insurance: ``claim`` is the insurance claim.


def loss_fund(insurer: UUID, currency: str) -> Account:
    """An insurer's own account, from which it pays losses."""
    return Account(Kind.LOSS_FUND, insurer, currency)


def fund_deposited(fact: UUID, insurer: UUID, amount: Money) -> list[Transfer]:
    """Put an insurer's money into its fund for losses."""
    world = Account(Kind.WORLD, HOUSE, amount.currency)
    fund = loss_fund(insurer, amount.currency)
    return [ledger.single(fact, "fund_deposited", world, fund, amount, cause=insurer)]


def loss_reserved(
    fact: UUID, claim: UUID, insurer: UUID, payee: Account, amount: Money
) -> list[Transfer]:
    """Reserve an expected loss for ``payee``: whoever bore it (proceeds, platform, payable)."""
    fund = loss_fund(insurer, amount.currency)
    return [ledger.hold(fact, "loss_reserved", fund, payee, amount, cause=claim)]


def reserve_changed(
    fact: UUID, claim: UUID, insurer: UUID, payee: Account, amount: Money, *, reserve: UUID
) -> list[Transfer]:
    """Replace the hold ``reserve`` by one of another amount; an amount of zero ends it."""
    lines = [ledger.void(fact, "reserve_voided", reserve, cause=claim)]
    if amount:
        lines += loss_reserved(fact, claim, insurer, payee, amount)
    return lines


def indemnity_paid(
    fact: UUID, claim: UUID, reserve: UUID, amount: Money, buyers: Trade | None = None
) -> list[Transfer]:
    """Pay what was decided from the reserve, at most all of it; the rest returns to the fund.

    ``buyers`` is the order where the buyer is the insured and is paid here: it then comes out of
    the order's entitlement.
    """
    lines = [ledger.post(fact, "indemnity_paid", reserve, amount, cause=claim)]
    if buyers is not None:
        lines.append(_entitlement_used(fact, buyers, claim, amount))
    return lines


def loss_denied(fact: UUID, claim: UUID, reserve: UUID) -> list[Transfer]:
    """Release the reserve: nothing is paid."""
    return [ledger.void(fact, "loss_denied", reserve, cause=claim)]


def loss_recovered(fact: UUID, claim: UUID, payer: Account, amount: Money) -> list[Transfer]:
    """Book what a carrier or a seller paid: it goes to whoever had paid, never to the buyer."""
    world = Account(Kind.WORLD, HOUSE, amount.currency)
    if payer.kind is Kind.PAYABLE:
        raise Invalid(("payer",), "recovery_is_not_the_buyers")
    return [ledger.single(fact, "loss_recovered", world, payer, amount, cause=claim)]


# Payouts: the ids of the lines derive from the payout's id, never from the try.


def payout_sent(payout: UUID, cause: UUID, source: Account, amount: Money) -> list[Transfer]:
    """Hold what the rail is asked to pay, from a payable or a seller's proceeds."""
    rail = Account(Kind.RAIL, HOUSE, amount.currency)
    return [ledger.hold(payout, "payout_sent", source, rail, amount, cause=cause)]


def payout_settled(payout: UUID, cause: UUID) -> list[Transfer]:
    """The rail has paid."""
    return [ledger.post(payout, "payout_settled", _sent(payout), cause=cause)]


def payout_rejected(payout: UUID, cause: UUID) -> list[Transfer]:
    """The rail has not paid and never will for this payout."""
    return [ledger.void(payout, "payout_rejected", _sent(payout), cause=cause)]


def payout_returned(payout: UUID, cause: UUID, source: Account, amount: Money) -> list[Transfer]:
    """The bank has sent the money back after it was paid; it waits in ``source`` again."""
    rail = Account(Kind.RAIL, HOUSE, amount.currency)
    return [ledger.single(payout, "payout_returned", rail, source, amount, cause=cause)]


def payout_paid_after_all(
    payout: UUID, cause: UUID, source: Account, amount: Money, *, covered: bool
) -> list[Transfer]:
    """The rail has paid what it had rejected: a fact, and always booked.

    From ``source`` if that still covers it; else from suspense, and the caller raises an alarm.
    """
    rail = Account(Kind.RAIL, HOUSE, amount.currency)
    suspense = Account(Kind.SUSPENSE, HOUSE, amount.currency)
    payer = source if covered else suspense
    return [ledger.single(payout, "payout_paid_after_all", payer, rail, amount, cause=cause)]


def undone(fact: UUID, transfers: Sequence[Transfer]) -> list[Transfer]:
    """Undo single transfers by new ones the other way (``ValueError`` for others)."""
    lines = []
    for each in transfers:
        if each.op is not Op.SINGLE or each.debit is None or each.credit is None or not each.amount:
            raise ValueError(f"{each.code} is no single transfer")
        lines.append(
            ledger.single(
                fact, f"undo_{each.code}", each.credit, each.debit, each.amount, cause=each.cause
            )
        )
    return lines


def _sent(payout: UUID) -> UUID:
    return ledger.transfer_id(payout, "payout_sent")


def _minor(trade: Trade, amount: Money) -> int:
    if amount.currency != trade.currency:
        raise Invalid(("currency",), "not_the_orders", currency=trade.currency)
    return amount.amount_minor


def _sources(trade: Trade, shares: Shares) -> list[tuple[str, Account, Money]]:
    """The lines of a waterfall that are not empty, with the accounts that they come from."""
    given = (
        ("refund_from_escrow", trade.of_order(Kind.ESCROW), shares.escrow),
        ("refund_from_bond", trade.of_seller(Kind.BOND), shares.bond),
        # Debited to the receivable: the seller owes what the platform pays ahead.
        ("refund_advanced", trade.of_seller(Kind.RECEIVABLE), shares.advance),
    )
    return [(code, source, Money(n, trade.currency)) for code, source, n in given if n]


def _entitlement_used(fact: UUID, trade: Trade, cause: UUID, amount: Money) -> Transfer:
    entitlement = trade.of_order(Kind.ENTITLEMENT)
    issued = trade.of_house(Kind.ENTITLEMENT_ISSUED)
    return ledger.single(fact, "entitlement_used", entitlement, issued, amount, cause=cause)


def _entitlement_held(
    fact: UUID, trade: Trade, cause: UUID, amount: Money, expires: datetime | None
) -> Transfer:
    entitlement = trade.of_order(Kind.ENTITLEMENT)
    issued = trade.of_house(Kind.ENTITLEMENT_ISSUED)
    return ledger.hold(
        fact, "entitlement_held", entitlement, issued, amount, cause=cause, expires=expires
    )


def _all_posted(fact: UUID, code: str, case: UUID, held: Sequence[UUID]) -> list[Transfer]:
    return [ledger.post(fact, f"{code}_{n}", one, cause=case) for n, one in enumerate(held, 1)]


def _all_voided(fact: UUID, code: str, case: UUID, held: Sequence[UUID]) -> list[Transfer]:
    return [ledger.void(fact, f"{code}_{n}", one, cause=case) for n, one in enumerate(held, 1)]
