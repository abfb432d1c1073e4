"""A small world for tests: a marketplace, a seller with a bond, a buyer, an insurer, neutrals.

Rows are written straight into the tables, money is booked by the journal; nothing is faked. Every
name in it is unique, so that one database holds many worlds.
"""

import atexit
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from evidence import canonical, keys
from evidence.quarantine import Quarantine
from evidence.store import DirectoryStore
from evidence.vault import Vault
from evidence.workshop import Workshop
from odr import actions, claims, ids, journal, ledger, rulebook
from odr.caucus import Caucus
from odr.journal import Trade
from odr.models.people import Account, Membership, Neutral, Organisation
from odr.models.states import Direction, NeutralKind, OrganisationKind
from odr.models.trade import (
    Bond,
    Cover,
    Order,
    OrderCover,
    OrderLine,
    Payment,
    Shipment,
)
from odr.money import Money
from odr.policy import Viewer
from odr.terms import Item, Terms
from odr.words import Peril, Reason, Remedy
from odr.work import Office

SIGNER = "vault.example/receipts"
RAIL = "manual"

# One for all tests: a darkroom takes its time to start, and belongs to no loop.
WORKSHOP = Workshop()
atexit.register(WORKSHOP.close)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Who there is. Accounts act through their viewers."""

    at: datetime
    operator_id: UUID
    marketplace_id: UUID
    seller_id: UUID
    insurer_id: UUID
    cover_id: UUID
    operator: Viewer
    second_operator: Viewer
    marketplace: Viewer
    buyer: Viewer
    seller: Viewer
    insurer: Viewer
    stranger: Viewer
    mediators: tuple[Viewer, Viewer]
    arbitrators: tuple[Viewer, Viewer]


def office(engine: AsyncEngine, folder: Path, *, rail: str = RAIL, **parts: object) -> Office:
    """An office on ``engine`` with fresh keys and its objects in ``folder``."""
    made = keys.generate(SIGNER)
    vault = Vault(
        origin="vault.example",
        store=DirectoryStore(folder / "store"),
        keyring=made.keyring(),
        receipt_signer=made.signer(SIGNER),
        retention=timedelta(days=30),
    )
    given = {
        "engine": engine,
        "vault": vault,
        "rulebooks": rulebook.load_all(),
        "caucus": Caucus(secrets.token_bytes(32)),
        "consequences": actions.CONSEQUENCES,
        "rail": rail,
        "wake": lambda: None,
    } | parts
    return Office(**({"quarantine": Quarantine(given["vault"], WORKSHOP, ids.child)} | given))


async def now(conn: AsyncConnection) -> datetime:
    return (await conn.execute(text("SELECT service_now()"))).scalar_one()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What can be chosen of a world. ``insured`` is "seller" or "marketplace"."""

    currency: str = "EUR"
    bond_minor: int = 100_000
    fund_minor: int = 1_000_000
    insured: str = "seller"
    deductible_minor: int = 500
    claim_limit_minor: int = 50_000
    aggregate_limit_minor: int = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """What can be chosen of an order."""

    total_minor: int = 12_900
    freight_minor: int = 900
    currency: str = "EUR"
    cap_minor: int | None = 5_000
    covered: bool = True
    placed_days_ago: int = 10
    delivered: bool = True


