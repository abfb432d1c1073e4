"""Registration: what a marketplace tells of its trade: people, sellers, orders, payments.

Everything is told once by a reference of the marketplace's own: the same content again leads to
the same thing, other content is a ``Conflict``. Whoever may not register is refused like somebody
who asks for what is not there. Shipments are ``odr.shipments``', money put up for losses
``odr.securities``'. The module knows no case.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import SQLModel, col

from evidence import canonical
from evidence.errors import Malformed
from odr import bounds, ids, journal, ledger, money, people, policy
from odr.errors import Conflict, Invalid, NotFound, TooMuch
from odr.journal import Trade
from odr.models.people import Account, Membership, Organisation
from odr.models.states import OrganisationKind
from odr.models.trade import Order, OrderLine, Payment
from odr.money import Money
from odr.people import Person
from odr.sql import typed
from odr.work import Work

LINES_MAX: Final = 100
MEMBERS_MAX: Final = 50
POLICY_BYTES_MAX: Final = 64 * 1024
QUANTITY_MAX: Final = 1_000_000
DAYS_MAX: Final = 36_500
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""A zero character in canonical JSON, for which PostgreSQL's jsonb has no room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """One line of an order: ``quantity`` pieces at ``unit_minor`` each, with taxes."""

    title: str
    quantity: int
    unit_minor: int
    sku: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """An order as its marketplace tells it.

    ``buyer`` is an account's id, or the address under which a person is registered. ``total_minor``
    may be told to be checked: it is the sum of the lines and the freight. ``policy`` is what was
    shown at purchase: ``returnDays`` and ``warrantyDays`` in natural days, ``listing`` in words,
    and whatever else was promised; it is pinned by the SHA-256 of its RFC 8785 spelling.
    """

    reference: str
    buyer: UUID | str
    seller_id: UUID
    currency: str
    lines: Sequence[Goods]
    category: str
    language: str
    country: str
    zone: str
    placed_at: datetime
    freight_minor: int = 0
    total_minor: int | None = None
    promised_at: datetime | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """The buyer's payment of a whole order."""

    reference: str
    method: str
    amount_minor: int
    currency: str
    paid_at: datetime


async def register_person(work: Work, person: Person) -> UUID:
    """The account with this address: the one that is there, unchanged, or a new one."""
    await require_marketplace(work)
    work.result = await people.register(work, person)
    return work.result


async def register_seller(
    work: Work,
    marketplace_id: UUID,
    *,
    reference: str,
    name: str,
    country: str,
    members: Sequence[Person],
) -> UUID:
    """Let a seller in, with the people who act for it; its id."""
    await require_marketplace(work, marketplace_id)
    if not 1 <= len(members) <= MEMBERS_MAX:
        raise Invalid(("members",), "number", minimum=1, maximum=MEMBERS_MAX)
    given: dict[str, Any] = {
        "kind": OrganisationKind.SELLER,
        "name": bounds.line(name, ("name",)),
        "country": bounds.country(country, ("country",)),
        "marketplace_id": marketplace_id,
        "reference": bounds.reference(reference, ("reference",)),
    }
    accounts = [
        await people.register(work, member, ("members", number))
        for number, member in enumerate(members)
    ]
    made = Organisation(id=ids.new(work.at), created=work.at, **given)
    natural = {name: given[name] for name in ("marketplace_id", "reference")}
    if await once(work, made, natural, given):
        await people.join(work, work.result, tuple(accounts))
    else:
        acting = select(col(Membership.account_id)).where(
            col(Membership.organisation_id) == work.result
        )
        if not set(accounts) <= set((await work.conn.execute(acting)).scalars()):
            raise Conflict("reference", existing=work.result)
    return work.result


async def register_order(work: Work, marketplace_id: UUID, order: Registered) -> UUID:
    """Tell of an order; opens its accounts in the ledger, and matches it to covers. Its id.

    ``Invalid``, ``Conflict`` if the reference was used for another order.
    """
    await require_marketplace(work, marketplace_id)
    given = _checked(work, order)
    lines = _lines(order)
    given["marketplace_id"] = marketplace_id
    given["buyer_id"] = await _buyer(work, order.buyer)
    given["seller_id"] = await require_seller(work, marketplace_id, order.seller_id)
    given["total_minor"] = _total(order, lines)
    made = Order(id=ids.new(work.at), registered_at=work.at, **given)
    natural = {"marketplace_id": marketplace_id, "reference": given["reference"]}
    if not await once(work, made, natural, given):
        await _same_lines(work, lines)
        return work.result
    rows = [
        {"id": ids.child(made.id), "order_id": made.id, "number": number, **line}
        for number, line in enumerate(lines, 1)
    ]
    await work.conn.execute(insert(OrderLine).values(rows))
    trade = Trade(made.id, made.seller_id, made.currency)
    await ledger.open_accounts(work.conn, trade.accounts())
    await work.conn.execute(_MATCH_ORDER, {"order": made.id})
    return made.id


