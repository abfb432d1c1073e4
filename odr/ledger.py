"""The ledger's face: accounts and transfers as values, one call to book them, refusals.

``ledger.sql`` beside this module is the ledger itself: what must never happen is refused there.
Here a batch of transfers becomes one call, and the name of a violated constraint one of our
refusals. After a refusal the caller's transaction is aborted: an act that is refused is rolled
back whole. The module knows no case, no payout and no insurance: which transfers an event makes
is the journal's.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Self, cast
from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from odr import ids, money
from odr.errors import Conflict, Invalid, Late, NotFound, Refused, TooMuch, Unfunded
from odr.money import Money
from odr.words import Word

BATCH_MAX: Final = 10_000
"""Transfers in one call of ``book``; the database holds to the same number."""

HOUSE: Final = UUID("00000000-0000-8000-8000-000000000000")
"""The owner of accounts that belong to the service itself: an id of month zero."""


class Unit(Word):
    """What an account counts; a transfer stays within one unit."""

    MONEY = "money", "Money."
    ENTITLEMENT = "entitlement", "What the buyer of an order may at most get back."
    COMPENSATION = "compensation", "What may at most be paid for losses around an order."
    COUPON = "coupon", "Coupons for later purchases."


class Rule(Word):
    """Which side of an account bounds the other."""

    WITHIN_CREDITS = "within_credits", "Only what was paid in can be taken out or held."
    WITHIN_DEBITS = "within_debits", "No more can be paid back than is owed."
    UNBOUNDED = "unbounded", "There is no bound."


class Kind(Word):
    """What an account is for. The table ``ledger.kinds`` says the same, and how it is striped."""

    unit: Unit
    rule: Rule

    def __new__(cls, value: str, unit: Unit, rule: Rule, meaning: str) -> Self:
        """Make the member ``value`` and hang its unit, rule and sentence on it."""
        kind = str.__new__(cls, value)  # Word's own is Enum's once Word is made
        kind._value_ = value
        kind.unit, kind.rule, kind.meaning = unit, rule, meaning
        return kind

    WORLD = (
        "world",
        Unit.MONEY,
        Rule.UNBOUNDED,
        "Banks and cards of others: where money comes from, and where chargebacks take it.",
    )
    RAIL = "rail", Unit.MONEY, Rule.UNBOUNDED, "What the payment rails have paid out for us."
    PLATFORM = "platform", Unit.MONEY, Rule.UNBOUNDED, "The marketplace's own income and losses."
    SUSPENSE = (
        "suspense",
        Unit.MONEY,
        Rule.UNBOUNDED,
        "What a bank has done beyond the entitlement; somebody must look at it.",
    )
    ESCROW = (
        "escrow",
        Unit.MONEY,
        Rule.WITHIN_CREDITS,
        "What the buyer paid for an order and nobody has got yet.",
    )
    PAYABLE = (
        "payable",
        Unit.MONEY,
        Rule.WITHIN_CREDITS,
        "What a case has granted the buyer and waits to be paid out.",
    )
    PROCEEDS = (
        "proceeds",
        Unit.MONEY,
        Rule.WITHIN_CREDITS,
        "What a seller has earned and waits to be paid out.",
    )
    BOND = "bond", Unit.MONEY, Rule.WITHIN_CREDITS, "What a seller has deposited for claims."
    LOSS_FUND = (
        "loss_fund",
        Unit.MONEY,
        Rule.WITHIN_CREDITS,
        "What an insurer has paid in for losses.",
    )
    RECEIVABLE = (
        "receivable",
        Unit.MONEY,
        Rule.WITHIN_DEBITS,
        "What a seller owes for what was paid to buyers ahead of them.",
    )
    ENTITLEMENT = (
        "entitlement",
        Unit.ENTITLEMENT,
        Rule.WITHIN_CREDITS,
        "What the buyer of an order may still get back, by whatever way.",
    )
    ENTITLEMENT_ISSUED = (
        "entitlement_issued",
        Unit.ENTITLEMENT,
        Rule.UNBOUNDED,
        "The counterpart of all entitlements.",
    )
    COMPENSATION_CAP = (
        "compensation_cap",
        Unit.COMPENSATION,
        Rule.WITHIN_CREDITS,
        "What may still be paid for losses around an order.",
    )
    COMPENSATION_ISSUED = (
        "compensation_issued",
        Unit.COMPENSATION,
        Rule.UNBOUNDED,
        "The counterpart of all caps on compensation.",
    )
    COUPON = "coupon", Unit.COUPON, Rule.WITHIN_CREDITS, "The coupons that a buyer has."
    COUPON_ISSUED = "coupon_issued", Unit.COUPON, Rule.UNBOUNDED, "The counterpart of all coupons."


class Op(StrEnum):
    """What a transfer does: moves at once, holds, or posts or voids a hold."""

    SINGLE = "single"
    PENDING = "pending"
    POST = "post"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Account:
    """A kind of account, its owner and its currency: these three are the account."""

    kind: Kind
    owner: UUID
    currency: str

    @property
    def id(self) -> UUID:
        """The account's id, with the month of its owner's."""
        return account_id(self.kind, self.owner, self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One row of the ledger; made by ``single``, ``hold``, ``post`` and ``void``."""

    id: UUID
    op: Op
    cause: UUID
    code: str
    debit: Account | None = None
    credit: Account | None = None
    amount: Money | None = None
    expires: datetime | None = None
    pending: UUID | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's four counters, in minor units, over all its stripes."""

    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    available: int | None
    """What can be taken out (or paid back, on a receivable); None where there is no bound."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold that nothing has resolved yet, perhaps an expired one (``expires`` None: never)."""

    id: UUID
    debit: UUID
    credit: UUID
    amount: Money
    expires: datetime | None
    code: str