async def make(engine: AsyncEngine, **chosen: Any) -> World:
    """A world in the database; ``chosen`` as in ``Setting``."""
    setting = Setting(**chosen)
    async with engine.begin() as conn:
        at = await now(conn)
        maker = _Maker(conn, at)
        operator_id = await maker.organisation(OrganisationKind.OPERATOR, "Operator")
        marketplace_id = await maker.organisation(OrganisationKind.MARKETPLACE, "Market")
        seller_id = await maker.organisation(OrganisationKind.SELLER, "Seller")
        insurer_id = await maker.organisation(OrganisationKind.INSURER, "Insurer")
        await maker.bond(marketplace_id, seller_id, Money(setting.bond_minor, setting.currency))
        await maker.fund(insurer_id, Money(setting.fund_minor, setting.currency))
        insured = {"seller": seller_id, "marketplace": marketplace_id}[setting.insured]
        cover_id = await maker.cover(insurer_id, insured, setting)
        return World(
            at=at,
            operator_id=operator_id,
            marketplace_id=marketplace_id,
            seller_id=seller_id,
            insurer_id=insurer_id,
            cover_id=cover_id,
            operator=await maker.account("operator", operator_id, operator=True),
            second_operator=await maker.account("operator", operator_id, operator=True),
            marketplace=await maker.account("marketplace", marketplace_id),
            buyer=await maker.account("buyer"),
            seller=await maker.account("seller", seller_id),
            insurer=await maker.account("insurer", insurer_id),
            stranger=await maker.account("stranger"),
            mediators=(
                await maker.neutral(NeutralKind.MEDIATOR),
                await maker.neutral(NeutralKind.MEDIATOR),
            ),
            arbitrators=(
                await maker.neutral(NeutralKind.ARBITRATOR),
                await maker.neutral(NeutralKind.ARBITRATOR),
            ),
        )


async def order(engine: AsyncEngine, world: World, **chosen: Any) -> UUID:
    """A paid order of the world's buyer, shipped, in escrow; ``chosen`` as in ``Goods``."""
    goods = Goods(**chosen)
    async with engine.begin() as conn:
        at = await now(conn)
        placed = at - timedelta(days=goods.placed_days_ago)
        policy = {"returnDays": 14}
        row = Order(
            id=ids.new(at),
            marketplace_id=world.marketplace_id,
            reference=f"O-{secrets.token_hex(6)}",
            buyer_id=world.buyer.account_id,
            seller_id=world.seller_id,
            currency=goods.currency,
            total_minor=goods.total_minor,
            freight_minor=goods.freight_minor,
            category="electronics",
            language="en",
            country="DE",
            zone="Europe/Berlin",
            placed_at=placed,
            paid_at=placed,
            promised_at=placed + timedelta(days=5),
            policy=policy,
            policy_digest=sha256(canonical.encode(policy)).digest(),
            registered_at=at,
        )
        await conn.execute(insert(Order).values(row.model_dump()))
        await _goods(conn, row, delivered=goods.delivered)
        if goods.covered:
            await conn.execute(insert(OrderCover).values(order_id=row.id, cover_id=world.cover_id))
        trade = Trade(row.id, world.seller_id, goods.currency)
        await ledger.open_accounts(conn, trade.accounts())
        cap = None if goods.cap_minor is None else Money(goods.cap_minor, goods.currency)
        await ledger.book(
            conn, journal.order_paid(trade, Money(goods.total_minor, goods.currency), cap)
        )
        return row.id


async def _goods(conn: AsyncConnection, row: Order, *, delivered: bool) -> None:
    """The order's line, its payment and its outbound shipment."""
    goods = row.total_minor - row.freight_minor
    await conn.execute(
        insert(OrderLine).values(
            id=ids.child(row.id),
            order_id=row.id,
            number=1,
            title="A pair of speakers",
            sku="SPK-2",
            quantity=2 if goods % 2 == 0 else 1,
            unit_minor=goods // 2 if goods % 2 == 0 else goods,
            total_minor=goods,
        )
    )
    await conn.execute(
        insert(Payment).values(
            id=ids.child(row.id),
            order_id=row.id,
            reference=f"P-{row.reference}",
            method="card",
            amount_minor=row.total_minor,
            currency=row.currency,
            paid_at=row.paid_at,
        )
    )
    await conn.execute(
        insert(Shipment).values(
            id=ids.child(row.id),
            order_id=row.id,
            direction=Direction.OUTBOUND,
            carrier="Postal Example",
            service="standard",
            tracking_number=f"T{secrets.token_hex(6)}",
            shipped_at=row.placed_at + timedelta(days=1),
            delivered_at=row.placed_at + timedelta(days=4) if delivered else None,
        )
    )