_MATCH_ORDER: Final = typed(
    """
INSERT INTO order_covers (order_id, cover_id)
SELECT o.id, c.id
FROM orders o JOIN covers c ON c.insured_id IN (o.marketplace_id, o.seller_id)
WHERE o.id = :order AND c.confirmed_at IS NOT NULL AND c.currency = o.currency
  AND CAST(o.placed_at AT TIME ZONE 'UTC' AS date) BETWEEN c.starts AND c.ends
ON CONFLICT DO NOTHING
"""
)


def _checked(work: Work, order: Registered) -> dict[str, Any]:
    """The order's own columns, each within its bounds."""
    placed_at = bounds.past(order.placed_at, ("placed_at",), work.at)
    if order.promised_at is not None:
        bounds.instant(order.promised_at, ("promised_at",))
        if order.promised_at < placed_at:
            raise Invalid(("promised_at",), "before_placed", minimum=placed_at)
    shown, digest = pinned(order.policy)
    return {
        "reference": bounds.reference(order.reference, ("reference",)),
        "currency": bounds.currency(order.currency, ("currency",)),
        "freight_minor": bounds.whole(order.freight_minor, ("freight_minor",)),
        "category": bounds.line(order.category, ("category",), 60),
        "language": bounds.language(order.language, ("language",)),
        "country": bounds.country(order.country, ("country",)),
        "zone": bounds.zone(order.zone, ("zone",)),
        "placed_at": placed_at,
        "promised_at": order.promised_at,
        "policy": shown,
        "policy_digest": digest,
    }