@lru_cache(maxsize=4096)  # the house's own accounts are in every act
def account_id(kind: Kind, owner: UUID, currency: str) -> UUID:
    """Derive an account's id; ``owner`` is one of our ids (``ValueError``), ``HOUSE`` for us."""
    return ids.derive(owner, f"account:{kind.value}:{currency}")


def transfer_id(fact: UUID, code: str) -> UUID:
    """Derive the id of the one transfer that books line ``code`` of a business fact."""
    return ids.derive(fact, f"transfer:{code}")


def single(
    fact: UUID, code: str, debit: Account, credit: Account, amount: Money, *, cause: UUID
) -> Transfer:
    """Move ``amount`` at once."""
    return Transfer(
        id=transfer_id(fact, code),
        op=Op.SINGLE,
        cause=cause,
        code=code,
        debit=debit,
        credit=credit,
        amount=amount,
    )


def hold(
    fact: UUID,
    code: str,
    debit: Account,
    credit: Account,
    amount: Money,
    *,
    cause: UUID,
    expires: datetime | None = None,
) -> Transfer:
    """Hold ``amount`` until it is posted or voided; from ``expires`` on it can only be voided."""
    return Transfer(
        id=transfer_id(fact, code),
        op=Op.PENDING,
        cause=cause,
        code=code,
        debit=debit,
        credit=credit,
        amount=amount,
        expires=expires,
    )


def post(
    fact: UUID, code: str, held: UUID, amount: Money | None = None, *, cause: UUID
) -> Transfer:
    """Execute the hold ``held``; of a part, the rest returns. None is all of it."""
    return Transfer(
        id=transfer_id(fact, code),
        op=Op.POST,
        cause=cause,
        code=code,
        amount=amount,
        pending=held,
    )


def void(fact: UUID, code: str, held: UUID, *, cause: UUID) -> Transfer:
    """End the hold ``held``, in time or after its expiry."""
    return Transfer(id=transfer_id(fact, code), op=Op.VOID, cause=cause, code=code, pending=held)


def accounts_of(transfers: Iterable[Transfer]) -> list[Account]:
    """List the accounts that ``transfers`` name, each once, to open them."""
    named = (account for each in transfers for account in (each.debit, each.credit))
    return list(dict.fromkeys(account for account in named if account is not None))