def refund(amount_minor: int, currency: str = "EUR", *, full: bool = False) -> Terms:
    """Terms of one refund: the whole, or a part of this amount."""
    remedy = Remedy.FULL_REFUND if full else Remedy.PARTIAL_REFUND
    return Terms(currency, (Item(remedy=remedy, amount_minor=amount_minor),))


async def file(
    desk: Office,
    world: World,
    order_id: UUID,
    *,
    terms: Terms | None = None,
    reason: Reason = Reason.DAMAGED_IN_TRANSIT,
) -> UUID:
    """The buyer files a claim on an order; the case's id."""
    wanted = terms or refund(12_900, full=True)
    filing = claims.Filing(
        order_id=order_id, reason=reason, statement="It arrived broken.", terms=wanted
    )
    async with desk.work(world.buyer, ids.child(order_id)) as work:
        return await claims.file(work, filing)


async def settle(desk: Office, world: World, case_id: UUID) -> None:
    """The seller accepts the claim: the case is performed from here."""
    async with desk.work(world.seller, case_id) as work:
        await claims.accept_claim(work, case_id)


class _Maker:
    """Writes the rows of a world over one connection."""

    def __init__(self, conn: AsyncConnection, at: datetime) -> None:
        self.conn = conn
        self.at = at

    async def organisation(self, kind: OrganisationKind, name: str) -> UUID:
        made = ids.new(self.at)
        await self.conn.execute(
            insert(Organisation).values(
                id=made, kind=kind, name=name, country="DE", created=self.at
            )
        )
        return made

    async def account(
        self, name: str, organisation: UUID | None = None, *, operator: bool = False
    ) -> Viewer:
        made = ids.new(self.at)
        email = f"{name}.{made.hex}@example.org"
        await self.conn.execute(
            insert(Account).values(
                id=made, email=email, name=name.title(), language="en", zone="UTC", created=self.at
            )
        )
        if organisation is None:
            return Viewer(made, operator=operator)
        await self.conn.execute(
            insert(Membership).values(account_id=made, organisation_id=organisation, since=self.at)
        )
        return Viewer(made, (organisation,), operator=operator)

    async def neutral(self, kind: NeutralKind) -> Viewer:
        viewer = await self.account(kind.value)
        await self.conn.execute(
            insert(Neutral).values(
                account_id=viewer.account_id,
                kinds=[kind.value],
                languages=["en"],
                expertise=[],
                active=True,
                cases_max=1_000,
            )
        )
        return viewer

    async def bond(self, marketplace: UUID, seller: UUID, amount: Money) -> None:
        made = ids.new(self.at)
        await self.conn.execute(
            insert(Bond).values(
                id=made,
                marketplace_id=marketplace,
                seller_id=seller,
                currency=amount.currency,
                floor_minor=amount.amount_minor // 2,
                registered_at=self.at,
            )
        )
        if amount:
            await self.deposit(journal.bond_deposited(made, seller, amount))

    async def fund(self, insurer: UUID, amount: Money) -> None:
        if amount:
            await self.deposit(journal.fund_deposited(ids.new(self.at), insurer, amount))

    async def deposit(self, lines: list[ledger.Transfer]) -> None:
        await ledger.open_accounts(self.conn, ledger.accounts_of(lines))
        await ledger.book(self.conn, lines)

    async def cover(self, insurer: UUID, insured: UUID, setting: Setting) -> UUID:
        made = ids.new(self.at)
        await self.conn.execute(
            insert(Cover).values(
                id=made,
                insurer_id=insurer,
                insured_id=insured,
                reference=f"C-{made.hex[:12]}",
                perils=[Peril.DAMAGE.value, Peril.LOSS.value],
                currency=setting.currency,
                claim_limit_minor=setting.claim_limit_minor,
                aggregate_limit_minor=setting.aggregate_limit_minor,
                deductible_minor=setting.deductible_minor,
                starts=date(2020, 1, 1),
                ends=date(2099, 12, 31),
                registered_at=self.at,
                confirmed_at=self.at,
            )
        )
        return made