def pinned(shown: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What was shown at purchase, and its SHA-256 in RFC 8785's spelling; ``Invalid``."""
    for name in ("returnDays", "warrantyDays"):
        if shown.get(name) is not None:
            bounds.whole(shown[name], ("policy", name), most=DAYS_MAX)
    if not isinstance(shown.get("listing", ""), str):
        raise Invalid(("policy", "listing"), "malformed")
    try:
        spelled = canonical.encode(dict(shown))
    except Malformed:
        raise Invalid(("policy",), "malformed") from None
    if len(spelled) > POLICY_BYTES_MAX:
        raise TooMuch(limit="policy_bytes", maximum=POLICY_BYTES_MAX)
    if _NUL.search(spelled):
        raise Invalid(("policy",), "malformed")
    return canonical.decode(spelled), sha256(spelled).digest()


def _lines(order: Registered) -> list[dict[str, Any]]:
    if not 1 <= len(order.lines) <= LINES_MAX:
        raise Invalid(("lines",), "number", minimum=1, maximum=LINES_MAX)
    lines = []
    for number, goods in enumerate(order.lines):
        path = ("lines", number)
        quantity = bounds.whole(goods.quantity, (*path, "quantity"), least=1, most=QUANTITY_MAX)
        unit_minor = bounds.whole(goods.unit_minor, (*path, "unit_minor"))
        lines.append(
            {
                "title": bounds.line(goods.title, (*path, "title"), 300),
                "sku": bounds.optional_line(goods.sku, (*path, "sku"), 100),
                "quantity": quantity,
                "unit_minor": unit_minor,
                "total_minor": bounds.whole(quantity * unit_minor, (*path, "unit_minor")),
            }
        )
    return lines


def _total(order: Registered, lines: Sequence[Mapping[str, Any]]) -> int:
    """The sum of lines and freight; one that was told must be the same."""
    total = sum(line["total_minor"] for line in lines) + order.freight_minor
    if order.total_minor is not None and (
        bounds.whole(order.total_minor, ("total_minor",), least=1) != total
    ):
        raise Invalid(("total_minor",), "disagrees", expected=total)
    return bounds.whole(total, ("total_minor",), least=1, most=money.AMOUNT_MINOR_MAX)


async def _buyer(work: Work, buyer: UUID | str) -> UUID:
    named: ColumnElement[bool] = (
        col(Account.id) == buyer
        if isinstance(buyer, UUID)
        else col(Account.email) == bounds.email(buyer, ("buyer",))
    )
    found: UUID | None = await work.conn.scalar(select(col(Account.id)).where(named))
    if found is None:
        raise Invalid(("buyer",), "unknown")
    return found


async def _same_lines(work: Work, lines: Sequence[Mapping[str, Any]]) -> None:
    names = ("title", "sku", "quantity", "unit_minor", "total_minor")
    statement = (
        select(*(getattr(OrderLine, name) for name in names))
        .where(col(OrderLine.order_id) == work.result)
        .order_by(col(OrderLine.number))
    )
    known = [dict(row) for row in (await work.conn.execute(statement)).mappings()]
    if known != [dict(line) for line in lines]:
        raise Conflict("reference", existing=work.result)


async def register_payment(work: Work, order_id: UUID, paid: Paid) -> UUID:
    """Tell that an order was paid, whole: its money is in escrow, its entitlement filled.

    An order is paid once; a second payment is a ``Conflict`` like one with other content.
    """
    order = await require_order(work, order_id)
    total = Money(order.total_minor, order.currency)
    if bounds.currency(paid.currency, ("currency",)) != order.currency:
        raise Invalid(("currency",), "not_the_orders", currency=order.currency)
    if bounds.whole(paid.amount_minor, ("amount_minor",), least=1) != order.total_minor:
        raise Invalid(("amount_minor",), "disagrees", expected=order.total_minor)
    given: dict[str, Any] = {
        "order_id": order_id,
        "reference": bounds.reference(paid.reference, ("reference",)),
        "method": bounds.line(paid.method, ("method",), 40),
        "amount_minor": paid.amount_minor,
        "currency": paid.currency,
        "paid_at": bounds.past(paid.paid_at, ("paid_at",), work.at),
    }
    if paid.paid_at < order.placed_at:
        raise Invalid(("paid_at",), "before_placed", minimum=order.placed_at)
    made = Payment(id=ids.child(order_id), **given)
    natural = {name: given[name] for name in ("order_id", "reference")}
    if not await once(work, made, natural, given):
        return work.result
    if order.paid_at is not None:
        raise Conflict("payment")
    await work.conn.execute(
        update(Order).where(col(Order.id) == order_id).values(paid_at=paid.paid_at)
    )
    trade = Trade(order_id, order.seller_id, order.currency)
    percent = work.rulebooks.in_force(work.at).consequences.compensation_percent
    cap = Money(min(order.total_minor * percent // 100, money.AMOUNT_MINOR_MAX), order.currency)
    await ledger.book(work.conn, journal.order_paid(trade, total, cap))
    return made.id


# What every registration asks first, and how it happens once.


async def require_marketplace(work: Work, marketplace_id: UUID | None = None) -> None:
    """Refuse whoever does not act for the marketplace (None: for any)."""
    policy.require(work.actor, "register")
    if marketplace_id is not None:
        policy.require_member(work.actor, marketplace_id)
    wanted = work.actor.organisation_ids if marketplace_id is None else (marketplace_id,)
    await require_kind(work, wanted, OrganisationKind.MARKETPLACE)


async def require_kind(work: Work, organisations: Sequence[UUID], kind: OrganisationKind) -> None:
    """Refuse (``NotFound``) if none of the organisations is of this kind."""
    statement = select(col(Organisation.id)).where(
        col(Organisation.id).in_(organisations), col(Organisation.kind) == kind
    )
    if (await work.conn.execute(statement.limit(1))).first() is None:
        raise NotFound


async def require_seller(work: Work, marketplace_id: UUID, seller_id: UUID) -> UUID:
    """A seller that the marketplace, or the operator for all of them, let in; ``Invalid``."""
    statement = select(col(Organisation.id)).where(
        col(Organisation.id) == seller_id,
        col(Organisation.kind) == OrganisationKind.SELLER,
        or_(
            col(Organisation.marketplace_id) == marketplace_id,
            col(Organisation.marketplace_id).is_(None),
        ),
    )
    if (await work.conn.execute(statement)).first() is None:
        raise Invalid(("seller_id",), "unknown")
    return seller_id


async def require_order(work: Work, order_id: UUID) -> Order:
    """An order of a marketplace for which the actor acts, locked; ``NotFound``."""
    policy.require(work.actor, "register")
    columns = Order.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    statement = (
        select(*columns)
        .where(
            columns.id == order_id,
            columns.marketplace_id.in_(work.actor.organisation_ids),
        )
        .with_for_update()
    )
    found = (await work.conn.execute(statement)).mappings().one_or_none()
    if found is None:
        raise NotFound
    return Order(**found)


async def once(
    work: Work, made: SQLModel, natural: Mapping[str, Any], given: Mapping[str, Any]
) -> bool:
    """Insert a row unless its ``natural`` key is there; ``work.result`` is then that row's id.

    Of several at once one inserts, and the others wait for its commit. ``Conflict`` if what is
    there differs in anything ``given``. Whether it was inserted.
    """
    kind = type(made)
    columns = kind.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    inserted = (
        insert(kind)
        .values(made.model_dump())
        .on_conflict_do_nothing(index_elements=list(natural))
        .returning(columns.id)
    )
    new: UUID | None = await work.conn.scalar(inserted)
    if new is not None:
        work.result = new
        return True
    key = [columns[name] == value for name, value in natural.items()]
    there = (await work.conn.execute(select(*columns).where(*key))).mappings().one()
    if any(there[name] != value for name, value in given.items()):
        raise Conflict("reference", existing=there["id"])
    work.result = there["id"]
    return False