async def open_accounts(conn: AsyncConnection, accounts: Iterable[Account]) -> None:
    """Open those of ``accounts`` that are not open yet; before the act's one ``book``.

    ``Invalid`` if a currency is unknown.
    """
    await _call(conn, _OPEN, _opened(accounts), ())


def _opened(accounts: Iterable[Account]) -> tuple[Sequence[object], ...]:
    wanted = sorted(set(accounts), key=lambda account: account.id)
    return (
        [account.id for account in wanted],
        [account.kind.value for account in wanted],
        [account.owner for account in wanted],
        [account.currency for account in wanted],
    )


async def book(
    conn: AsyncConnection, transfers: Sequence[Transfer], *, opening: Iterable[Account] = ()
) -> frozenset[UUID]:
    """Book all of ``transfers`` or none, in one round trip, and tell which were booked before.

    Those of ``opening`` that are not open yet are opened first, as ``open_accounts`` does.
    Locks all their accounts in the order of ids until the transaction ends: call it once for an
    act, after every other lock. A repeat with the same content has no effect. ``Conflict`` for
    another content under the same id, or a hold that was resolved before; ``Unfunded``;
    ``Late`` for a hold that has expired; ``NotFound`` for a hold that is not there or is made in
    the same call; ``Invalid`` for an amount out of bounds and an account that is not open.
    """
    if len(transfers) > BATCH_MAX:
        raise TooMuch(limit="transfers", maximum=BATCH_MAX)
    opened = _opened(opening)
    if not transfers:
        if opened[0]:
            await _call(conn, _OPEN, opened, ())
        return frozenset()
    amounts = [each.amount for each in transfers]
    values = (
        [each.id for each in transfers],
        [each.op.value for each in transfers],
        [None if each.debit is None else each.debit.id for each in transfers],
        [None if each.credit is None else each.credit.id for each in transfers],
        # Compared with None: an amount of zero is false, and must not mean "all of it".
        [None if m is None else m.currency for m in amounts],
        [None if m is None else m.amount_minor for m in amounts],
        [each.expires for each in transfers],
        [each.pending for each in transfers],
        [each.code for each in transfers],
        [each.cause for each in transfers],
    )
    if opened[0]:
        known = await _call(conn, _OPEN_AND_BOOK, (*values, *opened), transfers)
    else:
        known = await _call(conn, _BOOK, values, transfers)
    return frozenset(cast("list[UUID]", known))


async def balance(conn: AsyncConnection, account: Account) -> Balance:
    """Read an account's counters, unlocked; ``NotFound`` if it is not open."""
    found = await balances(conn, [account])
    if account not in found:
        raise NotFound
    return found[account]


async def balances(conn: AsyncConnection, accounts: Iterable[Account]) -> dict[Account, Balance]:
    """Read the counters of many accounts, unlocked; those not open are left out."""
    wanted = {account.id: account for account in accounts}
    rows = await conn.execute(_BALANCES, {"ids": list(wanted)})
    return {wanted[row[0]]: Balance(*row[1:]) for row in rows}


async def open_holds(conn: AsyncConnection, cause: UUID) -> list[Hold]:
    """List the unresolved holds of a cause, oldest first."""
    rows = await conn.execute(_HOLDS, {"cause": cause})
    return [
        Hold(row.id, row.debit, row.credit, Money(row.amount, row.currency), row.expires, row.code)
        for row in rows
    ]


async def findings(conn: AsyncConnection) -> list[Mapping[str, object]]:
    """Run the audit over the whole ledger: a finding each row, and there must be none."""
    rows = await conn.execute(text("SELECT * FROM ledger.audit"))
    return [dict(row) for row in rows.mappings()]


# In the driver's own words: the arrays need nothing of what SQLAlchemy does to each element.
_OPEN: Final = "SELECT ledger.open_accounts($1::uuid[], $2::text[], $3::uuid[], $4::text[])"
_BOOK: Final = (
    "SELECT ledger.book($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[],"
    " $7::timestamptz[], $8::uuid[], $9::text[], $10::uuid[])"
)
# What is booked comes out of the join, so that the accounts are open before.
_OPEN_AND_BOOK: Final = (
    "WITH opened AS MATERIALIZED ("  # noqa: S608 - put together of constants
    "SELECT ledger.open_accounts($11::uuid[], $12::text[], $13::uuid[], $14::text[])"
    f") {_BOOK} FROM opened"
)
_BALANCES: Final = text(
    "SELECT id, debits_posted, credits_posted, debits_pending, credits_pending, available"
    " FROM ledger.account_balances WHERE id = ANY (:ids)"
).bindparams(bindparam("ids", type_=ARRAY(Uuid())))
_HOLDS: Final = text(
    "SELECT id, debit, credit, amount, currency, nullif(expires, 'infinity') AS expires, code"
    " FROM ledger.holds WHERE cause = :cause ORDER BY created, id"
).bindparams(bindparam("cause", type_=Uuid()))

_A_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LAST_VALUE: Final = re.compile(r"([0-9][-0-9:.+ ]+)\)\.?$")


async def _call(
    conn: AsyncConnection,
    statement: str,
    values: tuple[Sequence[object], ...],
    transfers: Sequence[Transfer],
) -> object:
    try:
        return (await conn.exec_driver_sql(statement, values)).scalar()
    except IntegrityError as error:
        # SQLAlchemy wraps the driver's error twice.
        cause = error.orig.__cause__ if error.orig else None
        refusal = _REFUSALS.get(getattr(cause, "constraint_name", None) or "")
        if refusal is None:
            raise
        raise refusal(getattr(cause, "detail", None) or "", transfers) from error


def _unfunded(detail: str, transfers: Sequence[Transfer]) -> Refused:
    """Name the kind of the account whose row the database shows."""
    account = _A_UUID.search(detail)
    short = UUID(account[0]) if account else None
    kinds = {account.id: account.kind for account in accounts_of(transfers)}
    return Unfunded(account=kinds[short].value if short in kinds else "account")


def _late_post(detail: str, _: Sequence[Transfer]) -> Refused:
    """Tell the hold's expiry, the last column of the row that the database shows."""
    expiry = _LAST_VALUE.search(detail)
    if expiry is None:
        raise ValueError(f"no expiry in {detail!r}")
    return Late(act="post", due=datetime.fromisoformat(expiry[1]))


def _late_hold(_: str, transfers: Sequence[Transfer]) -> Refused:
    return Late(act="hold", due=min(each.expires for each in transfers if each.expires))


def _refusal(make: Callable[[], Refused]) -> Callable[[str, Sequence[Transfer]], Refused]:
    return lambda _detail, _transfers: make()


_REFUSALS: Final = MappingProxyType(
    {
        "balances_within_credits": _unfunded,
        "balances_within_debits": _unfunded,
        "transfers_post_in_time": _late_post,
        "transfers_hold_outlives_its_making": _late_hold,
        "transfers_hold": _refusal(NotFound),
        "transfers_hold_resolved_once": _refusal(lambda: Conflict("hold")),
        "transfers_same_id_same_content": _refusal(lambda: Conflict("transfer")),
        "transfers_amount_in_bounds": _refusal(
            lambda: Invalid(
                ("amount_minor",), "out_of_bounds", minimum=1, maximum=money.AMOUNT_MINOR_MAX
            )
        ),
        "transfers_post_within_hold": _refusal(lambda: Invalid(("amount_minor",), "beyond_hold")),
        "transfers_resolution_mirrors_hold": _refusal(
            lambda: Invalid(("currency",), "not_the_currency_of_the_hold")
        ),
        "transfers_debit_account": _refusal(lambda: Invalid(("debit",), "account_not_open")),
        "transfers_credit_account": _refusal(lambda: Invalid(("credit",), "account_not_open")),
        "accounts_currency": _refusal(lambda: Invalid(("currency",), "unknown_currency")),
    }
)
"""By constraint: what a caller may run into. Any other violation is a bug and stays one."""
